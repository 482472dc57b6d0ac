"""Folders of crops and the keypoint files beside them."""

import json
import logging

import cv2
import numpy as np
import pytest

from data.errors import UserError
from data.formats.reid_keypoints import write_keypoint_file
from reid.samples.crop_files import CropFolder, CropKeypoints, crop_names

WIDTH, HEIGHT = 20, 40


def picture(path, value=100):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((HEIGHT, WIDTH, 3), value, np.uint8))


def person(x, y=5.0):
    points = np.full((17, 3), 0.9, np.float32)
    points[:, 0], points[:, 1] = x, y
    return points


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "set" / "query"
    for name in ("b.png", "a.jpg", "deep/c.tif"):
        picture(root / name)
    (root / "notes.txt").write_text("")
    return root


@pytest.fixture
def places(tmp_path):
    root = tmp_path / "prompts"
    for name, x in (("b.png", 3), ("a.jpg", 4), ("deep/c.tif", 5)):
        write_keypoint_file(root / f"{name}_keypoints.json", np.stack([person(x), person(9)]), 0)
    return root


def test_names_are_sorted_and_pictures_only(folder, tmp_path):
    assert crop_names(folder) == ["a.jpg", "b.png", "deep/c.tif"]
    assert crop_names(folder, leave_out=folder / "deep") == ["a.jpg", "b.png"]
    assert crop_names(folder, leave_out=folder) == crop_names(folder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no pictures"):
        crop_names(tmp_path / "empty")
    with pytest.raises(UserError, match="is no folder"):
        crop_names(tmp_path / "gone")


def test_crops_come_in_order_with_their_skeletons(folder, places):
    crops = CropFolder(folder, CropKeypoints(places))
    portions = list(crops.batches(2))
    assert [[crop.name for crop in portion] for portion in portions] == [["a.jpg", "b.png"], ["deep/c.tif"]]
    read = [crop for portion in portions for crop in portion]
    assert [crop.skeletons.target[0, 0] for crop in read] == [4, 3, 5]
    assert all(crop.size == (WIDTH, HEIGHT) and len(crop.skeletons.negatives) == 1 for crop in read)
    crops.tell()
    assert [crop.skeletons for crop in CropFolder(folder)] == [None] * 3


def test_keypoints_of_a_whole_data_set(folder, places, tmp_path):
    """The folder above the splits also serves, and files of one name in other folders are not taken for one another."""
    write_keypoint_file(tmp_path / "all" / "query" / "a.jpg_keypoints.json", person(7)[None], 0)
    write_keypoint_file(tmp_path / "all" / "c.tif_keypoints.json", person(7)[None], 0)
    keypoints = CropKeypoints(tmp_path / "all")
    assert keypoints.read(folder, "a.jpg", (WIDTH, HEIGHT)).target[0, 0] == 7
    assert keypoints.read(folder, "deep/c.tif", (WIDTH, HEIGHT)) is None
    assert keypoints.missing == ["deep/c.tif"]


def test_other_names_of_keypoint_files(folder, tmp_path):
    root = tmp_path / "other"
    write_keypoint_file(root / "a.jpg.predictions.json", person(6)[None], 0)
    write_keypoint_file(root / "b.json", person(8)[None], 0)
    keypoints = CropKeypoints(root)
    assert keypoints.read(folder, "a.jpg", (WIDTH, HEIGHT)).target[0, 0] == 6
    assert keypoints.read(folder, "b.png", (WIDTH, HEIGHT)).target[0, 0] == 8
    single = CropKeypoints(root / "b.json")
    for _ in range(2):
        assert single.read(folder, "anything.png", (WIDTH, HEIGHT)).target[0, 0] == 8
    with pytest.raises(
        UserError, match=r"b\.json tells about one crop, and was taken for anything\.png: for a\.jpg too"
    ):
        single.read(folder, "a.jpg", (WIDTH, HEIGHT))


def test_sidecars_of_synthetic_sites(folder, tmp_path):
    tree = {"query/b.png": {"size": [20, 40], "positive": [[2, 3, 2]] * 17, "negatives": []}}
    (tmp_path / "set" / "crops_c1.json").write_text(json.dumps(tree))
    for place in (tmp_path / "set", tmp_path / "set" / "crops_c1.json"):
        keypoints = CropKeypoints(place)
        assert keypoints.read(folder, "b.png", (WIDTH, HEIGHT)).target[0].tolist() == [2, 3, 1]
        assert keypoints.read(folder, "a.jpg", (WIDTH, HEIGHT)) is None


def test_trouble_is_told_in_one_line_each(folder, places, caplog):
    (places / "a.jpg_keypoints.json").unlink()
    write_keypoint_file(places / "b.png_keypoints.json", person(3)[None], -1)
    outside = person(5)
    outside[:4, 0] = 200
    write_keypoint_file(places / "deep/c.tif_keypoints.json", outside[None], 0)
    crops = CropFolder(folder, CropKeypoints(places))
    read = list(crops)
    assert not read[2].skeletons.target[:4].any()
    with caplog.at_level(logging.WARNING):
        crops.tell()
    assert caplog.messages == [
        "1 of 3 crops have no keypoint file: a.jpg",
        "1 of 3 crops have no target skeleton: b.png",
        "4 keypoints of targets lie outside their crops and do not count",
    ]


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ([{"keypoints": [[900.0, 900.0, 1.0]] * 17}], r"all keypoints of the target lie outside b\.png \(20 x 40 px\)"),
        ([{"keypoints": [[1.0, 1.0, 1.0]] * 16}], "expected 17 keypoints"),
        ([{"keypoints": [[1.0, 1.0, 1.0]] * 17, "is_target": True}] * 2, "2 skeletons are marked is_target; mark one"),
        ("nonsense", "expected skeleton objects"),
    ],
)
def test_keypoint_files_that_cannot_be_used(folder, places, tree, message, caplog):
    (places / "b.png_keypoints.json").write_text(json.dumps(tree))
    with pytest.raises(UserError, match=message):
        list(CropFolder(folder, CropKeypoints(places)))
    crops = CropFolder(folder, CropKeypoints(places), "skip")
    with caplog.at_level(logging.WARNING):
        assert [crop.name for crop in crops] == ["a.jpg", "deep/c.tif"]
        crops.tell()
    assert crops.bad == ["b.png"]
    assert "1 of 3 crops were left out: b.png" in caplog.text


def test_places_without_keypoints(folder, tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        CropKeypoints(tmp_path / "gone")
    crops = CropFolder(folder, CropKeypoints(folder))
    assert [crop.skeletons for crop in crops] == [None] * 3
    with pytest.raises(UserError, match=r"none of the 3 crops; expected a\.jpg_keypoints\.json"):
        crops.tell()


def test_corrupt_pictures(folder, caplog):
    (folder / "a.jpg").write_bytes(b"\xff\xd8 nothing more")
    with pytest.raises(UserError, match=r"a\.jpg is no picture .*; --bad-files skip leaves such crops out"):
        list(CropFolder(folder))
    crops = CropFolder(folder, bad_files="skip")
    assert [crop.name for crop in crops] == ["b.png", "deep/c.tif"]
    assert [crop.name for crop in crops] == ["b.png", "deep/c.tif"]
    assert crops.bad == ["a.jpg"]
    for name in ("b.png", "deep/c.tif"):
        (folder / name).write_bytes(b"")
    with pytest.raises(UserError, match="none of the 3 pictures"):
        list(crops)
