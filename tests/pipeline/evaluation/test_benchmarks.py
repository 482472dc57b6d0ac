"""Miniatures of published data sets, written in their layouts and scored end to end by the command."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io

from data.formats.mot import MotTable, write_mot
from data.formats.world import WorldPaths, write_world_paths
from pipeline.cli import run
from pipeline.evaluation.benchmarks.duke import STARTS, WINDOWS
from pipeline.evaluation.benchmarks.registry import BENCHMARKS
from tools import evaluate

BOX = np.array([0.0, 0, 10, 20])


def score(*arguments: object) -> int:
    return run(evaluate.main, [str(argument) for argument in arguments])


def scores(tmp_path: Path, *arguments: object) -> dict[str, Any]:
    path = tmp_path / "scores.json"
    assert score("--json", path, *arguments) == 0
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def row(content: dict[str, Any], table: int, name: str) -> dict[str, Any]:
    rows = content["tables"][table]["rows"]
    return next(one for one in rows if name in one.values())


# DukeMTMC


def duke_rows(camera: int, person: int, first: int, count: int, left: float = 100.0) -> np.ndarray:
    """Somebody in a camera from a frame of the common clock on: camera, id, frame, box, place."""
    frames = np.arange(first, first + count) - STARTS[camera - 1] + 1
    return np.stack([[camera, person, frame, left, 100, 40, 100, left / 10, camera] for frame in frames.tolist()])


@pytest.fixture
def duke(tmp_path: Path) -> Path:
    """One person who goes from camera 1 to camera 2, another in camera 2, a third before the window."""
    first = WINDOWS["trainval"][0]
    rows = [duke_rows(1, 7, first, 60), duke_rows(2, 7, first + 500, 40), duke_rows(2, 9, first, 50, 400.0)]
    truth = np.concatenate([*rows, duke_rows(1, 3, first - 100, 100)])
    root = tmp_path / "duke"
    (root / "ground_truth").mkdir(parents=True)
    scipy.io.savemat(root / "ground_truth" / "trainval.mat", {"trainData": truth})
    return root


def write_rows(path: Path, rows: np.ndarray) -> Path:
    np.savetxt(path, rows, fmt="%g")
    return path


def test_duke_joins_identities_over_cameras(duke: Path, tmp_path: Path) -> None:
    first = WINDOWS["trainval"][0]
    found = [duke_rows(1, 1, first, 60), duke_rows(2, 2, first + 500, 40), duke_rows(2, 5, first, 50, 400.0)]
    pred = write_rows(tmp_path / "all.txt", np.concatenate([*found, duke_rows(1, 4, first - 50, 50)]))
    content = scores(tmp_path, "--dataset", "dukemtmc", "--root", duke, "--pred", pred)
    assert content["figures"]["IDF1"] == pytest.approx(110 / 150)
    assert row(content, 0, "COMBINED")["IDF1"] == 1
    assert content["figures"]["world IDF1"] == pytest.approx(110 / 150)
    assert content["figures"]["MCTA"] == pytest.approx(1 - 1 / 3)
    assert content["warnings"] == [
        "50 predicted rows are outside the window 47720-227540 and are left out",
        "no rois.json: predictions outside the regions of interest are scored, unlike the devkit",
    ]


def test_duke_leaves_out_predictions_outside_a_region(duke: Path, tmp_path: Path) -> None:
    """Feet of the person at 100 are at 120, 200; the ghost's at 820, 200."""
    first = WINDOWS["trainval"][0]
    found = [duke_rows(1, 1, first, 60), duke_rows(2, 1, first + 500, 40), duke_rows(2, 5, first, 50, 400.0)]
    ghost = duke_rows(1, 6, first, 30, 800.0)
    pred = write_rows(tmp_path / "all.txt", np.concatenate([*found, ghost]))
    arguments = ("--dataset", "dukemtmc", "--root", duke, "--pred", pred)
    assert scores(tmp_path, *arguments)["figures"]["IDP"] == pytest.approx(150 / 180)
    (duke / "rois.json").write_text(json.dumps({"1": [[0, 0], [500, 0], [500, 500], [0, 500]]}))
    content = scores(tmp_path, *arguments)
    assert content["figures"]["IDF1"] == content["figures"]["world IDF1"] == 1
    assert content["warnings"] == ["camera1: 30 predictions stand outside its region and are left out"]


def test_duke_takes_a_folder_of_cameras(duke: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run" / "tracks"
    folder.mkdir(parents=True)
    frames = np.arange(60) + WINDOWS["trainval"][0] - STARTS[0]
    write_mot(folder / "camera1.txt", MotTable.make(frames, np.ones(60, int), np.tile([100.0, 100, 140, 200], (60, 1))))
    write_mot(folder / "lobby.txt", MotTable.empty())
    content = scores(tmp_path, "--dataset", "dukemtmc", "--root", duke, "--run", tmp_path / "run")
    assert content["figures"]["IDR"] == pytest.approx(60 / 150)
    assert "lobby: predictions of no camera of DukeMTMC, not scored" in content["warnings"]
    assert "camera2: no predictions, scored as empty (90 true rows)" in content["warnings"]


def spoilt(truth: np.ndarray, row_: int, column: int, value: float) -> np.ndarray:
    copy = truth.copy()
    copy[row_, column] = value
    return copy


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda rows: {"trainData": spoilt(rows, 0, 0, 9)}, "1 rows of camera 9; there are 1 to 8"),
        (lambda rows: {"trainData": spoilt(rows, 0, 2, 0)}, "DukeMTMC counts frames from 1"),
        (lambda rows: {"trainData": spoilt(rows, 0, 5, 0)}, "1 boxes have no size"),
        (lambda rows: {"trainData": np.concatenate([rows, rows[:2]])}, "2 ids are given twice in a frame"),
        (lambda rows: {"trainData": rows[:, :5]}, "expected numbers in 7 or 9 columns"),
        (lambda rows: {"trainData": np.array([[{"a": 1}]], object)}, "trainData"),
        (lambda rows: {"other": rows}, "has no matrix trainData"),
    ],
)
def test_duke_names_what_is_wrong(
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


# WILDTRACK, AI City, sites


def wildtrack(root: Path, frames: int = 6) -> Path:
    """One person in views 0 and 1, who walks a metre a frame along the grid."""
    folder = root / "annotations_positions"
    folder.mkdir(parents=True)
    nowhere = {"xmin": -1, "ymin": -1, "xmax": -1, "ymax": -1}
    for frame in range(frames):
        box = {"xmin": 100 + 20 * frame, "ymin": -50, "xmax": 150 + 20 * frame, "ymax": 200}
        views = [{"viewNum": view, **(box if view < 2 else nowhere)} for view in range(7)]
        person = {"personID": 3, "positionID": 480 * 360 + 120 + 40 * frame, "views": views}
        (folder / f"{5 * frame:08d}.json").write_text(json.dumps([person]))
    return root


def test_wildtrack_is_scored_in_pictures_and_on_the_ground(tmp_path: Path) -> None:
    root, folder = wildtrack(tmp_path / "wildtrack"), tmp_path / "run"
    (folder / "tracks").mkdir(parents=True)
    (folder / "log.txt").write_text("no tracks\n")
    frames = np.arange(6)
    boxes = np.stack([100 + 20 * frames, 0 * frames, 150 + 20 * frames, 0 * frames + 200], axis=1)
    for view in range(1, 8):
        table = MotTable.make(frames, np.full(6, 8), boxes) if view < 3 else MotTable.empty()
        write_mot(folder / "tracks" / f"C{view}.txt", table)
    xy = np.stack([0.2 + frames, np.zeros(6)], axis=1)
    paths = WorldPaths.make(frames / 2, np.full(6, 8), xy, np.tile(np.eye(2), (6, 1, 1)), np.full(6, 1.7))
    write_world_paths(folder / "world" / "all.csv", paths)
    content = scores(tmp_path, "--dataset", "wildtrack", "--root", root, "--run", folder)
    assert "missing frame (394, first: 00000030.json)" in content["warnings"][0], "half a data set says so"
    assert content["figures"]["IDF1"] == content["figures"]["ground IDF1"] == 1
    assert content["figures"]["ground MODP"] == pytest.approx(0.8)
    assert "MCTA" not in content["figures"], "cameras that overlap hand nobody over"


def aicity_rows(camera: int, person: int, shift_m: float = 0.0) -> str:
    return "".join(f"{camera} {person} {frame} 10 10 20 40 {frame + shift_m} 5\n" for frame in range(4))


def test_aicity_scores_boxes_and_places(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Half a metre off: similarity 0.75, so 15 of the 19 thresholds find everybody."""
    for scene, cameras in (("scene_1", (1, 2)), ("scene_2", (3,))):
        (tmp_path / "root" / scene).mkdir(parents=True)
        text = "".join(aicity_rows(camera, 4) for camera in cameras)
        (tmp_path / "root" / scene / "ground_truth.txt").write_text(text)
    pred = tmp_path / "track1.txt"
    pred.write_text("".join(aicity_rows(camera, 9, 0.5) for camera in (1, 2, 3, 8)))
    arguments = ("--dataset", "aicity", "--root", tmp_path / "root", "--pred", pred)
    content = scores(tmp_path, *arguments)
    assert content["figures"]["IDF1"] == 1
    assert content["figures"]["HOTA 3-D"] == pytest.approx(15 / 19)
    assert content["warnings"] == ["camera 8: predictions without a truth (4 rows), not scored"]
    pred.write_text(aicity_rows(1, 9, 50))
    assert score(*arguments) == 2
    assert "no place is less than 2 m from a true one" in capsys.readouterr().err


def site(tmp_path: Path) -> tuple[Path, Path]:
    """Two cameras that do not overlap; one person goes from one to the other."""
    root, pred = tmp_path / "gt", tmp_path / "pred"
    for folder, kind in ((root, "gt"), (pred, "tracks")):
        folder.mkdir()
        for camera, first in (("c1", 0), ("c2", 20)):
            frames = np.arange(first, first + 10)
            write_mot(folder / f"{camera}.txt", MotTable.make(frames, np.ones(10, int), np.tile(BOX, (10, 1))), kind)
    return root, pred


def test_a_site_gets_a_table_json_and_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, pred = site(tmp_path)
    write_mot(pred / "<b>.txt", MotTable.make(np.zeros(1, int), np.ones(1, int), BOX[None]))
    page = tmp_path / "page.html"
    content = scores(tmp_path, "--dataset", "nlpr_mct", "--root", root, "--pred", pred, "--html", page)
    printed = capsys.readouterr()
    assert "CROSS-CAMERA" in printed.out
    assert "note: <b>: predictions without a truth (1 rows), not scored" in printed.err
    assert content["figures"]["MCTA"] == 1
    text = page.read_text()
    assert text.count("<svg") == 2
    assert "&lt;b&gt;: predictions" in text
    assert "<b>:" not in text
    assert "http" not in text.replace("http://www.w3.org", "").replace("http://purl.org", "").replace(
        "http://creativecommons.org", ""
    ).replace("https://matplotlib.org", "")
    again = tmp_path / "again.html"
    scores(tmp_path, "--dataset", "nlpr_mct", "--root", root, "--pred", pred, "--html", again)
    assert again.read_bytes() == page.read_bytes()


def test_the_run_is_made_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, pred = site(tmp_path)
    seen: list[str] = []

    def made(options: list[str]) -> int:
        seen.extend(options)
        pred.rename(tmp_path / "new")
        return 0

    monkeypatch.setattr("pipeline.run.main", made)
    arguments = ("--dataset", "site", "--root", root, "--run", tmp_path / "new", "--pipeline", "a.yaml")
    assert scores(tmp_path, *arguments, "--", "--detections", "boxes")["figures"]["IDF1"] == 1
    assert seen == ["--config", "a.yaml", "--output", str(tmp_path / "new"), "--detections", "boxes"]
    monkeypatch.setattr("pipeline.run.main", lambda options: 130)
    assert score(*arguments) == 2


@pytest.mark.parametrize("name", sorted(BENCHMARKS))
def test_every_benchmark_says_what_it_expected(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pred").mkdir()
    assert score("--dataset", name, "--root", tmp_path, "--pred", tmp_path / "pred") == 2
    assert str(tmp_path) in capsys.readouterr().err


def test_unknown_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert score("--dataset", "wildtrak", "--root", tmp_path, "--pred", tmp_path) == 2
    assert "did you mean 'wildtrack'?" in capsys.readouterr().err
