"""COCO figures of detections and skeletons."""

import sys
from pathlib import Path

import numpy as np
import pytest

from data.errors import UserError
from data.records import Detections, Image, Poses
from pipeline.evaluation.perception import Truth, score, score_perceiver, site_frames

_BOXES = np.array([[10, 10, 50, 110], [100, 20, 140, 140], [60, 5, 80, 60]], np.float32)
_SEEN = np.array([1.0, 0.8, 0.1], np.float32)


def _truth(boxes: np.ndarray = _BOXES) -> Truth:
    """The third person is hardly seen."""
    share = np.linspace(0.1, 0.9, 17, dtype=np.float32)
    points = np.stack(
        [np.column_stack([x1 + (x2 - x1) * share, y1 + (y2 - y1) * share, np.ones(17)]) for x1, y1, x2, y2 in boxes]
    )
    return Truth(boxes, points.astype(np.float32), _SEEN)


def _found(truth: Truth, rows: list[int], shift: float = 0.0) -> tuple[Detections, Poses]:
    points = truth.keypoints[rows].copy()
    points[..., :2] += shift
    scores = np.linspace(0.9, 0.5, len(rows), dtype=np.float32)
    return (
        Detections(truth.boxes[rows], scores, np.zeros(len(rows), np.int64)),
        Poses(points, Poses.empty().spare_keypoints),
    )


def test_perfect_answers_score_one_and_the_hardly_seen_do_not_count() -> None:
    truth = _truth()
    for rows in ([0, 1], [0, 1, 2], [2, 0, 1]):
        scores = score([truth], [_found(truth, rows)])
        assert (scores.pictures, scores.people) == (1, 2)
        assert (scores.box_ap, scores.box_ap50, scores.pose_ap, scores.pose_ap50) == pytest.approx((1, 1, 1, 1))


def test_a_missed_person_and_shifted_skeletons_cost() -> None:
    truth = _truth()
    one = score([truth], [_found(truth, [0])])
    assert one.box_ap == pytest.approx(0.5, abs=0.01)
    shifted = score([truth], [_found(truth, [0, 1], shift=30.0)])
    assert shifted.box_ap == pytest.approx(1)
    assert shifted.pose_ap50 < 0.1


def test_boxes_alone_have_no_pose_figures_and_an_empty_picture_has_none() -> None:
    truth = _truth()
    boxes, _ = _found(truth, [0, 1])
    scores = score([truth], [(boxes, None)])
    assert scores.box_ap == pytest.approx(1)
    assert scores.pose_ap == scores.pose_ap50 == -1
    nothing = score([truth], [(Detections.empty(), Poses.empty())])
    assert (nothing.box_ap, nothing.pose_ap) == (0, 0)
    nobody = Truth(_BOXES[:0], truth.keypoints[:0], _SEEN[:0])
    assert score([nobody], [_found(truth, [0])]).box_ap == -1


def test_without_pycocotools_nothing_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pycocotools.coco", None)

    def never(images: list[Image]) -> list[tuple[Detections, Poses | None]]:
        raise AssertionError

    with pytest.raises(UserError, match="pip install pycocotools"):
        score_perceiver(never, [(_truth(), np.zeros((150, 150, 3), np.uint8))])


def test_a_folder_that_is_no_site_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no synthetic site"):
        next(site_frames(tmp_path, 5))
