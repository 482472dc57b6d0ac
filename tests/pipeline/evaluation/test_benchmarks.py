"""Miniatures of published data sets, written in their layouts and scored end to end by the command."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io

from data.datasets.dukemtmc import STARTS
from data.datasets.registry import TRACKING, read_dataset
from data.formats.mot import MotTable, write_mot
from data.formats.world import WorldPaths, write_world_paths
from pipeline.cli import run
from pipeline.evaluation.benchmarks.registry import BENCHMARKS
from tests.pipeline.evaluation.miniatures import (
    FIRST,
    MINIATURES,
    aicity_rows,
    duke_regions,
    duke_rows,
    mot_rows,
    put,
    solid_rows,
    write_aicity2025,
    write_duke,
    write_nlpr,
    write_perfect,
    write_wildtrack,
)
from tools import dataset_info, evaluate

BOX = np.array([0.0, 0, 10, 20])
# Half a metre wide, moved so far along the width, IoU is .52.
OFF = 0.5 * 0.48 / 1.52


ELSEWHERE = {
    "aicity": (aicity_rows(1, 9, 500.0), "no place is less than"),
    "aicity2025": (solid_rows(15, 0, 9, 500.0), "no box overlaps a true one"),
}


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


# Every data set


def test_every_data_set_is_scored() -> None:
    assert sorted(BENCHMARKS) == sorted([*TRACKING, "posetrack21_person_search"])
    assert sorted(MINIATURES) == sorted(set(TRACKING) - {"posetrack21"})


@pytest.mark.parametrize("name", sorted(MINIATURES))
def test_both_commands_tell_the_same_problems(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, pred = tmp_path / "root", tmp_path / "pred"
    MINIATURES[name](root)
    assert run(dataset_info.main, [name, str(root), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["problems"], "each miniature has something wrong"
    write_perfect(name, root, pred)
    content = scores(tmp_path, "--dataset", name, "--root", root, "--pred", pred)
    assert content["warnings"][: len(facts["problems"])] == facts["problems"]
    assert content["dataset"] == name
    assert next(iter(content["figures"].values())) == 1, "the truth scored against itself"


@pytest.mark.parametrize("name", sorted(MINIATURES))
def test_files_of_other_data_are_an_error(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Boxes that lie on nobody are no score of zero."""
    root, pred = tmp_path / "root", tmp_path / "pred"
    MINIATURES[name](root)
    elsewhere, complaint = ELSEWHERE.get(name, (mot_rows(1, range(1, 3), left=3000.0), "boxes lies on one of"))
    write_perfect(name, root, pred)
    for path in pred.iterdir():
        path.write_text(elsewhere)
    assert score("--dataset", name, "--root", root, "--pred", pred) == 2
    assert complaint in capsys.readouterr().err


# DukeMTMC


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


# WILDTRACK, AI City, sites


def wildtrack_run(folder: Path, shift_m: float) -> Path:
    """Tracks and paths of the miniature's person, some way beside the truth on the ground."""
    frames = np.arange(6)
    boxes = np.stack([100 + 20 * frames, 0 * frames, 150 + 20 * frames, 0 * frames + 200], axis=1)
    (folder / "tracks").mkdir(parents=True)
    (folder / "log.txt").write_text("no tracks\n")
    for view in range(1, 8):
        table = MotTable.make(frames, np.full(6, 8), boxes) if view < 3 else MotTable.empty()
        write_mot(folder / "tracks" / f"C{view}.txt", table)
    xy = np.stack([shift_m + frames, np.zeros(6)], axis=1)
    paths = WorldPaths.make(frames / 2, np.full(6, 8), xy, np.tile(np.eye(2), (6, 1, 1)), np.full(6, 1.7))
    write_world_paths(folder / "world" / "all.csv", paths)
    return folder


def test_wildtrack_detections_match_within_half_a_metre_and_tracks_within_one(tmp_path: Path) -> None:
    root = tmp_path / "wildtrack"
    write_wildtrack(root)
    arguments = ("--dataset", "wildtrack", "--root", root, "--run")
    figures = scores(tmp_path, *arguments, wildtrack_run(tmp_path / "near", 0.2))["figures"]
    assert figures["IDF1"] == figures["ground IDF1"] == figures["ground MODA"] == 1
    assert figures["ground MODP"] == pytest.approx(1 - 0.2 / 0.5)
    assert "MCTA" not in figures, "cameras that overlap hand nobody over"
    figures = scores(tmp_path, *arguments, wildtrack_run(tmp_path / "far", 0.6))["figures"]
    assert (figures["ground IDF1"], figures["ground MODA"], figures["ground MODP"]) == (1, -1, 0)
    figures = scores(tmp_path, *arguments, tmp_path / "far", "--ground", "2")["figures"]
    assert figures["ground MODP"] == pytest.approx(1 - 0.6 / 2)
    content = scores(tmp_path, *arguments, wildtrack_run(tmp_path / "elsewhere", 60.0))
    assert "ground IDF1" not in content["figures"], "no table of zeros"
    assert "ground: no place is less than 1 m from a true one" in content["warnings"][-1]


def test_wildtrack_is_scored_where_it_was_annotated(tmp_path: Path) -> None:
    root = tmp_path / "wildtrack"
    write_wildtrack(root, (0, 1, 4, 5))
    content = scores(tmp_path, "--dataset", "wildtrack", "--root", root, "--run", wildtrack_run(tmp_path / "run", 0.0))
    assert "missing frame (396, first: 00000010.json)" in content["warnings"][0], "half a data set says so"
    assert (
        "C1: 4 of 6 frames are annotated: only these are scored, 2 predicted rows between them are left out"
        in content["warnings"]
    )
    assert content["figures"]["MOTA"] == content["figures"]["ground MOTA"] == 1


def test_aicity_scores_boxes_and_places(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Half a metre off: similarity 0.75, so 15 of the 19 thresholds find everybody."""
    for scene, cameras in (("scene_1", (1, 2)), ("scene_2", (3,))):
        put(tmp_path / "root" / scene / "ground_truth.txt", "".join(aicity_rows(camera, 4) for camera in cameras))
    pred = put(tmp_path / "track1.txt", "".join(aicity_rows(camera, 9, 0.5) for camera in (1, 2, 3, 8)))
    arguments = ("--dataset", "aicity", "--root", tmp_path / "root", "--pred", pred)
    content = scores(tmp_path, *arguments)
    assert content["figures"]["IDF1"] == 1
    assert content["figures"]["HOTA 3-D"] == pytest.approx(15 / 19)
    assert content["warnings"][0] == "camera 8: predictions without a truth (4 rows), not scored"
    assert [one["name"] for one in content["tables"][0]["rows"]] == ["scene_1", "scene_2", "MEAN"]
    assert scores(tmp_path, *arguments, "--split", "scene_2")["figures"]["IDF1"] == 1
    pred.write_text(aicity_rows(1, 9, 50))
    assert score(*arguments) == 2
    assert "no place is less than 2 m from a true one" in capsys.readouterr().err


def test_aicity_takes_the_first_place_of_a_person_and_counts_what_comes_after_the_truth(tmp_path: Path) -> None:
    """The challenge's evaluator: the second camera's place, 9 m off, does not count; rows after the end are false."""
    put(tmp_path / "root" / "scene_1" / "ground_truth.txt", aicity_rows(1, 4) + aicity_rows(2, 4))
    pred = put(tmp_path / "track1.txt", aicity_rows(1, 9) + aicity_rows(2, 9, 9.0))
    arguments = ("--dataset", "aicity", "--root", tmp_path / "root", "--pred", pred)
    assert scores(tmp_path, *arguments)["figures"]["HOTA 3-D"] == 1
    pred.write_text(aicity_rows(1, 9, frames=8))
    shares = scores(tmp_path, *arguments)["tables"][0]["rows"][0]
    assert shares["DetA 3-D"] == pytest.approx(4 / 8)


def test_aicity_takes_a_run_of_one_scene(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, folder = tmp_path / "root", tmp_path / "run"
    MINIATURES["aicity"](root)
    for one in read_dataset("aicity", root).sequences:
        (folder / "tracks").mkdir(parents=True, exist_ok=True)
        write_mot(folder / "tracks" / f"{one.name}.txt", one.truth)
    frames = np.arange(4)
    xy = np.stack([frames, 0 * frames + 5.0], axis=1)
    paths = WorldPaths.make(frames / 30, np.full(4, 8), xy, np.tile(np.eye(2), (4, 1, 1)), np.full(4, 1.7))
    write_world_paths(folder / "world" / "all.csv", paths)
    content = scores(tmp_path, "--dataset", "aicity", "--root", root, "--run", folder)
    assert content["figures"]["HOTA 3-D"] == content["figures"]["IDF1"] == 1
    put(root / "val" / "scene_2" / "ground_truth.txt", aicity_rows(3, 4))
    assert score("--dataset", "aicity", "--root", root, "--run", folder) == 2
    assert "is one run; choose --split from scene_1, scene_2" in capsys.readouterr().err


def test_aicity2025_scores_boxes_in_the_world_by_class(tmp_path: Path) -> None:
    """The person is off to IoU .52, so 10 of the 19 thresholds find it; the forklift is right."""
    root = tmp_path / "root"
    write_aicity2025(root)
    text = solid_rows(15, 0, 9, OFF) + solid_rows(15, 1, 9, 50.0)
    pred = put(tmp_path / "track1.txt", text + solid_rows(20, 0, 9) + solid_rows(15, 5, 9, 70.0))
    content = scores(tmp_path, "--dataset", "aicity2025", "--root", root, "--pred", pred)
    found = {one["name"]: one["HOTA 3-D"] for one in content["tables"][0]["rows"]}
    assert found["Warehouse_015 Person"] == pytest.approx(10 / 19)
    assert found["Warehouse_015 Forklift"] == 1
    assert found["Warehouse_015"] == found["MEAN"] == pytest.approx((1 + 10 / 19) / 2)
    assert content["warnings"] == [
        "scene 20: predictions without a truth (4 rows), not scored",
        f"{root}/val/Warehouse_015/ground_truth.json: row of an unknown camera (1, first: camera Camera_09)",
        "class AgilityDigit has no truth and is left out of the mean (4 rows of the other side)",
    ]


def test_aicity2025_scenes_weigh_by_their_true_rows(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write_aicity2025(root)
    write_aicity2025(root, "Hospital_000", frames=12)
    pred = put(tmp_path / "track1.txt", solid_rows(15, 0, 9) + solid_rows(0, 0, 9, OFF, frames=12))
    content = scores(tmp_path, "--dataset", "aicity2025", "--root", root, "--pred", pred)
    assert content["figures"]["HOTA 3-D"] == pytest.approx((8 * 1 + 24 * 10 / 19) / 32)
    assert (
        "Hospital_000: class Forklift has no predictions and is left out of the mean (12 rows" in content["warnings"][1]
    )


def test_of_a_run_aicity2025_scores_people_in_pictures_and_on_the_ground(tmp_path: Path) -> None:
    root, folder = tmp_path / "root", tmp_path / "run"
    write_aicity2025(root)
    for one in read_dataset("aicity2025", root).sequences:
        table = one.truth.select(one.truth.class_ids == 1)
        (folder / "tracks").mkdir(parents=True, exist_ok=True)
        write_mot(folder / "tracks" / f"{one.name}.txt", table)
    frames = np.arange(4)
    xy = np.stack([frames + 0.5, 0 * frames + 5.0], axis=1)
    paths = WorldPaths.make(frames / 30, np.full(4, 8), xy, np.tile(np.eye(2), (4, 1, 1)), np.full(4, 1.7))
    write_world_paths(folder / "world" / "all.csv", paths)
    content = scores(tmp_path, "--dataset", "aicity2025", "--root", root, "--run", folder)
    assert content["figures"]["IDF1"] == content["figures"]["ground IDF1"] == 1
    assert content["figures"]["ground MODP"] == pytest.approx(0.5)
    assert "Camera: 4 true rows of class 2 are no people and are left out" in content["warnings"]


def test_a_site_gets_a_table_json_and_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, pred = tmp_path / "root", tmp_path / "pred"
    write_nlpr(root)
    write_perfect("nlpr_mct", root, pred)
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
    root, pred = tmp_path / "root", tmp_path / "pred"
    MINIATURES["site"](root)
    write_perfect("site", root, pred)
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


def test_a_data_set_that_brings_its_pictures_is_run_from_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root, pred = tmp_path / "root", tmp_path / "pred"
    MINIATURES["mot17"](root)
    write_perfect("mot17", root, pred)
    (name,) = [path.name for path in (root / "train").iterdir()]
    folder = root / "train" / name / "img1"
    seen: list[list[str]] = []
    monkeypatch.setattr("pipeline.run.main", lambda options: seen.append(options) or 0)
    arguments = ("--dataset", "mot17", "--root", root, "--run", pred, "--pipeline", "a.yaml")
    assert score(*arguments) == 2
    assert f"has no pictures of {name}" in capsys.readouterr().err
    for frame in range(1, 7):
        assert score(*arguments) == 2
        put(folder / f"{frame:06d}.jpg", "")
    assert "holds 5 pictures and the truth counts 6 frames" in capsys.readouterr().err
    assert not seen
    assert score(*arguments, "--", "--offline") == 0
    assert seen == [["--config", "a.yaml", "--output", str(pred), "--offline", "--videos", f"{name}={folder}"]]


@pytest.mark.parametrize("name", sorted(BENCHMARKS))
def test_every_benchmark_says_what_it_expected(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pred").mkdir()
    assert score("--dataset", name, "--root", tmp_path, "--pred", tmp_path / "pred") == 2
    assert str(tmp_path) in capsys.readouterr().err


def test_unknown_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert score("--dataset", "wildtrak", "--root", tmp_path, "--pred", tmp_path) == 2
    assert "did you mean 'wildtrack'?" in capsys.readouterr().err


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
