"""DukeMTMC in miniature, scored end to end by the command."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io

from data.datasets.dukemtmc import STARTS
from data.formats.mot import MotTable, write_mot
from tests.pipeline.evaluation.commands import row, score, scores
from tests.pipeline.evaluation.miniatures import (
    FIRST,
    duke_regions,
    duke_rows,
    put,
    write_duke,
)


@pytest.fixture
def duke(tmp_path: Path) -> Path:
    root = tmp_path / "duke"
    write_duke(root)
    return root


def write_rows(path: Path, rows: np.ndarray) -> Path:
    np.savetxt(path, rows, fmt="%g")
    return path


def test_duke_joins_identities_over_cameras(duke: Path, tmp_path: Path) -> None:
    duke_regions(duke)
    found = [duke_rows(1, 1, FIRST, 60), duke_rows(2, 2, FIRST + 500, 40), duke_rows(2, 5, FIRST, 50, 400.0)]
    pred = write_rows(tmp_path / "all.txt", np.concatenate([*found, duke_rows(1, 4, FIRST - 50, 50)]))
    content = scores(tmp_path, "--dataset", "dukemtmc", "--root", duke, "--pred", pred)
    assert content["figures"]["IDF1"] == pytest.approx(110 / 150)
    assert row(content, 0, "COMBINED")["IDF1"] == 1
    assert content["figures"]["world IDF1"] == pytest.approx(110 / 150)
    assert content["figures"]["MCTA"] == pytest.approx(1 - 1 / 3)
    assert content["warnings"][-1] == "camera1: 50 predicted rows outside the window are left out"
    assert content["rules"].startswith("trainval; plain")


def test_duke_leaves_out_predictions_outside_a_region(duke: Path, tmp_path: Path) -> None:
    """Feet of the person at 100 are at 120, 200; the ghost's at 820, 200."""
    found = [duke_rows(1, 1, FIRST, 60), duke_rows(2, 1, FIRST + 500, 40), duke_rows(2, 5, FIRST, 50, 400.0)]
    ghost = duke_rows(1, 6, FIRST, 30, 800.0)
    pred = write_rows(tmp_path / "all.txt", np.concatenate([*found, ghost]))
    arguments = ("--dataset", "dukemtmc", "--root", duke, "--pred", pred)
    content = scores(tmp_path, *arguments)
    assert content["figures"]["IDP"] == content["figures"]["world IDP"] == pytest.approx(150 / 180)
    assert "getROIs.m: missing file (1, first: no region of interest" in content["warnings"][0]
    duke_regions(duke)
    content = scores(tmp_path, *arguments)
    assert content["figures"]["IDF1"] == content["figures"]["world IDF1"] == 1
    assert content["warnings"][-1] == "camera1: 30 predictions stand outside its region and are left out"


def test_duke_matches_people_at_most_a_metre_apart_in_the_world(duke: Path, tmp_path: Path) -> None:
    rows = np.concatenate(
        [duke_rows(1, 1, FIRST, 60), duke_rows(2, 1, FIRST + 500, 40), duke_rows(2, 5, FIRST, 50, 400)]
    )
    for shift, share in ((1.0, 1.0), (1.001, 0.0)):
        moved = rows.copy()
        moved[:, 8] += shift
        pred = write_rows(tmp_path / "all.txt", moved)
        content = scores(tmp_path, "--dataset", "dukemtmc", "--root", duke, "--pred", pred)
        assert content["figures"]["world IDF1"] == share
        assert content["figures"]["IDF1"] == 1


def test_duke_takes_a_folder_of_cameras(duke: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "run" / "tracks"
    folder.mkdir(parents=True)
    frames = np.arange(60) + FIRST - STARTS[0]
    write_mot(folder / "camera1.txt", MotTable.make(frames, np.ones(60, int), np.tile([100.0, 100, 140, 200], (60, 1))))
    write_mot(folder / "lobby.txt", MotTable.empty())
    arguments = ("--dataset", "dukemtmc", "--root", duke, "--run", tmp_path / "run")
    assert score(*arguments) == 2
    assert "has no predictions for camera2" in capsys.readouterr().err
    content = scores(tmp_path, *arguments, "--allow-missing")
    assert content["figures"]["IDR"] == pytest.approx(60 / 150)
    assert "lobby: predictions without a truth (0 rows), not scored" in content["warnings"]
    assert "camera2: no predictions, scored as empty (90 true rows)" in content["warnings"]


def spoilt(truth: np.ndarray, row_: int, column: int, value: float) -> np.ndarray:
    copy = truth.copy()
    copy[row_, column] = value
    return copy


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda rows: {"trainData": spoilt(rows, 0, 2, 0)}, "the frame is below 1, from which this data set counts"),
        (lambda rows: {"trainData": spoilt(rows, 0, 5, -3)}, "width or height is negative"),
        (lambda rows: {"trainData": rows[:, :5]}, "5 columns, where at least 7 are expected"),
        (
            lambda rows: {"trainData": rows[:60] - [0, 0, 9000, 0, 0, 0, 0, 0, 0]},
            "no row lies in the window of trainval",
        ),
        (lambda rows: {"trainData": np.array([[{"a": 1}]], object)}, "trainData"),
        (lambda rows: {"other": rows}, "it lacks trainData"),
    ],
)
def test_duke_truth_that_cannot_be_read(
    duke: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    spoil: Callable[[np.ndarray], dict[str, Any]],
    complaint: str,
) -> None:
    path = duke / "ground_truth" / "trainval.mat"
    rows = scipy.io.loadmat(path)["trainData"]
    pred = write_rows(tmp_path / "all.txt", rows)
    scipy.io.savemat(path, spoil(rows))
    assert score("--dataset", "dukemtmc", "--root", duke, "--pred", pred) == 2
    assert complaint in capsys.readouterr().err


def test_duke_predictions_that_cannot_be_read(duke: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = duke_rows(1, 1, FIRST, 6)
    for bad, complaint in (
        (np.concatenate([rows, rows[:2]]), "is given twice in frame"),
        (spoilt(rows, 0, 2, 0), "the frame is below 1"),
        (rows[:, :6], "6 columns, where at least 7"),
    ):
        pred = write_rows(tmp_path / "all.txt", bad)
        assert score("--dataset", "dukemtmc", "--root", duke, "--pred", pred) == 2
        assert complaint in capsys.readouterr().err
    pred = write_rows(tmp_path / "all.txt", np.concatenate([rows, spoilt(rows, slice(None), 0, 9)]))  # type: ignore[arg-type]
    content = scores(tmp_path, "--dataset", "dukemtmc", "--root", duke, "--pred", pred)
    assert "camera 9: predictions without a truth (6 rows), not scored" in content["warnings"]


def test_duke_is_run_and_scored_by_one_command(tmp_path: Path, repository: Path) -> None:
    """From detections of the true boxes; clocks as the devkit has them. People without looks keep an id per camera."""
    root, boxes = tmp_path / "duke", tmp_path / "boxes"
    write_duke(root)
    boxes.mkdir()
    rows = [duke_rows(1, 7, FIRST, 60), duke_rows(2, 7, FIRST + 500, 40), duke_rows(2, 9, FIRST, 50, 400.0)]
    cameras = []
    for camera in range(1, 9):
        own = [row for row in np.concatenate(rows).tolist() if row[0] == camera]
        text = "".join(f"{row[2]:.0f},-1,{row[3]},{row[4]},{row[5]},{row[6]},0.9\n" for row in own)
        put(boxes / f"camera{camera}.txt", text)
        offset = (STARTS[camera - 1] - 1) / 59.94
        cameras.append(
            f"  camera{camera}: {{fps: 59.94, size: [1920, 1080], clock: {{status: common, offset_s: {offset}}}}}\n"
        )
    site = put(tmp_path / "site.yaml", "cameras:\n" + "".join(cameras) + "default_overlap: none\n")
    content = scores(
        tmp_path, "--dataset", "dukemtmc", "--root", root, "--run", tmp_path / "run",
        "--pipeline", repository / "configs" / "duke.yaml", "--", "--detections", boxes, "--site", site,
    )  # fmt: skip
    assert row(content, 0, "COMBINED")["IDF1"] > 0.95
    assert content["figures"]["IDF1"] > 0.6
