"""PoseTrack21, DukeMTMC, AI City, CAMPUS, EPFL and CMC in miniature, in the layouts they are published in."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from data.datasets.dukemtmc import STARTS, WINDOWS
from data.datasets.posetrack21 import read_person_search
from data.datasets.registry import read_dataset
from data.datasets.tracking import TrackingDataset
from data.errors import UserError
from data.records import IntArray


def told(dataset: TrackingDataset) -> list[tuple[str, int]]:
    return [(problem.kind, problem.count) for problem in dataset.problems]


def write_duke(root: Path, rows: list[list[float]], stem: str = "trainval", key: str = "trainData") -> Path:
    (root / "ground_truth").mkdir(parents=True, exist_ok=True)
    savemat(root / "ground_truth" / f"{stem}.mat", {key: np.array(rows, float)})
    return root


DUKE = [[1, 7, 44158, 10, 20, 30, 60, 1.5, 2.5, 25, 80], [5, 7, 50742, 11, 20, 30, 60, 1.5, 2.5, 26, 80]]


def test_duke_frames_go_onto_one_clock(tmp_path: Path) -> None:
    """Both rows are frame 49700 + 42 of all cameras by the devkit's start times: cameras 1 and 5 see one instant."""
    rows = [[*row[:2], 49700 - STARTS[int(row[0]) - 1] + 1, *row[3:]] for row in DUKE]
    dataset = read_dataset("dukemtmc", write_duke(tmp_path, rows))
    first, fifth = dataset.sequence("camera1"), dataset.sequence("camera5")
    common: list[IntArray] = [one.truth.frames + one.offset for one in (first, fifth)]
    assert [frames.tolist() for frames in common] == [[49699], [49699]]
    assert first.truth.boxes.tolist() == [[10, 20, 40, 80]]
    assert first.places is not None
    assert first.places.tolist() == [[1.5, 2.5]]
    assert (dataset.window, WINDOWS["test_easy"].first, WINDOWS["val"].last) == (WINDOWS["trainval"], 263503, 227539)
    assert told(dataset) == [("missing file", 1), *[("missing sequence", 1)] * 6]


def test_a_duke_split_is_a_window(tmp_path: Path) -> None:
    """Frame 49700 of all cameras is in trainval and train, and not in val."""
    write_duke(tmp_path, [[1, 7, 49700 - STARTS[0] + 1, *DUKE[0][3:]]])
    assert len(read_dataset("dukemtmc", tmp_path, "train").sequence("camera1").truth) == 1
    with pytest.raises(UserError, match="no row lies in the window of val, frames 187541 to 227540 of all cameras"):
        read_dataset("dukemtmc", tmp_path, "val")
    with pytest.raises(UserError, match="DukeMTMC has no part 'easy'; choose --split from trainval, trainval_mini"):
        read_dataset("dukemtmc", tmp_path, "easy")


def test_duke_regions_are_matched_not_run(tmp_path: Path) -> None:
    text = "function ROIs = getROIs()\nsystem('false');\n"
    text += "".join(f"ROIs{{{camera}}} = [0 0; 1920 0; 1920, 1080];\n" for camera in range(1, 9))
    write_duke(tmp_path, DUKE)
    (tmp_path / "getROIs.m").write_text(text)
    dataset = read_dataset("dukemtmc", tmp_path)
    region = dataset.sequences[7].region
    assert region is not None
    assert region.tolist() == [[0, 0], [1920, 0], [1920, 1080]]
    (tmp_path / "getROIs.m").write_text("ROIs{1} = [0 0; 1 1];")
    with pytest.raises(UserError, match="the region of camera 1 is no list of three or more corners"):
        read_dataset("dukemtmc", tmp_path)


def test_duke_files_of_another_layout_are_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is not DukeMTMC: missing trainval\.mat"):
        read_dataset("dukemtmc", tmp_path)
    write_duke(tmp_path, DUKE, key="other")
    with pytest.raises(UserError, match="it lacks trainData"):
        read_dataset("dukemtmc", tmp_path)
    write_duke(tmp_path, [row[:6] for row in DUKE])
    with pytest.raises(UserError, match="6 columns, where at least 7 are expected"):
        read_dataset("dukemtmc", tmp_path)
    write_duke(tmp_path, [[1, 7, 0, *DUKE[0][3:]]])
    with pytest.raises(UserError, match="the frame is below 1"):
        read_dataset("dukemtmc", tmp_path)
    savemat(tmp_path / "ground_truth" / "trainval.mat", {"trainData": {"inside": 1.0}})
    with pytest.raises(UserError, match="neither numbers nor texts"):
        read_dataset("dukemtmc", tmp_path)
    (tmp_path / "ground_truth" / "trainval.mat").write_bytes(b"half a file")
    with pytest.raises(UserError, match="no readable Matlab file"):
        read_dataset("dukemtmc", tmp_path)


def test_duke_rows_of_cameras_that_do_not_exist_are_counted(tmp_path: Path) -> None:
    rows = [*DUKE, [9, *DUKE[0][1:]], [1, 8, 400000, *DUKE[0][3:]], DUKE[0]]
    dataset = read_dataset("dukemtmc", write_duke(tmp_path, rows))
    kinds = told(dataset)
    assert ("row of an unknown camera", 1) in kinds
    assert ("row beyond the last frame", 1) in kinds
    assert ("id twice in a frame", 1) in kinds
    assert sum(len(one.truth) for one in dataset.sequences) == 2


def write_scene(root: Path, rows: str) -> Path:
    folder = root / "train" / "scene_001"
    for camera in ("camera_0001", "camera_0002"):
        (folder / camera).mkdir(parents=True, exist_ok=True)
        matrix = {"camera projection matrix": np.eye(3, 4).tolist(), "homography matrix": np.eye(3).tolist()}
        (folder / camera / "calibration.json").write_text(json.dumps(matrix))
    (folder / "ground_truth.txt").write_text(rows)
    return root


def test_aicity_counts_from_zero(tmp_path: Path) -> None:
    rows = "1 4 0 10 20 30 40 1.5 2.5\n2 4 0 11 20 30 40 1.5 2.5\n2 4 3 11 20 30 0 1.6 2.5\n7 4 3 11 20 30 9 1.6 2.5\n"
    dataset = read_dataset("aicity", write_scene(tmp_path, rows))
    assert [(one.name, one.length) for one in dataset.sequences] == [("camera_0001", 4), ("camera_0002", 4)]
    assert dataset.sequences[1].truth.frames.tolist() == [0]
    assert dataset.ground is not None
    assert dataset.ground.xy.tolist() == [[1.5, 2.5], [1.6, 2.5]]
    assert told(dataset) == [("row of an unknown camera", 1), ("box without area", 1)]
    assert sorted(dataset.calibration) == ["camera_0001", "camera_0002"]
    write_scene(tmp_path, "1 4 -1 10 20 30 40 1.5 2.5\n")
    with pytest.raises(UserError, match=r"ground_truth\.txt:1: the frame is below 0"):
        read_dataset("aicity", tmp_path)
    write_scene(tmp_path, "1 4 0 10 20 30 40\n")
    with pytest.raises(UserError, match="7 columns, where at least 9"):
        read_dataset("aicity", tmp_path)


VATIC = '0 10 20 40 80 5 0 0 1 "PERSON"\n0 10 20 40 80 6 1 0 1 "PERSON"\n3 1 2 9 9 6 0 1 0 "bicycle"\n'


def test_vatic_leaves_out_what_is_out_of_the_picture(tmp_path: Path) -> None:
    (tmp_path / "terrace").mkdir()
    (tmp_path / "terrace" / "terrace1-c0.txt").write_text(VATIC)
    (tmp_path / "terrace" / "terrace1-c2.txt").write_text(VATIC)
    (tmp_path / "terrace" / "calibration-terrace.txt").write_text("not of a camera")
    dataset = read_dataset("epfl", tmp_path)
    assert [(one.name, one.length) for one in dataset.sequences] == [("c0", 7), ("c2", 7)]
    first = dataset.sequences[0]
    assert (first.truth.frames.tolist(), first.truth.class_ids.tolist()) == ([5, 6], [1, 4])
    assert dataset.people(first).tolist() == [0]
    (tmp_path / "Garden1").mkdir()
    (tmp_path / "Garden1" / "view-HC1.txt").write_text(VATIC)
    assert [one.name for one in read_dataset("campus", tmp_path, "Garden1").sequences] == ["HC1"]
    (tmp_path / "Garden1" / "view-HC1.txt").write_text(VATIC.replace("bicycle", "Pedestrians"))
    walkers = read_dataset("campus", tmp_path, "Garden1").sequences[0].truth
    assert walkers.class_ids.tolist() == [1, 1], "a person is who is one in every format"
    for bad, complaint in (
        (VATIC.replace("bicycle", "dog"), r":3: the label 'dog' is none of"),
        ("1,2,3", "not a row of VATIC"),
        ("1 2 3", "expected track xmin"),
        ("1 20 3 10 9 5 0 0 0 human", "right before left"),
    ):
        (tmp_path / "Garden1" / "view-HC1.txt").write_text(bad)
        with pytest.raises(UserError, match=complaint):
            read_dataset("campus", tmp_path)


WORLD = "1 4 -1 -1 -1 -1 -1 2.5 0.5 0.8 .5 .5 .8\n3 4 -1 -1 -1 -1 -1 2.6 0.5 0.8 .5 .5 .8\n"


def test_cmc_has_boxes_by_camera_and_places(tmp_path: Path) -> None:
    folder = tmp_path / "CMC1"
    folder.mkdir()
    (folder / "GT_CMC1_WORLD_CENTROID.txt").write_text(WORLD)
    for camera in (1, 2, 3):
        (folder / f"GT_CMC1_Cam_{camera}.txt").write_text("2,4,1,1,9,9,1,1,0.1\n")
    dataset = read_dataset("cmc", tmp_path)
    assert [(one.name, one.length) for one in dataset.sequences] == [("cam1", 3), ("cam2", 3), ("cam3", 3)]
    assert dataset.ground is not None
    assert dataset.ground.frames.tolist() == [0, 2]
    assert dataset.ground.xy.tolist() == [[2.5, 0.5], [2.6, 0.5]]
    assert told(dataset) == [("missing file", 1)]
    (folder / "GT_CMC1_WORLD_CENTROID.txt").write_text(WORLD.replace("1 4", "0 4", 1))
    with pytest.raises(UserError, match="count from 1"):
        read_dataset("cmc", tmp_path)


def test_real_cmc_places_are_those_prepared(testdata: Path) -> None:
    dataset = read_dataset("cmc", testdata / "cmc", "CMC2")
    assert dataset.ground is not None
    world = np.loadtxt(testdata / "scored" / "gt" / "cmc2_world" / "world.txt", delimiter=",")
    assert len(dataset.ground) == len(world)
    assert len(dataset.calibration) == 4
    np.testing.assert_allclose(np.sort(dataset.ground.xy[:, 0]), np.sort(world[:, 7]), atol=1e-3)


def write_posetrack(root: Path, people: list[dict[str, Any]]) -> Path:
    folder = root / "posetrack_data" / "val"
    folder.mkdir(parents=True, exist_ok=True)
    images = [
        {"id": 100 + number, "vid_id": "000001", "file_name": f"images/val/000001_a/{number:06d}.jpg",
         "is_labeled": number == 3, "has_labeled_person": number == 3}
        for number in (2, 3, 4)
    ]  # fmt: skip
    (folder / "000001_a.json").write_text(json.dumps({"images": images, "annotations": people}))
    return root


def labelled(number: int, image: int, whose: int | None, **more: Any) -> dict[str, Any]:
    points = [value for index in range(17) for value in (float(index), 5.0, 1.0)]
    base = {"id": number, "image_id": image, "person_id": whose, "bbox": [1, 2, 30, 40], "keypoints": points}
    return {**base, "bbox_head": [1, 2, 8, 9], **more}


def test_posetrack_frames_are_pictures_in_order(tmp_path: Path) -> None:
    people = [labelled(1, 103, 9), labelled(2, 103, None), labelled(3, 103, 4, bbox=[1, 2, 0, 40])]
    dataset = read_dataset("posetrack21", write_posetrack(tmp_path, people))
    (video,) = dataset.sequences
    assert (video.name, video.length, video.truth.frames.tolist()) == ("000001_a", 3, [1])
    assert video.annotated is not None
    assert video.annotated.tolist() == [1]
    assert video.keypoints is not None
    assert video.keypoints[0, 16].tolist() == [16, 5, 1]
    assert (dataset.skeleton, dataset.shared_ids) == ("posetrack17", True)
    assert told(dataset) == [("row without an identity", 1), ("box without area", 1)]


def test_keypoints_of_posetrack_text_go_with_its_boxes(tmp_path: Path) -> None:
    folder = tmp_path / "PoseTrack21" / "posetrack_mot" / "mot" / "val" / "000001_a"
    (folder / "gt").mkdir(parents=True)
    (folder / "gt" / "gt.txt").write_text(
        "2,9,1,2,30,40,1,-1,-1,-1\n1,9,1,2,30,40,1,-1,-1,-1\n1,3,1,2,30,0,1,-1,-1,-1\n"
    )
    row = ",".join(str(value) for value in range(51))
    (folder / "gt" / "gt_kpts.txt").write_text(f"2,9,{row}\n2,77,{row}\n")
    (folder / "image_info.json").write_text(json.dumps([{"frame_index": 1}, {"frame_index": 2}, {"frame_index": 3}]))
    dataset = read_dataset("posetrack21_mot", tmp_path)
    (video,) = dataset.sequences
    assert (video.length, video.truth.frames.tolist(), video.truth.ids.tolist()) == (3, [0, 1], [9, 9])
    assert video.keypoints is not None
    assert [bool(points.any()) for points in video.keypoints] == [False, True]
    assert video.keypoints[1, 16].tolist() == [48, 49, 50]
    assert told(dataset) == [("row without a box", 1), ("box without area", 1)]
    (folder / "gt" / "gt_kpts.txt").write_text(f"0,9,{row}\n")
    with pytest.raises(UserError, match="frame 0 is below 1"):
        read_dataset("posetrack21_mot", tmp_path)
    (folder / "image_info.json").write_text(json.dumps([{"frame_index": 1}]))
    with pytest.raises(UserError, match="frame 2 is beyond the stated length of 1"):
        read_dataset("posetrack21_mot", tmp_path)


def test_person_search_is_one_file_per_part(tmp_path: Path) -> None:
    write_posetrack(tmp_path, [labelled(1, 103, 9)])
    (tmp_path / "posetrack_person_search").mkdir()
    (tmp_path / "posetrack_data" / "val" / "000001_a.json").rename(tmp_path / "posetrack_person_search" / "query.json")
    assert read_person_search(tmp_path, "query").people.tolist() == [9]
    with pytest.raises(UserError, match=r"train\.json is missing"):
        read_person_search(tmp_path, "train")
