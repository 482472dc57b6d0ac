"""Fields times the outline of the person a crop is about."""

import logging

import cv2
import numpy as np
import pytest

from data.errors import UserError
from data.formats.reid_keypoints import CropSkeletons, write_keypoint_file
from pipeline.backends.yolo_seg import Instances
from pipeline.labelling.parsing_labels import choose_instance, drawn_fields, make_labels
from reid.samples.crop_files import Crop, CropFolder, CropKeypoints
from reid.samples.part_labels import fields_from_keypoints, group_fields
from tests.reid.prompts.test_prompts import standing

WIDTH, HEIGHT, GRID = 40, 80, (16, 8)


def instances(*columns):
    """People that each cover some columns of the grid, from top to bottom."""
    masks = np.zeros((len(columns), *GRID), np.float32)
    boxes = np.zeros((len(columns), 4), np.float32)
    for row, (first, last) in enumerate(columns):
        masks[row, :, first:last] = 1
        boxes[row] = [first * WIDTH / GRID[1], 0, last * WIDTH / GRID[1], HEIGHT]
    return Instances(boxes, np.ones(len(columns), np.float32), masks)


def crop(x=None):
    skeletons = None
    if x is not None:
        skeletons = CropSkeletons(np.nan_to_num(standing(x, 2, 70)), np.zeros((0, 17, 3), np.float32))
    return Crop("a.png", np.zeros((HEIGHT, WIDTH, 3), np.uint8), skeletons)


def test_the_instance_that_covers_the_skeleton():
    found = instances((0, 4), (4, 8), (2, 6))
    assert choose_instance(crop(8), found) == 0
    assert choose_instance(crop(30), found) == 1
    assert choose_instance(crop(20), found) == 2
    assert choose_instance(crop(30), instances((0, 2))) == -1
    assert choose_instance(crop(30), instances()) == -1


def test_without_a_skeleton_the_nearest_to_the_middle():
    assert choose_instance(crop(), instances((0, 2), (3, 6), (6, 8))) == 1
    nobody = Crop("a.png", np.zeros((HEIGHT, WIDTH, 3), np.uint8), CropSkeletons.none())
    assert choose_instance(nobody, instances((0, 2), (2, 7))) == 1


def test_a_point_on_the_far_edge_belongs_to_the_last_cell():
    skeletons = CropSkeletons(np.tile(np.float32([WIDTH, HEIGHT, 1]), (17, 1)), np.zeros((0, 17, 3), np.float32))
    edge = Crop("a.png", np.zeros((HEIGHT, WIDTH, 3), np.uint8), skeletons)
    assert choose_instance(edge, instances((0, 4), (7, 8))) == 1


@pytest.fixture
def folder(tmp_path):
    for name, x in (("a.png", 8), ("deep/b.jpg", 30)):
        path = tmp_path / "crops" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.zeros((HEIGHT, WIDTH, 3), np.uint8))
        write_keypoint_file(tmp_path / "prompts" / f"{name}_keypoints.json", np.nan_to_num(standing(x, 2, 70))[None], 0)
    return CropFolder(tmp_path / "crops", CropKeypoints(tmp_path / "prompts"))


def test_labels_are_written_and_cut_to_the_person(folder, tmp_path):
    plain = make_labels(folder, tmp_path / "plain", drawn_fields, GRID)
    masked = make_labels(folder, tmp_path / "cut", drawn_fields, GRID, lambda image, grid: instances((0, 4), (4, 8)))
    assert (plain.crops, plain.empty, masked.empty, masked.unmasked) == (2, [], [], [])
    for name, kept in (("a.npy", slice(0, 4)), ("deep/b.npy", slice(4, 8))):
        whole, cut = (np.load(tmp_path / place / name) for place in ("plain", "cut"))
        assert whole.shape == cut.shape == (36, *GRID)
        assert whole.dtype == cut.dtype == np.float32
        assert np.array_equal(cut[..., kept], whole[..., kept])
        assert cut.sum() == pytest.approx(whole[..., kept].sum())
        assert (group_fields(cut, "five_v").max(axis=(1, 2)) > 0.5).all()


def test_the_outline_of_a_drawn_label_is_that_of_its_parts():
    """Training takes level 0.2 of a label file for the outline, level 0.5 of drawn fields."""
    grid = (96, 48)
    label = drawn_fields(crop(20), grid)
    raw = fields_from_keypoints(crop(20).skeletons.target, (HEIGHT, WIDTH), grid)
    assert np.array_equal(label[raw >= 0.5], raw[raw >= 0.5])
    outline, person = (label.max(axis=0) > 0.2).sum(), (raw.max(axis=0) > 0.5).sum()
    assert person < outline < 1.15 * person
    assert not drawn_fields(crop(), grid).any()


def test_the_wanted_suffix(folder, tmp_path):
    make_labels(folder, tmp_path / "out", drawn_fields, GRID, suffix=".jpg.confidence_fields.npy")
    assert (tmp_path / "out" / "deep" / "b.jpg.confidence_fields.npy").is_file()


def test_nobody_gives_a_label_of_zeros(folder, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        counts = make_labels(folder, tmp_path / "out", drawn_fields, GRID, lambda image, grid: instances((0, 4)))
    assert counts.unmasked == counts.empty == ["deep/b.jpg"]
    assert "the segmentation does not find the person: 1 of 2 crops: deep/b.jpg" in caplog.text
    assert "empty label: 1 of 2 crops: deep/b.jpg" in caplog.text
    assert not np.load(tmp_path / "out" / "deep" / "b.npy").any()
    assert np.load(tmp_path / "out" / "a.npy").any()


def test_labels_that_would_collide(tmp_path):
    for name in ("a.png", "a.jpg"):
        (tmp_path / "crops").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / "crops" / name), np.zeros((8, 8, 3), np.uint8))
    crops = CropFolder(tmp_path / "crops")
    with pytest.raises(UserError, match=r"a\.jpg and a\.png would both get the label"):
        make_labels(crops, tmp_path / "out", drawn_fields, GRID)


def test_nothing_is_overwritten_unasked(folder, tmp_path):
    make_labels(folder, tmp_path / "out", drawn_fields, GRID)
    first = (tmp_path / "out" / "a.npy").read_bytes()
    with pytest.raises(UserError, match="--overwrite"):
        make_labels(folder, tmp_path / "out", drawn_fields, GRID)
    make_labels(folder, tmp_path / "out", drawn_fields, GRID, overwrite=True)
    assert (tmp_path / "out" / "a.npy").read_bytes() == first
