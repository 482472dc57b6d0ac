"""Whose skeleton is whose."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from reid.prompts.assignment import choose_target, match_skeletons, negatives_for, person_boxes, skeleton_scores

Floats = NDArray[np.float32]


def standing(x: float, top: float, height: float, confidence: float = 0.9) -> Floats:
    """A standing skeleton, (17, 3): its head at (x, top), its feet ``height`` below."""
    level = np.array([8, 6, 6, 8, 8, 20, 20, 35, 35, 48, 48, 52, 52, 74, 74, 95, 95]) / 100 * height + top
    side = np.array([0, 1, -1, 2, -2, 9, -9, 12, -12, 12, -12, 6, -6, 6, -6, 6, -6]) / 100 * height + x
    return np.stack([side, level, np.full(17, confidence)], axis=1).astype(np.float32)


def box_of(x: float, top: float, height: float) -> Floats:
    return np.array([x - 0.2 * height, top, x + 0.2 * height, top + height], np.float32)


PEOPLE = [(50, 20, 100), (75, 25, 95), (200, 10, 180), (320, 90, 60)]
BOXES = np.stack([box_of(*person) for person in PEOPLE])
SKELETONS = np.stack([standing(*person) for person in PEOPLE])


@settings(max_examples=50)
@given(st.permutations(range(4)), st.floats(0.2, 5), st.floats(-300, 300))
def test_matching_does_not_depend_on_order_place_or_scale(order: list[int], scale: float, shift: float) -> None:
    boxes, skeletons = BOXES * np.float32(scale) + np.float32(shift), SKELETONS[order].copy()
    skeletons[..., :2] = skeletons[..., :2] * np.float32(scale) + np.float32(shift)
    poses = match_skeletons(boxes, skeletons)
    np.testing.assert_array_equal(poses.keypoints, skeletons[np.argsort(order)])
    assert len(poses.spare_keypoints) == 0


def test_what_finds_no_partner_is_zero_or_spare() -> None:
    poses = match_skeletons(BOXES[[0, 3]], SKELETONS[[2, 0]])
    np.testing.assert_array_equal(poses.keypoints[0], SKELETONS[0])
    np.testing.assert_array_equal(poses.keypoints[1], 0)
    np.testing.assert_array_equal(poses.spare_keypoints, SKELETONS[[2]])


def test_two_boxes_of_one_person_share_no_skeleton() -> None:
    poses = match_skeletons(np.stack([box_of(50, 20, 100), box_of(50, 20, 90)]), SKELETONS[:1])
    assert (poses.keypoints[..., 2].max(axis=1) > 0).tolist() == [True, False]


@pytest.mark.parametrize(("boxes", "skeletons"), [(0, 0), (0, 2), (3, 0)])
def test_nothing_is_matched_to_nothing(boxes: int, skeletons: int) -> None:
    poses = match_skeletons(BOXES[:boxes], SKELETONS[:skeletons])
    assert poses.keypoints.shape == (boxes, 17, 3)
    assert poses.spare_keypoints.shape == (skeletons, 17, 3)
    negatives, counts = negatives_for(BOXES[:boxes], np.zeros((boxes, 17, 3), np.float32), SKELETONS[:skeletons])
    assert negatives.shape[0] == boxes == len(counts)
    assert choose_target(BOXES[0], SKELETONS[:0]) == -1


def test_nan_and_unseen_keypoints_do_not_count() -> None:
    broken = SKELETONS[0].copy()
    broken[[0, 5, 9]] = np.nan
    hidden = SKELETONS[2].copy()
    hidden[:, 2] = 0.01
    poses = match_skeletons(BOXES, np.stack([broken, hidden]))
    assert np.isfinite(poses.keypoints).all()
    np.testing.assert_array_equal(poses.keypoints[0, 5], 0)
    np.testing.assert_array_equal(poses.keypoints[0, 6], SKELETONS[0, 6])
    assert poses.keypoints[2].max() == 0
    assert len(poses.spare_keypoints) == 0


def test_the_target_fills_the_box_with_the_head_on_top() -> None:
    box = box_of(50, 20, 100)
    beside = standing(64, 24, 96)
    child_in_front = standing(48, 70, 48)
    assert choose_target(box, np.stack([beside, child_in_front, SKELETONS[0]])) == 2
    assert choose_target(box, np.stack([child_in_front, beside])) == 1
    assert choose_target(box, SKELETONS[[2, 3]]) == -1


def test_a_cut_off_person_is_still_the_target() -> None:
    upper = SKELETONS[0].copy()
    upper[11:, 2] = 0
    crouching = standing(56, 55, 40)
    box = np.array([30, 20, 70, 75], np.float32)
    assert choose_target(box, np.stack([crouching, upper])) == 1


def test_scores_stay_within_bounds_and_fall_with_distance() -> None:
    scores = skeleton_scores(BOXES, SKELETONS)
    assert scores.min() >= 0
    assert scores.max() <= 1
    assert (scores.argmax(axis=1) == np.arange(4)).all()
    moved = [skeleton_scores(BOXES[:1], standing(50 + step, 20, 100)[None])[0, 0] for step in (0, 5, 10, 60)]
    assert moved == sorted(moved, reverse=True)
    assert moved[-1] == 0


def test_negatives_are_the_others_that_show_in_the_box() -> None:
    spare = np.stack([standing(200, 60, 90), standing(500, 0, 50)])
    negatives, counts = negatives_for(BOXES, SKELETONS, spare)
    assert counts.tolist() == [1, 1, 1, 0]
    np.testing.assert_array_equal(negatives[0, 0], SKELETONS[1])
    np.testing.assert_array_equal(negatives[1, 0], SKELETONS[0])
    np.testing.assert_array_equal(negatives[2, 0], spare[0])
    np.testing.assert_array_equal(negatives[3], 0)


def test_a_person_found_twice_is_no_negative_of_itself() -> None:
    twin = SKELETONS[0] + np.float32([0.5, -0.5, 0])
    _, counts = negatives_for(BOXES[:1], SKELETONS[:1], np.stack([twin, SKELETONS[1]]))
    assert counts.tolist() == [1]


@settings(max_examples=50)
@given(st.integers(0, 2**32 - 1))
def test_negatives_agree_with_the_plain_definition(seed: int) -> None:
    rng = np.random.default_rng(seed)
    keypoints = np.concatenate([rng.uniform(0, 100, (3, 17, 2)), rng.uniform(0, 0.2, (3, 17, 1))], axis=2)
    spare = np.concatenate([rng.uniform(0, 100, (2, 17, 2)), rng.uniform(0, 0.2, (2, 17, 1))], axis=2)
    corners = rng.uniform(0, 100, (3, 2, 2))
    boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1).astype(np.float32)
    everyone = np.concatenate([keypoints, spare]).astype(np.float32)
    negatives, counts = negatives_for(boxes, everyone[:3], everyone[3:], 0.1)
    for row in range(3):
        expected = [
            skeleton
            for index, skeleton in enumerate(everyone)
            if index != row
            and any(
                point[2] > np.float32(0.1)
                and boxes[row, 0] <= point[0] <= boxes[row, 2]
                and boxes[row, 1] <= point[1] <= boxes[row, 3]
                for point in skeleton
            )
        ]
        assert counts[row] == len(expected)
        np.testing.assert_array_equal(negatives[row, : counts[row]], np.reshape(expected, (-1, 17, 3)))
        assert not negatives[row, counts[row] :].any()


def test_person_boxes_hold_their_keypoints() -> None:
    boxes = person_boxes(SKELETONS, 0.05)
    assert (boxes[:, None, :2] <= SKELETONS[..., :2]).all()
    assert (boxes[:, None, 2:] >= SKELETONS[..., :2]).all()
    np.testing.assert_array_equal(person_boxes(np.zeros((1, 17, 3), np.float32), 0.05), 0)
