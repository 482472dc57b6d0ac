"""Weights are known by name and by hash; preprocessing is never guessed."""

from pathlib import Path

import pytest
import yaml

from data.errors import UserError
from data.weight_records import (
    SHIPPED_FOLDER,
    InputOptions,
    ResolvedWeights,
    WeightRecord,
    file_sha256,
    input_options,
    known_weights,
    read_manifest,
)


def test_every_record_of_the_manifest_can_be_used() -> None:
    records = known_weights()
    assert len({record.sha256 for record in records.values()}) == len(records)
    for name, record in records.items():
        assert record.url in (None, "shipped") or record.url.startswith("https://"), name
        if record.url == "shipped":
            assert file_sha256(SHIPPED_FOLDER / record.file) == record.sha256
        if set(record.backends) & {"yolox_onnx", "topdown_onnx", "osnet_onnx", "osnet_parts"}:
            assert record.input is not None, name
            assert record.input.colour, name
            assert record.input.normalisation, name


def test_options_fill_only_the_gaps() -> None:
    own = InputOptions(colour="bgr")
    merged = own.over(InputOptions(colour="rgb", normalisation="imagenet", input_size=(8, 4)))
    assert merged == InputOptions(colour="bgr", normalisation="imagenet", input_size=(8, 4))
    assert own.over(None) == own


def test_unknown_preprocessing_is_an_error_that_says_what_to_set(tmp_path: Path) -> None:
    weights = ResolvedWeights(tmp_path / "mine.onnx", "0" * 64, "mine", None)
    with pytest.raises(UserError, match=r"set reid\.normalisation, or"):
        input_options(InputOptions(colour="rgb"), weights, "reid")
    with pytest.raises(UserError, match=r"pose\.colour and pose\.normalisation"):
        input_options(InputOptions(), weights, "pose")


def test_a_folder_is_hashed_by_names_and_contents(tmp_path: Path) -> None:
    for folder, name in (("a", "x.xml"), ("b", "x.xml"), ("c", "y.xml")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text("same")
    assert file_sha256(tmp_path / "a") == file_sha256(tmp_path / "b") != file_sha256(tmp_path / "c")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x: [", "the weights manifest"),
        (
            yaml.safe_dump(
                {"x": {"kinds": ["detector"], "backends": [], "file": "f", "sha256": "00", "licence": "MIT"}}
            ),
            r"x?\.?sha256",
        ),
    ],
)
def test_a_broken_manifest_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "m.yaml").write_text(text)
    with pytest.raises(UserError, match=message) as caught:
        read_manifest(tmp_path / "m.yaml")
    assert "\n" not in str(caught.value)


def test_the_model_id_tells_weights_apart() -> None:
    record: WeightRecord | None = None
    assert ResolvedWeights(Path("a"), "12345678" * 8, "net", record).model_id == "net@12345678"
