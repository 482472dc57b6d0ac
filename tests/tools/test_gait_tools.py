from pathlib import Path

import pytest

from data.errors import UserError
from tools.evaluate_gait import main as evaluate
from tools.make_gaits import main as make
from tools.train_gait import main as train
from tools.train_gait_matcher import main as match

SETTINGS = ["encoder.epochs=1", "recognition.epochs=1", "data.frames=4"]


def test_gaits_are_made_trained_on_and_scored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, out, config = tmp_path / "gaits.npz", tmp_path / "model", tmp_path / "gait.yaml"
    config.write_text("encoder: {batch: 64}\n")
    arguments = ["--out", str(file), "--people", "3", "--seconds", "1.2", "--views", "90"]
    assert make(arguments) == 0
    with pytest.raises(UserError, match="exists"):
        make(arguments)
    command = ["--config", str(config), "--out", str(out), "--device", "cpu", f"data.root={file}", *SETTINGS]
    assert train(command) == 0
    told = capsys.readouterr().out
    assert "30 recordings of 3 people" in told
    assert "nm               rank-1" in told
    assert "nm-nm            nearest" in told
    assert "too good" not in told
    assert evaluate([str(out), "--confusion", "--device", "cpu"]) == 0
    again = capsys.readouterr().out
    assert all(line in again for line in told.splitlines() if "rank-1" in line)
    assert "columns who it was taken for" in again


@pytest.mark.parametrize(
    ("extra", "words"),
    [(["--people", "1"], "at least 2 --people"), (["--seconds", "0.1"], "less than two skeletons"),
     (["--noise", "0.3", "0.1"], "rising --noise")],
)  # fmt: skip
def test_gaits_that_cannot_be_are_refused(tmp_path: Path, extra: list[str], words: str) -> None:
    with pytest.raises(UserError, match=words):
        make(["--out", str(tmp_path / "a.npz"), *extra])


def test_resuming_and_replacing_exclude_one_another(tmp_path: Path) -> None:
    config = tmp_path / "gait.yaml"
    config.write_text("")
    with pytest.raises(UserError, match="leave --overwrite"):
        train(["--config", str(config), "--out", str(tmp_path / "a"), "--resume", "--overwrite"])


@pytest.mark.parametrize("path", sorted(Path("configs/gait").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_configuration_is_valid(path: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert train(["--config", str(path), "--out", str(tmp_path), "--dry-run"]) == 0
    assert "select_on_test: false" in capsys.readouterr().out


def test_a_matcher_is_trained_and_judged_on_other_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "plane.safetensors"
    assert match(["--out", str(out), "--people", "20"]) == 0
    told = capsys.readouterr().out
    assert float(told.rpartition("equal error rate ")[2].split()[0]) < 20
    with pytest.raises(UserError, match="exists"):
        match(["--out", str(out)])
    with pytest.raises(UserError, match="at least 2 --people"):
        match(["--out", str(tmp_path / "b"), "--people", "1"])
    assert match(["--out", str(tmp_path / "again.safetensors"), "--people", "20"]) == 0
    assert out.read_bytes() == (tmp_path / "again.safetensors").read_bytes()
