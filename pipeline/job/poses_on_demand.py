"""Skeletons of the people whose appearance is asked for, and of those around them: nobody else's prompt is used."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from data.kernels.boxes import coverage_matrix
from data.records import Detections, FloatArray, Poses
from data.runtime.stage_clock import StageClock
from pipeline.backends.base import PoseEstimator
from pipeline.folder.stages import Stage
from pipeline.input.perception import Perceived
from trackers.scope import Proposal


class PosesOnDemand:
    """Gives skeletons to views between a tracker's proposal and its decision."""

    def __init__(self, estimator: PoseEstimator, clock: StageClock) -> None:
        """Wrap an estimator.

        Args:
            estimator: looks into boxes; one that looks at whole pictures costs the same for one box as for all.
            clock: takes the timings.
        """
        self._estimator, self._clock = estimator, clock

    def __call__(
        self, instants: Sequence[Sequence[Perceived]], proposals: Sequence[Proposal]
    ) -> tuple[list[list[Perceived]], list[Proposal]]:
        """The same instants and proposals, their views with skeletons; rows that need none keep a zero one.

        Args:
            instants: what was perceived.
            proposals: of their trackers, in the same order; they say whose appearance is wanted.
        """
        items = [item for instant in instants for item in instant]
        wanted = [rows for proposal in proposals for rows in proposal.wanted]
        needed = [
            around(item.view.detections.boxes, rows) if item.image is not None else np.zeros(0, np.int64)
            for item, rows in zip(items, wanted, strict=True)
        ]
        asked = [number for number, rows in enumerate(needed) if len(rows)]
        images = [image for number in asked if (image := items[number].image) is not None]
        people = [_rows(items[number].view.detections, needed[number]) for number in asked]
        with self._clock.measure(Stage.POSE, sum(len(found) for found in people)):
            found = dict(zip(asked, self._estimator.estimate(images, people) if asked else [], strict=True))
        posed = iter(
            replace(item, view=replace(item.view, poses=_scattered(found.get(number), rows, len(item.view.detections))))
            for number, (item, rows) in enumerate(zip(items, needed, strict=True))
        )
        filled = [[next(posed) for _ in instant] for instant in instants]
        return filled, [
            replace(proposal, views=tuple(item.view for item in instant))
            for proposal, instant in zip(proposals, filled, strict=True)
        ]


def around(boxes: FloatArray, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Some rows and those whose boxes touch theirs: their skeletons may reach into what is described.

    Args:
        boxes: (N, 4) xyxy px.
        rows: (M,) of them.

    Returns:
        (K,) int64, rising.
    """
    if not len(rows):
        return rows
    near = np.zeros(len(boxes), np.bool_)
    near[rows] = True
    near |= (coverage_matrix(boxes[rows], boxes) > 0).any(axis=0)
    return np.flatnonzero(near)


def _rows(detections: Detections, rows: NDArray[np.int64]) -> Detections:
    return Detections(detections.boxes[rows], detections.scores[rows], detections.class_ids[rows])


def _scattered(poses: Poses | None, rows: NDArray[np.int64], count: int) -> Poses:
    keypoints = np.zeros((count, 17, 3), np.float32)
    if poses is None:
        return Poses(keypoints, np.zeros((0, 17, 3), np.float32))
    keypoints[rows] = poses.keypoints
    return Poses(keypoints, poses.spare_keypoints)
