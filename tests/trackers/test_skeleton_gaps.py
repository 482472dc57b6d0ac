"""Skeletons between two that were seen."""

import numpy as np

from data.records import FloatArray
from trackers.skeleton_gaps import bridge_skeletons

_TIMES = np.arange(5) / 10


def _boxes(left: list[float]) -> FloatArray:
    """20 px wide and 50 px tall."""
    x = np.array(left, np.float32)
    return np.stack([x, 0 * x, x + 20, 0 * x + 50], axis=1)


def _seen(first: float, last: float, sure: float = 0.9) -> FloatArray:
    """Five rows; every joint at x px in the first and the last, at y = 10 px."""
    points = np.zeros((5, 17, 3), np.float32)
    points[0], points[4] = (first, 10, sure), (last, 10, 0.5)
    return points


def test_joints_go_with_the_box_and_not_on_a_line() -> None:
    """Somebody who turns back: box and joints are 80 px to the right in the middle, not where the line says."""
    boxes = _boxes([0, 40, 80, 40, 0])
    points, made = bridge_skeletons(_seen(4, 8), boxes, _TIMES, np.zeros(5, int), 1.0, np.ones(5, bool))
    np.testing.assert_allclose(points[:, 0, 0], [4, 45, 86, 47, 8], atol=1e-4)
    assert made.tolist() == [False, True, True, True, False]
    np.testing.assert_allclose(points[1:4, :, 2], 0.5)


def test_joints_grow_with_the_box() -> None:
    boxes = np.array([[0, 0, 10, 20], [0, 0, 20, 40], [0, 0, 10, 20]], np.float32)
    seen = np.zeros((3, 17, 3), np.float32)
    seen[[0, 2]] = (5, 10, 0.9)
    points, _ = bridge_skeletons(seen, boxes, _TIMES[:3], np.zeros(3, int), 1.0, np.ones(3, bool))
    np.testing.assert_allclose(points[1, 0], [10, 20, 0.9], atol=1e-5)


def test_nothing_is_given_across_people_or_over_a_long_gap_or_unasked() -> None:
    boxes, seen = _boxes([0] * 5), _seen(4, 8)
    for whose, gap_s, wanted in (([0, 0, 0, 1, 1], 1.0, [True] * 5), ([0] * 5, 0.3, [True] * 5), ([0] * 5, 1, [0] * 5)):
        points, made = bridge_skeletons(seen, boxes, _TIMES, np.array(whose), gap_s, np.array(wanted, bool))
        assert not made.any()
        np.testing.assert_array_equal(points, seen)


def test_a_person_between_two_rows_of_another_gets_none_of_theirs() -> None:
    points, made = bridge_skeletons(
        _seen(4, 8), _boxes([0] * 5), _TIMES, np.array([0, 0, 1, 0, 0]), 1.0, np.ones(5, bool)
    )
    assert made.tolist() == [False, True, False, True, False]
    assert not points[2].any()


def test_a_joint_that_one_of_the_two_lacks_is_not_there() -> None:
    seen = _seen(4, 8)
    seen[4, 3] = 0
    points, _ = bridge_skeletons(seen, _boxes([0] * 5), _TIMES, np.zeros(5, int), 1.0, np.ones(5, bool))
    assert not points[1:4, 3].any()
    assert (points[1:4, 4, 2] > 0).all()
    assert points[0, 3, 2] > 0, "the one that shows it keeps it"


def test_before_the_first_and_after_the_last_there_is_none() -> None:
    seen = np.zeros((3, 17, 3), np.float32)
    seen[1] = (5, 10, 0.9)
    _, made = bridge_skeletons(seen, _boxes([0] * 3), _TIMES[:3], np.zeros(3, int), 1.0, np.ones(3, bool))
    assert not made.any()
    none, _ = bridge_skeletons(seen[:0], _boxes([]), _TIMES[:0], np.zeros(0, int), 1.0, np.ones(0, bool))
    assert none.shape == (0, 17, 3)
