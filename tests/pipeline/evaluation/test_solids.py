"""Overlap of upright boxes in the world: cases worked out by hand, and a grid of points for the rest."""

import numpy as np
import pytest

from data.formats.solids import SolidTable
from pipeline.evaluation.solids import SolidComparison, solid_iou

UNIT = np.array([[0.0, 0, 0, 1, 1, 1, 0]])


@pytest.mark.parametrize(
    ("other", "iou"),
    [
        ((0, 0, 0, 1, 1, 1, 0), 1.0),
        ((0, 0, 0, 1, 1, 1, np.pi / 2), 1.0),
        ((0.5, 0, 0, 1, 1, 1, 0), 1 / 3),
        ((0, 0, 0.5, 1, 1, 1, 0), 1 / 3),
        # The octagon two squares share at 45 degrees has the area 2 (sqrt 2 - 1).
        ((0, 0, 0, 1, 1, 1, np.pi / 4), 1 / np.sqrt(2)),
        ((0, 0, 0, 2, 2, 2, 0.3), 1 / 8),
        ((1, 0, 0, 1, 1, 1, 0), 0.0),
        ((0, 0, 1, 1, 1, 1, 0), 0.0),
        ((5, 0, 0, 1, 1, 1, 0.2), 0.0),
    ],
)
def test_cases_by_hand(other: tuple[float, ...], iou: float) -> None:
    for shift in (0.0, 5000.0):
        moved = np.array([shift, -shift, 0, 0, 0, 0, 0])
        found = solid_iou(UNIT + moved, np.array([other], float) + moved)
        assert found == pytest.approx(iou, abs=1e-9), "far from the origin too"


def test_width_lies_along_the_boxes_own_x() -> None:
    long = np.array([[0.0, 0, 0, 4, 1, 1, 0]])
    assert solid_iou(long, np.array([[1.5, 0, 0, 1, 1, 1, 0]])) == pytest.approx(1 / 4)
    assert solid_iou(long, np.array([[0, 1.5, 0, 1, 1, 1, 0]])) == 0
    turned = np.array([[0.0, 0, 0, 4, 1, 1, np.pi / 2]])
    assert solid_iou(turned, np.array([[0, 1.5, 0, 1, 1, 1, 0]])) == pytest.approx(1 / 4)


def test_any_boxes_overlap_as_points_say() -> None:
    rng = np.random.default_rng(0)

    def boxes() -> np.ndarray:
        return np.column_stack(
            [
                rng.uniform(-1, 1, (30, 2)),
                np.zeros(30),
                rng.uniform(0.5, 2, (30, 2)),
                np.ones(30),
                rng.uniform(-4, 4, 30),
            ]
        )

    def inside(box: np.ndarray) -> np.ndarray:
        offset, cos, sin = grid - box[:2], np.cos(box[6]), np.sin(box[6])
        return (np.abs(offset @ [cos, sin]) <= box[3] / 2) & (np.abs(offset @ [-sin, cos]) <= box[4] / 2)

    axis = np.linspace(-3, 3, 400)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    a, b = boxes(), boxes()
    expected = [(inside(x) & inside(y)).sum() / (inside(x) | inside(y)).sum() for x, y in zip(a, b, strict=True)]
    assert max(expected) > 0.4
    assert solid_iou(a, b) == pytest.approx(expected, abs=5e-3)


def test_only_boxes_of_one_frame_are_compared() -> None:
    frames, ids = np.array([0, 0, 2]), np.array([1, 2, 1])
    boxes = np.repeat(UNIT, 3, axis=0)
    boxes[1, 0] = 30
    truth = SolidTable.make(frames, ids, np.zeros(3, int), boxes)
    found = SolidTable.make(np.array([0, 1, 2]), np.array([7, 7, 7]), np.zeros(3, int), np.repeat(UNIT, 3, axis=0))
    pairs = SolidComparison.of(truth, found, 3).pairs
    assert (pairs.truth.tolist(), pairs.prediction.tolist(), pairs.similarity.tolist()) == ([0, 2], [0, 2], [1, 1])
