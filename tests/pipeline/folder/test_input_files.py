"""A file of a run is known again by its size and hash; of a large one pieces are hashed, not all of it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.errors import UserError
from data.weight_records import file_sha256
from pipeline.folder import input_files
from pipeline.folder.input_files import SAMPLED, WHOLE, describe_file, describe_input, is_hashed, is_same
from pipeline.folder.run_folder import RunFolder
from pipeline.job.preparation import check_same_inputs


@pytest.fixture
def recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that counts as large: pieces of 4 bytes of 1000."""
    monkeypatch.setattr(input_files, "_LARGE", 100)
    monkeypatch.setattr(input_files, "_PIECE", 4)
    path = tmp_path / "hall.mp4"
    path.write_bytes(np.random.default_rng(0).integers(0, 256, 1000, np.uint8).tobytes())
    return path


def _changed(path: Path, at: int) -> dict[str, Any]:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    other = path.with_name("other.mp4")
    other.write_bytes(content)
    return describe_file(other)


@pytest.mark.parametrize(("at", "told"), [(0, True), (999, True), (996, True), (5, False)])
def test_of_a_large_file_pieces_tell_another_one(recording: Path, at: int, told: bool) -> None:
    described = describe_file(recording)
    assert described.keys() == {"bytes", SAMPLED}
    assert is_same(described, describe_file(recording))
    assert is_same(described, _changed(recording, at)) is not told


def test_the_last_byte_is_looked_at_whatever_the_size(recording: Path) -> None:
    for size in range(101, 400, 7):
        recording.write_bytes(bytes(size))
        assert not is_same(describe_file(recording), _changed(recording, size - 1))


def test_a_large_file_of_another_size_is_another(recording: Path) -> None:
    described = describe_file(recording)
    recording.write_bytes(recording.read_bytes() + b"\0")
    assert not is_same(described, describe_file(recording))


def test_a_small_file_is_hashed_whole(recording: Path) -> None:
    recording.write_bytes(bytes(100))
    assert describe_file(recording) == {"bytes": 100, WHOLE: file_sha256(recording)}
    assert not is_same(describe_file(recording), _changed(recording, 5))


def test_a_run_whose_large_video_an_earlier_version_hashed_whole_goes_on(recording: Path, tmp_path: Path) -> None:
    before = {"uri": str(recording), "bytes": 1000, WHOLE: file_sha256(recording)}
    folder = RunFolder(tmp_path / "run")
    folder.root.mkdir()
    folder.write_json(folder.manifest, {"inputs": {"hall": before}})
    check_same_inputs(folder, {"hall": {"uri": str(recording), **describe_input(recording)}})
    recording.write_bytes(bytes(999))
    with pytest.raises(UserError, match="camera 'hall' is not the input"):
        check_same_inputs(folder, {"hall": {"uri": str(recording), **describe_input(recording)}})


def test_a_stream_has_no_hash_and_is_not_a_file(recording: Path) -> None:
    assert not is_hashed({"uri": "rtsp://x"})
    assert is_same({"uri": "rtsp://x"}, {"uri": "rtsp://x"})
    assert not is_same({"uri": "rtsp://x"}, describe_file(recording))
