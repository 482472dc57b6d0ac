"""The command line that makes pictures to train on, and everything one can get wrong."""

from pathlib import Path

import pytest
import torch
import yaml

from data.formats.coco import read_coco
from data.synthetic.scenario import frozen_hashes
from pipeline.cli import run
from tools.make_training_set import main


def test_a_small_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "set"
    argv = ["--out", str(out), "--sites", "1", "--seed", "2000", "--frames", "1", "--workers", "1", "--device", "cpu"]
    assert run(main, argv) == 0
    images = read_coco(out / "frames.json")
    count = sum(len(image.detections) for image in images)
    assert capsys.readouterr().out == f"{out}: {count} people in the frames of 1 sites\n"
    assert all(image.file_name.startswith("frames/training2000_") for image in images)
    told = yaml.safe_load((out / "recipe.yaml").read_text())
    assert (told["seed"], told["sites"], told["frames"], told["people"]) == (2000, 1, 1, 0)
    assert not (out / "reid").exists()


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--sites", "0"], "--sites 0: give at least 1"),
        (["--seed", "-1"], "--seed -1"),
        (["--frames", "-1"], "--frames -1"),
        (["--people", "-1"], "--people -1"),
        (["--test-people", "-1"], "--test-people -1"),
        (["--people", "5001"], "train_people"),
        (["--crops", "1"], "--crops 1: give at least 2"),
        (["--crops", "101"], "crops"),
        (["--workers", "0"], "--workers 0"),
        (["--frames", "0"], "makes nothing"),
        (["--device", "gpu"], "unknown device 'gpu'"),
        (["--device", "cuda"], "sees no GPU"),
        (["--seed", "1"], "the seeds [1] belong to frozen sites"),
        (["--seed", str(frozen_hashes()["heldout3"][0] - 1), "--sites", "2"], "belong to frozen sites"),
        (["--out", "there"], "there exists"),
        (["--out", "there/thesis.tex/deeper"], "cannot write"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(
    tmp_path: Path,
    argv: list[str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    Path("there").mkdir()
    Path("there/thesis.tex").write_text("x")
    assert run(main, ["--out", "set", "--sites", "1", "--workers", "1", *argv]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1
    assert sorted(str(path) for path in Path().rglob("*")) == ["there", "there/thesis.tex"]
    assert Path("there/thesis.tex").read_text() == "x"
