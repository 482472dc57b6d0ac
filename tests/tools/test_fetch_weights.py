"""The command line lists and fetches."""

import hashlib
from pathlib import Path

import pytest

import pipeline.weights.store
from data.errors import UserError
from data.weight_records import WeightRecord, known_weights
from tools.fetch_weights import main


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    source = tmp_path / "source.bin"
    source.write_bytes(b"weights")
    record = WeightRecord(
        kinds=("reid",), backends=("osnet_onnx",), file="net.onnx", url=source.as_uri(), licence="MIT",
        sha256=hashlib.sha256(b"weights").hexdigest(), trained_on="real", how="made here",
    )  # fmt: skip
    monkeypatch.setattr(pipeline.weights.store, "known_weights", lambda: {"net": record})
    return tmp_path / "cache"


def test_fetching_prints_where_the_file_lies(served: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["net", "--cache", str(served)]) == 0
    assert (served / "net.onnx").read_bytes() == b"weights"
    assert str(served / "net.onnx") in capsys.readouterr().out
    assert main(["net", "--cache", str(served), "--list"]) == 0
    assert "here" in capsys.readouterr().out


def test_the_real_manifest_is_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list", "--cache", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines.index("") == len(known_weights())
    assert any("yolo11m-pose" in line and "AGPL-3.0" in line and "to fetch" in line for line in lines)


def test_what_others_publish_is_listed_with_its_terms(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list", "--cache", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    row = next(number for number, line in enumerate(lines) if line.startswith("solider_swin_base "))
    assert lines[row].split()[1:] == ["backbone", "swin", "swin_base.pth"]
    assert "https://github.com/tinyvision/SOLIDER" in lines[row + 1]
    assert "Apache-2.0" in lines[row + 2]
    assert sum("kpr_" in line and ".pth.tar" in line for line in lines) == 10


def test_nothing_to_do_is_an_error() -> None:
    with pytest.raises(UserError, match="name what to fetch"):
        main([])
