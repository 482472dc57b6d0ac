"""Miniatures of published data sets, written in their layouts and scored end to end by the command."""

import json
from pathlib import Path

import numpy as np
import pytest

from data.datasets.registry import TRACKING, read_dataset
from data.formats.mot import MotTable, write_mot
from data.formats.world import WorldPaths, write_world_paths
from pipeline.cli import run
from pipeline.evaluation.benchmarks.registry import BENCHMARKS
from tests.pipeline.evaluation.commands import score, scores
from tests.pipeline.evaluation.miniatures import (
    MINIATURES,
    aicity_rows,
    mot_rows,
    put,
    solid_rows,
    write_aicity2025,
    write_nlpr,
    write_perfect,
    write_wildtrack,
)
from tools import dataset_info

BOX = np.array([0.0, 0, 10, 20])
# Half a metre wide, moved so far along the width, IoU is .52.
OFF = 0.5 * 0.48 / 1.52


ELSEWHERE = {
    "aicity": (aicity_rows(1, 9, 500.0), "no place is less than"),
    "aicity2025": (solid_rows(15, 0, 9, 500.0), "no box overlaps a true one"),
}


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
