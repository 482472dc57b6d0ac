import json
from collections.abc import Callable
from pathlib import Path

import pytest

from data.datasets.mot_folder import read_mot_folder
from data.datasets.tracking import TrackingDataset
from data.errors import UserError
from pipeline.cli import run
from pipeline.folder.run_folder import RunFolder
from pipeline.job.truth import check_run_truth
from pipeline.run import main
from tools.associate import main as associate

SITE = "cameras:\n" + "".join(
    f"  {name}: {{fps: 10, size: [400, 200], clock: {{status: common}}}}\n" for name in ("hall", "door")
)


def rows(tail: str, count: int = 30) -> str:
    return "".join(f"{n + 1},1,{50 + 3 * n},40,30,80,{tail}\n" for n in range(count))


@pytest.fixture
def begun(tmp_path: Path) -> Callable[..., int]:
    """Runs from detections of two cameras, scored against what was put into ``truth``."""
    for folder in ("det", "truth"):
        (tmp_path / folder).mkdir()
    for camera in ("hall", "door"):
        (tmp_path / "det" / f"{camera}.txt").write_text(rows("0.9"))
    (tmp_path / "site.yaml").write_text(SITE)

    def begin(*more: str, tracks: bool = False) -> int:
        start = "--tracks" if tracks else "--detections"
        arguments = [start, "det", "--site", "site.yaml", "--output", "run", "--truth", "truth", *more]
        return run(
            main, [str(tmp_path / one) if (tmp_path / one).exists() or one == "run" else one for one in arguments]
        )

    return begin


def warnings(tmp_path: Path) -> list[str]:
    folder = RunFolder(tmp_path / "run")
    return [one["text"] for one in folder.read_json(folder.manifest)["warnings"] if one["kind"] == "scores"]


def scores(tmp_path: Path) -> dict[str, dict[str, float]]:
    return {row["name"]: row for row in json.loads((tmp_path / "run" / "metrics.json").read_text())["scores"]}


@pytest.mark.parametrize("tracks", [False, True])
def test_cameras_that_are_there_are_scored(tmp_path: Path, begun: Callable[..., int], tracks: bool) -> None:
    for name in ("hall", "yard"):
        (tmp_path / "truth" / f"{name}.txt").write_text(rows("1,1,1"))
    assert begun(tracks=tracks) == 0
    assert list(scores(tmp_path)) == ["hall"]
    assert scores(tmp_path)["hall"]["IDF1"] > 0.9
    told = warnings(tmp_path)
    assert "door: predictions without a truth (30 rows), not scored" in told
    assert "yard: truth of a camera that this run has not, not scored" in told


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("hall.txt", "1,1,50,x,30,80,1\n", "hall.txt:1: not a row of numbers"),
        ("hall.txt", "0,1,50,40,30,80,1\n", "frame is below 1"),
        ("yard.txt", rows("1,1,1"), "has truth of yard, and this run has the cameras door, hall"),
        ("notes.txt", "nothing yet\n", "holds no truth"),
        ("rule.json", "[]", "rule.json"),
    ],
)
def test_a_broken_truth_stops_a_run_before_it_begins(
    tmp_path: Path,
    begun: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    name: str,
    text: str,
    complaint: str,
) -> None:
    if name == "rule.json":
        (tmp_path / "truth" / "hall.txt").write_text(rows("1,1,1"))
    (tmp_path / "truth" / name).write_text(text)
    assert begun() == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert complaint in error
    assert "--allow-missing" not in error
    assert not (tmp_path / "run" / "tracklets").exists()


def test_a_truth_that_breaks_during_the_run_costs_no_run(
    tmp_path: Path, begun: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "truth" / "hall.txt").write_text(rows("1,1,1"))

    def breaking(truth: Path, *rest: object) -> None:
        check_run_truth(truth, *rest)
        (truth / "hall.txt").write_text("1,1,x,0,0,0,0\n")

    monkeypatch.setattr("pipeline.job.truth.check_run_truth", breaking)
    assert begun() == 0
    assert not (tmp_path / "run" / "metrics.json").exists()
    assert (tmp_path / "run" / "report.html").exists()
    assert any("not scored: " in line and "not a row of numbers" in line for line in warnings(tmp_path))


def test_scores_are_printed_once_by_a_run_and_by_its_association_anew(
    tmp_path: Path, begun: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "truth" / "hall.txt").write_text(rows("1,1,1"))
    assert begun() == 0
    assert capsys.readouterr().out.count("HOTA") == 1
    assert run(associate, [str(tmp_path / "run"), "--truth", str(tmp_path / "truth")]) == 0
    assert capsys.readouterr().out.count("HOTA") == 1
    assert run(associate, [str(tmp_path / "run")]) == 0
    assert "HOTA" not in capsys.readouterr().out


def test_a_limited_run_is_scored_in_the_frames_it_saw(tmp_path: Path, begun: Callable[..., int]) -> None:
    (tmp_path / "truth" / "hall.txt").write_text(rows("1,1,1"))
    assert begun("--limit", "20") == 0
    assert scores(tmp_path)["hall"]["frames"] == 20
    assert scores(tmp_path)["hall"]["FN"] == 0


def test_what_is_to_be_known_of_scores_is_said_once(
    tmp_path: Path, begun: Callable[..., int], caplog: pytest.LogCaptureFixture
) -> None:
    lines = rows("1,1,1").splitlines(keepends=True)
    (tmp_path / "truth" / "hall.txt").write_text("".join(lines[::5]))
    assert begun() == 0
    line = "hall: the truth has one frame in 5: only these 6 are scored"
    assert sum(line in told for told in warnings(tmp_path)) == 1
    assert caplog.text.count(line) == 1


def test_a_truth_is_read_once_before_a_run_and_once_after_it(
    tmp_path: Path, begun: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("hall", "door"):
        (tmp_path / "truth" / f"{name}.txt").write_text(rows("1,1,1"))
    read: list[Path] = []

    def counted(folder: Path) -> TrackingDataset:
        read.append(folder)
        return read_mot_folder(folder)

    monkeypatch.setattr("pipeline.job.truth.read_mot_folder", counted)
    monkeypatch.setattr("pipeline.evaluation.evaluate.read_mot_folder", counted)
    assert begun() == 0
    assert len(read) == 2
    assert "links_over_cameras" in json.loads((tmp_path / "run" / "metrics.json").read_text())


def test_a_truth_in_which_nobody_counts_is_told(tmp_path: Path, begun: Callable[..., int]) -> None:
    (tmp_path / "truth" / "hall.txt").write_text(rows("0,1,1"))
    assert begun() == 0
    assert any("no true box counts by plain" in line for line in warnings(tmp_path))


def test_a_run_without_a_single_match_is_whole_and_says_so(tmp_path: Path, begun: Callable[..., int]) -> None:
    (tmp_path / "truth" / "hall.txt").write_text("".join(f"{n + 1},1,300,100,10,20,1,1,1\n" for n in range(30)))
    assert begun() == 0
    assert any("none of 30 predicted boxes lies on one of 30 true ones" in line for line in warnings(tmp_path))


def test_the_truth_of_no_camera_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(rows("1,1,1"))
    with pytest.raises(UserError, match="truth of a, and this run has the cameras b"):
        check_run_truth(tmp_path, ["b"], None)
