"""Every example runs and tells what it promises."""

import runpy
from pathlib import Path

import pytest

from pipeline import RunFolder

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def _told(capsys: pytest.CaptureFixture[str], name: str, *arguments: Path) -> str:
    runpy.run_path(str(EXAMPLES / f"{name}.py"))["main"](*arguments)
    return capsys.readouterr().out


def test_all_examples_are_run_here() -> None:
    tests = Path(__file__).read_text(encoding="utf-8")
    names = [path.stem for path in EXAMPLES.glob("*.py")]
    assert len(names) >= 5
    assert [name for name in names if f'"{name}"' not in tests] == []


def test_two_videos(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = _told(capsys, "track_two_videos", tmp_path / "run")
    people = RunFolder(tmp_path / "run").read_global_tracks()
    assert told.count("person ") == len(people) > 1
    assert "probability" in told
    assert str(RunFolder(tmp_path / "run").report) in told


def test_crops(capsys: pytest.CaptureFixture[str]) -> None:
    """Who stands where in the first frame stands there a second later too: the nearest is oneself."""
    lines = _told(capsys, "compare_crops").splitlines()
    nearest: dict[str, tuple[float, str]] = {}
    for line in lines:
        a, b = line.split()[1], line.split("and ")[1].split()[0]
        nearest[a] = min(nearest.get(a, (9.0, "")), (float(line.split(": ")[1].split()[0]), b))
    assert {a: b for a, (_, b) in nearest.items()} == {"0": "0", "1": "1"}
    assert "legs" in lines[0]


def test_a_detector_of_ones_own(capsys: pytest.CaptureFixture[str]) -> None:
    told = _told(capsys, "own_detector")
    assert "person 0: 0.0-7.9 s, 80 rows" in told
    assert "person 1: 0.0-7.9 s, 70 rows" in told, "who hides for a second is the same person afterwards"
    assert "person 2" not in told


def test_association_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = _told(capsys, "associate_again", tmp_path / "run")
    assert told.count("clocks unknown: person") == 1
    assert told.count("clocks common: person") == 2


def test_transitions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = _told(capsys, "transition_model", tmp_path / "model.npz")
    early, usual, late = (float(line.rpartition(" ")[2]) for line in told.splitlines()[1:])
    assert usual > 0 > early > late
