"""Keypoint files of crops."""

import json

import numpy as np
import pytest

from data.errors import UserError
from data.formats.reid_keypoints import read_keypoint_file, read_synthetic_crops, write_keypoint_file


def person(value, target=None, flat=False):
    points = [[value + row, 2.0 * row, 0.5] for row in range(17)]
    told = {"keypoints": [number for point in points for number in point] if flat else points}
    return told if target is None else told | {"is_target": target}


def write(path, tree):
    path.write_text(json.dumps(tree))
    return path


def test_the_marked_skeleton_is_the_target(tmp_path):
    path = write(tmp_path / "a.json", [person(1, False), person(2, True, flat=True), person(3, False)])
    crop = read_keypoint_file(path)
    assert crop.target[0].tolist() == [2, 0, 0.5]
    assert crop.negatives[:, 0, 0].tolist() == [1, 3]
    assert crop.target.dtype == np.float32


def test_without_marks_the_first_is_the_target(tmp_path):
    crop = read_keypoint_file(write(tmp_path / "a.json", [person(1), person(2)]))
    assert (crop.target[0, 0], len(crop.negatives)) == (1, 1)
    single = read_keypoint_file(write(tmp_path / "b.json", person(4)))
    assert (single.target[0, 0], len(single.negatives)) == (4, 0)


def test_nobody_is_target(tmp_path):
    crop = read_keypoint_file(write(tmp_path / "a.json", [person(1, False)]))
    assert not crop.target.any()
    assert len(crop.negatives) == 1
    empty = read_keypoint_file(write(tmp_path / "b.json", []))
    assert not empty.target.any()
    assert empty.negatives.shape == (0, 17, 3)


def test_points_outside_are_zeroed(tmp_path):
    crop = read_keypoint_file(write(tmp_path / "a.json", person(0)), size=(5, 9))
    assert crop.target[:5].any(axis=1).all()
    assert not crop.target[5:].any()


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ([person(1, True), person(2, True)], "2 skeletons are marked"),
        ([{"keypoints": [[0, 0, 1]] * 16}], "expected 17 keypoints"),
        ([{"keypoints": "x"}], "expected 17 keypoints"),
        ([{"points": []}], "expected skeleton objects"),
        ("text", "expected skeleton objects"),
    ],
)
def test_wrong_files_are_refused(tmp_path, tree, message):
    with pytest.raises(UserError, match=message):
        read_keypoint_file(write(tmp_path / "a.json", tree))


def test_unreadable_files_are_refused(tmp_path):
    with pytest.raises(UserError, match="not found"):
        read_keypoint_file(tmp_path / "none.json")
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(UserError, match="not valid JSON"):
        read_keypoint_file(tmp_path / "a.json")


def test_synthetic_crops(tmp_path):
    points = [[row, row, row % 3] for row in range(17)]
    tree = {"query/a.jpg": {"size": [9, 9], "positive": points, "negatives": [points]}}
    crops = read_synthetic_crops(write(tmp_path / "crops_a.json", tree))
    assert crops["query/a.jpg"].target[:3, 2].tolist() == pytest.approx([0, 0.2, 1])
    assert crops["query/a.jpg"].negatives.shape == (1, 17, 3)
    for told in ({}, {"positive": points, "negatives": None}):
        with pytest.raises(UserError, match="has no 'positive'"):
            read_synthetic_crops(write(tmp_path / "b.json", {"query/a.jpg": told}))
    with pytest.raises(UserError, match="one object"):
        read_synthetic_crops(write(tmp_path / "c.json", []))


@pytest.mark.parametrize("target", [-1, 0, 2])
def test_what_is_written_is_read_back(tmp_path, target):
    people = np.random.default_rng(0).uniform(0, 1, (3, 17, 3)).astype(np.float32) * np.float32([200, 400, 1])
    path = tmp_path / "new" / "a.jpg_keypoints.json"
    write_keypoint_file(path, people, target)
    crop = read_keypoint_file(path)
    others = [row for row in range(3) if row != target]
    assert np.abs(crop.negatives - people[others]).max() <= 0.0051
    wanted = people[target] if target >= 0 else np.zeros((17, 3))
    assert np.abs(crop.target - wanted).max() <= 0.0051
    assert np.abs(crop.target[:, 2] - wanted[:, 2]).max() <= 0.000051
    again = tmp_path / "again.json"
    everyone = np.concatenate([crop.negatives[:target], crop.target[None], crop.negatives[target:]])
    if target >= 0:
        write_keypoint_file(again, everyone, target)
        assert again.read_bytes() == path.read_bytes()


def test_nobody_is_written_too(tmp_path):
    write_keypoint_file(tmp_path / "a.json", np.zeros((0, 17, 3), np.float32), -1)
    crop = read_keypoint_file(tmp_path / "a.json")
    assert not crop.target.any()
    assert len(crop.negatives) == 0


def test_what_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        write_keypoint_file(tmp_path / "file" / "a.json", np.zeros((1, 17, 3), np.float32), 0)
    with pytest.raises(ValueError, match="no skeleton 1 among 1"):
        write_keypoint_file(tmp_path / "a.json", np.zeros((1, 17, 3), np.float32), 1)
