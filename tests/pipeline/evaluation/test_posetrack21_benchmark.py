"""PoseTrack21 in miniature, scored end to end by the command."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.formats.mot import MotTable, write_mot
from data.records import GlobalTrack, Tracklet, Visit
from pipeline.cli import run
from pipeline.folder.run_folder import RunFolder
from tests.pipeline.evaluation.posetrack_miniature import skeleton, write_found, write_truth
from tools import dataset_info, evaluate

A, B = "000001_a", "000002_b"


def score(*arguments: object) -> int:
    return run(evaluate.main, [str(argument) for argument in arguments])


def scores(tmp_path: Path, *arguments: object) -> dict[str, Any]:
    path = tmp_path / "scores.json"
    assert score("--json", path, *arguments) == 0
    content: dict[str, Any] = json.loads(path.read_text())
    return content


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two videos of the same two people."""
    for name in (A, B):
        write_truth(tmp_path / "PoseTrack21", name, {4: 100.0, 5: 400.0})
    return tmp_path / "PoseTrack21"


def arguments(root: Path, pred: Path) -> tuple[object, ...]:
    return "--dataset", "posetrack21", "--root", root, "--pred", pred


def edit(path: Path, kind: str, **more: Any) -> None:
    content = json.loads(path.read_text())
    content[kind] = [one | more for one in content[kind]]
    path.write_text(json.dumps(content))


def test_both_protocols_are_scored(root: Path, tmp_path: Path) -> None:
    """The tracker is perfect in each video and does not know anybody again."""
    pred = tmp_path / "pred"
    write_found(pred, A, {1: 100.0, 2: 400.0})
    write_found(pred, B, {3: 100.0, 4: 400.0})
    content = scores(tmp_path, *arguments(root, pred))
    assert content["figures"] == pytest.approx(
        {"protocol 1 HOTA": 1, "protocol 2 HOTA": np.sqrt(0.5), "MOTA": 1, "AP": 1}, abs=1e-6
    )
    row = next(one for one in content["tables"][0]["rows"] if one["name"] == A)
    assert (row["frames"], row["people"]) == (5, 10)
    told = [f"{name}: keypoints of 5 of 6 frames are annotated: only these are scored" for name in (A, B)]
    assert content["warnings"] == told


def test_tracks_count_within_a_video_and_people_over_all(root: Path, tmp_path: Path) -> None:
    """Somebody who comes back has a new track id: protocol 1 asks for tracks, protocol 2 for people."""
    path = root / "posetrack_data" / "val" / f"{A}.json"
    content = json.loads(path.read_text())
    for one in content["annotations"]:
        one["track_id"] += 10 * (one["image_id"] % 10 >= 2)
    path.write_text(json.dumps(content))
    pred = tmp_path / "pred"
    for name in (A, B):
        write_found(pred, name, {1: 100.0, 2: 400.0})
    figures = scores(tmp_path, *arguments(root, pred))["figures"]
    assert figures["protocol 2 HOTA"] == pytest.approx(1)
    assert figures["protocol 1 HOTA"] < 0.9
    content = json.loads((pred / f"{A}.json").read_text())
    for one in content["annotations"]:
        one["track_id"] = one["person_id"] + 10 * (one["image_id"] % 10 >= 2)
    (pred / f"{A}.json").write_text(json.dumps(content))
    assert scores(tmp_path, *arguments(root, pred))["figures"]["protocol 1 HOTA"] == pytest.approx(1)


def test_regions_to_ignore_are_left_out(root: Path, tmp_path: Path) -> None:
    pred = tmp_path / "pred"
    for name in (A, B):
        write_found(pred, name, {1: 100.0, 2: 400.0, 3: 900.0})
    assert scores(tmp_path, *arguments(root, pred))["figures"]["MOTA"] == pytest.approx(0.5)
    for name in (A, B):
        region = {"ignore_regions_x": [[800, 1000, 1000, 800]], "ignore_regions_y": [[0, 0, 500, 500]]}
        edit(root / "posetrack_data" / "val" / f"{name}.json", "images", **region)
    assert scores(tmp_path, *arguments(root, pred))["figures"]["MOTA"] == 1


def test_boxes_without_keypoints_are_no_truth_of_poses(root: Path, tmp_path: Path) -> None:
    """The last frame has boxes only: whoever is predicted there is neither right nor wrong."""
    pred = tmp_path / "pred"
    for name in (A, B):
        write_found(pred, name, {1: 100.0, 2: 400.0})
        content = json.loads((pred / f"{name}.json").read_text())
        in_the_last_frame = content["annotations"][-1]
        content["annotations"] += [in_the_last_frame | {"person_id": 10 + ghost} for ghost in range(5)]
        (pred / f"{name}.json").write_text(json.dumps(content))
    assert scores(tmp_path, *arguments(root, pred))["figures"]["MOTA"] == 1


def test_what_is_missing_or_strange_is_named_and_counted(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pred = tmp_path / "pred"
    write_found(pred, A, {1: 100.0, 2: 400.0})
    write_found(pred, "000009_zoo", {1: 100.0})
    assert score(*arguments(root, pred)) == 2
    assert f"has nothing of {B} (1 of 2 videos are missing)" in capsys.readouterr().err
    content = scores(tmp_path, *arguments(root, pred), "--allow-missing")
    assert "000009_zoo: predictions without a truth (6 skeletons), not scored" in content["warnings"]
    assert f"{B}: no predictions, scored as empty (10 true people)" in content["warnings"]
    assert content["figures"]["MOTA"] == pytest.approx(0.5)
    write_found(pred, A, {1: 700.0})
    assert score(*arguments(root, pred), "--allow-missing") == 2
    assert "no joint of 5 predicted skeletons lies on one of 20 true ones" in capsys.readouterr().err


def test_skeletons_of_other_images_are_counted(root: Path, tmp_path: Path) -> None:
    pred = tmp_path / "pred"
    for name in (A, B):
        write_found(pred, name, {1: 100.0, 2: 400.0}, frames=7)
    content = scores(tmp_path, *arguments(root, pred))
    assert f"{A}: 2 predicted skeletons of images it does not have, not scored" in content["warnings"]
    assert content["figures"]["MOTA"] == 1


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        ({"person_id": 1}, "person 1 is twice in image 10000020000 (6 such rows)"),
        ({"keypoints": [1, 2, 3]}, "is no result of PoseTrack21"),
        ({"scores": [0.5] * 3}, "is no result of PoseTrack21"),
        ({"keypoints": [float("nan")] * 51}, "a joint is not finite"),
        ({"bbox": [1, 2, -3, 4]}, "is not left, top, width, height"),
        ({"image_id": 1e400}, "is no result of PoseTrack21"),
    ],
)
def test_broken_predictions_are_one_line(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: dict[str, Any], complaint: str
) -> None:
    pred = tmp_path / "pred"
    for name in (A, B):
        write_found(pred, name, {1: 100.0, 2: 400.0})
    edit(pred / f"{B}.json", "annotations", **more)
    assert score(*arguments(root, pred)) == 2
    error = capsys.readouterr().err.strip()
    assert complaint in error
    assert len([line for line in error.splitlines() if line.startswith("error")]) == 1


def test_both_commands_tell_the_same_problems(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = root / "posetrack_data" / "val" / f"{A}.json"
    content = json.loads(path.read_text())
    content["annotations"][0]["bbox"] = [1, 2, 0, 4]
    content["annotations"][1]["person_id"] = None
    content["annotations"][2]["bbox_head"] = [0, 0, 0, 0]
    content["annotations"].append(content["annotations"][3] | {"id": 1})
    path.write_text(json.dumps(content))
    pred = tmp_path / "pred"
    for name in (A, B):
        write_found(pred, name, {1: 100.0, 2: 400.0})
    warnings = scores(tmp_path, *arguments(root, pred))["warnings"]
    capsys.readouterr()
    assert run(dataset_info.main, ["posetrack21", str(root), "--json"]) == 0
    problems = json.loads(capsys.readouterr().out)["problems"]
    assert len(problems) == 4
    assert warnings[:4] == problems
    for kind in ("box without area", "row without an identity", "skeleton without a head box", "id twice in a frame"):
        assert any(kind in line for line in problems), kind


def write_run(folder: Path, people: dict[int, float], posed: bool = True) -> RunFolder:
    """A run of both videos that finds people who stand still, as COCO's skeletons."""
    run_folder = RunFolder(folder)
    run_folder.tracklets.mkdir(parents=True)
    run_folder.tracks("x").parent.mkdir()
    frames = np.arange(6)
    tracklets, owners = [], []
    for name in (A, B):
        tables = []
        for person, left in people.items():
            points = np.array(skeleton(left), np.float32).reshape(17, 3)
            points[1:3, 2] = 0
            boxes = np.tile(np.array([left - 10, 40, left + 10, 220], np.float32), (6, 1))
            keypoints = np.tile(points, (6, 1, 1)) if posed else None
            tracklets.append(Tracklet(name, person, frames / 25, frames, boxes, np.ones(6, np.float32), keypoints))
            owners.append(GlobalTrack(person, tuple(Visit(camera, person, 0.0, 0.2) for camera in (A, B)), 0.9))
            tables.append(MotTable.make(frames, np.full(6, person), boxes.astype(np.float64)))
        rows = [np.concatenate([getattr(table, column) for table in tables]) for column in ("frames", "ids", "boxes")]
        write_mot(run_folder.tracks(name), MotTable.make(*rows))
    run_folder.write_part(0.0, 0, tracklets)
    run_folder.write_global_tracks(owners[: len(people)])
    run_folder.site.write_text(f"cameras: {{'{A}': , '{B}': }}\n")
    run_folder.config.write_text("run: {interpolate_s: 1.0}\n")
    run_folder.write_json(run_folder.manifest, {"inputs": {name: {"frames": 6} for name in (A, B)}})
    return run_folder


def test_the_skeletons_of_a_run_are_scored_by_both_protocols(root: Path, tmp_path: Path) -> None:
    """COCO's joints are all right; the head's ends need eyes or ears, and there are none."""
    write_run(tmp_path / "run", {1: 100.0, 2: 400.0})
    content = scores(tmp_path, "--dataset", "posetrack21", "--root", root, "--run", tmp_path / "run")
    joints = {row["joint"]: row for row in content["tables"][2]["rows"]}
    assert joints["left_knee"]["protocol 1 HOTA"] == joints["left_knee"]["protocol 2 HOTA"] == 1
    assert joints["head_top"]["protocol 1 HOTA"] == 0
    assert content["figures"]["AP"] == pytest.approx(13 / 15)


def test_a_run_without_skeletons_is_told(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(tmp_path / "run", {1: 100.0, 2: 400.0}, posed=False)
    assert score("--dataset", "posetrack21", "--root", root, "--run", tmp_path / "run") == 2
    assert (
        f"the run has no skeletons of {A}; run it with a pose network and pose.when=always" in capsys.readouterr().err
    )
