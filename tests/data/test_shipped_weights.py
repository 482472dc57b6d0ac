"""What data/weights ships: small, as recorded, and honest about what it was trained on."""

from data.weight_records import SHIPPED_FOLDER, file_sha256, known_weights

_LIMIT_BYTES = 25_000_000


def test_shipped_files_are_those_of_the_manifest() -> None:
    shipped = {name: record for name, record in known_weights().items() if record.url == "shipped"}
    assert {record.file for record in shipped.values()} == {path.name for path in SHIPPED_FOLDER.glob("*.safetensors")}
    for record in shipped.values():
        path = SHIPPED_FOLDER / record.file
        assert path.stat().st_size == record.size_bytes
        assert file_sha256(path) == record.sha256
        assert record.trained_on == "synthetic"
        assert record.licence == "MIT"
        assert record.scores
        assert "seed" in record.how
    assert sum(record.size_bytes or 0 for record in shipped.values()) <= _LIMIT_BYTES
