"""Pictures of one crop."""

import numpy as np
import pytest

from data.formats.reid_keypoints import CropSkeletons
from pipeline.rendering.crop_pictures import NEGATIVE, TARGET, heated, part_color, prompted, scaled, tinted

CROP = np.full((60, 30, 3), 128, np.uint8)


def skeleton(x, confidence=0.9):
    points = np.zeros((17, 3), np.float32)
    points[:, 0], points[:, 1], points[:, 2] = x, np.linspace(5, 55, 17), confidence
    return points


def count(picture, color):
    return int((picture == np.array(color)).all(axis=-1).sum())


def test_size_and_aspect():
    assert scaled(CROP, 256).shape == (256, 128, 3)
    assert scaled(CROP, 20).shape == (20, 10, 3)
    assert scaled(np.zeros((500, 1, 3), np.uint8), 100).shape == (100, 1, 3)
    for made in (prompted(CROP, CropSkeletons.none()), heated(CROP, np.ones((4, 2))), tinted(CROP, np.ones((2, 4, 2)))):
        assert made.shape == (256, 128, 3)
        assert made.dtype == np.uint8


def test_prompts_are_drawn_where_they_are_in_their_colours():
    both = prompted(CROP, CropSkeletons(skeleton(8), skeleton(22)[None]))
    left, right = both[:, :64], both[:, 64:]
    assert count(left, TARGET) > 100
    assert count(right, NEGATIVE) > 100
    assert count(left, NEGATIVE) == count(right, TARGET) == 0
    rows = np.nonzero((left == np.array(TARGET)).all(axis=-1))[0]
    assert rows.min() == pytest.approx(5 / 60 * 256, abs=6)
    assert rows.max() == pytest.approx(55 / 60 * 256, abs=6)


def test_the_target_lies_over_the_others():
    over = prompted(CROP, CropSkeletons(skeleton(15), skeleton(15)[None]))
    assert count(over, TARGET) > count(over, NEGATIVE)


def test_what_prompts_ignore_is_not_drawn():
    plain = scaled(CROP, 256)
    for hidden in (skeleton(15, 0.3), skeleton(15, 0), skeleton(45), np.full((17, 3), -5, np.float32)):
        assert np.array_equal(prompted(CROP, CropSkeletons(hidden, hidden[None])), plain)
    assert not np.array_equal(prompted(CROP, CropSkeletons(skeleton(15, 0.3), hidden[None]), threshold=0.2), plain)
    assert (CROP == 128).all()


def test_heat_is_where_the_mask_is():
    mask = np.zeros((6, 3), np.float32)
    mask[:3] = 1
    mask[5, 2] = np.nan
    made = heated(CROP, mask, 60).astype(int)
    assert (np.ptp(made[-15:], axis=-1) == 0).all()
    assert (np.ptp(made[:20], axis=-1) > 50).all()
    weak = heated(CROP, mask / 4, 60).astype(int)
    assert np.abs(weak - 128).mean() < np.abs(made - 128).mean()


def test_every_place_has_the_colour_of_its_strongest_part():
    masks = np.zeros((3, 6, 3), np.float32)
    masks[1, :3], masks[2, 3:], masks[0] = 0.9, 0.8, 0.1
    made = tinted(CROP, masks, 60).astype(float)
    for rows, part in ((slice(0, 20), 1), (slice(40, 60), 2)):
        toward = made[rows].reshape(-1, 3).mean(axis=0) - 128
        wanted = np.array(part_color(part)) - 128
        assert np.dot(toward, wanted) / np.linalg.norm(toward) / np.linalg.norm(wanted) > 0.99
    assert part_color(0) == part_color(8)
