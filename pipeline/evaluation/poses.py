"""Skeletons against true ones: which joints lie on one another.

A joint is found where it lies within half a head of the true one. The similarity falls from 1 to 0 over that distance;
the head's size is 0.6 of the diagonal of the annotated head box. A joint is there when both coordinates are above 0.

Sources: Andriluka et al., "PoseTrack: A Benchmark for Human Pose Estimation and Tracking", CVPR 2018, section 4 (half a
head, 0.6 of the diagonal); Döring et al., "PoseTrack21", CVPR 2022, and its evaluation kit (similarity, 15 joints).
"""

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from data.records import DoubleArray, IntArray, Rows
from pipeline.evaluation.pairs import Pairs

JOINTS = (
    "nose",
    "head_bottom",
    "head_top",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
)
_EARS = (3, 4)
# Half a head, and the hair's breadth by which the published similarity is still above 0 there.
FOUND_HEADS, _ZERO_HEADS = 0.5, 0.5001
FOUND_SIMILARITY = 1 - FOUND_HEADS / _ZERO_HEADS
_HEAD_OF_DIAGONAL = 0.6


@dataclass(frozen=True, slots=True, eq=False)
class PoseTable:
    """Skeletons of one video, sorted by (frame, id).

    Attributes:
        frames: (N,) int64, from 0.
        ids: (N,) int64, which hold within the video.
        people: (N,) int64 ids that hold over all videos.
        joints: (N, 15, 2) float64 px in the order of ``JOINTS``; 0, 0 where a joint is not there.
        scores: (N, 15) float64 of the joints; 1 in a truth.
        heads: (N,) float64 px, size of the head; only that of a truth is used.
    """

    frames: IntArray
    ids: IntArray
    people: IntArray
    joints: DoubleArray
    scores: DoubleArray
    heads: DoubleArray

    def __len__(self) -> int:
        return len(self.frames)

    @staticmethod
    def make(
        frames: IntArray,
        ids: IntArray,
        keypoints: NDArray[np.floating],
        scores: DoubleArray | None = None,
        head_boxes: DoubleArray | None = None,
        people: IntArray | None = None,
    ) -> "PoseTable":
        """Sort rows by (frame, id) and leave out the ears, which PoseTrack does not annotate.

        Args:
            frames: (N,) from 0.
            ids: (N,), which hold within the video.
            keypoints: (N, 17, 3) x px, y px, score or flag, in the order of PoseTrack21.
            scores: (N, 17) of the joints; None takes the third column.
            head_boxes: (N, 4) left, top, width, height px; None where the rows are predictions.
            people: (N,) ids that hold over all videos; None: as ``ids``.
        """
        points = np.delete(np.asarray(keypoints, np.float64).reshape(-1, 17, 3), _EARS, axis=1)
        of_joints = points[..., 2] if scores is None else np.delete(np.asarray(scores, np.float64), _EARS, axis=1)
        sides = np.zeros((len(points), 2)) if head_boxes is None else np.asarray(head_boxes, np.float64)[:, 2:]
        order = np.lexsort((ids, frames))
        return PoseTable(
            np.asarray(frames, np.int64)[order],
            np.asarray(ids, np.int64)[order],
            np.asarray(ids if people is None else people, np.int64)[order],
            np.ascontiguousarray(points[order, :, :2]),
            of_joints[order],
            _HEAD_OF_DIAGONAL * np.hypot(sides[:, 0], sides[:, 1])[order],
        )

    @property
    def there(self) -> NDArray[np.bool_]:
        """(N, 15) which joints are there."""
        return np.asarray((self.joints > 0).all(axis=2))

    def select(self, rows: Rows) -> "PoseTable":
        """Keep some rows, given as rising indices or as a mask."""
        return PoseTable(**{column.name: getattr(self, column.name)[rows] for column in fields(self)})

    def without(self, joints: NDArray[np.bool_]) -> "PoseTable":
        """Take joints away, (N, 15), and people of whom none is left where some were taken."""
        places = np.where(joints[..., None], 0.0, self.joints)
        kept = replace(self, joints=places, scores=np.where(joints, 0.0, self.scores))
        return kept.select(np.asarray(kept.there.any(axis=1) | ~joints.any(axis=1)))


@dataclass(frozen=True, slots=True, eq=False)
class JointComparison:
    """What one joint of one video is scored from: the rows that have it.

    Attributes:
        truth: frames below ``length``.
        predictions: frames below ``length``.
        pairs: of these rows.
        length: number of frames.
    """

    truth: PoseTable
    predictions: PoseTable
    pairs: Pairs
    length: int


@dataclass(frozen=True, slots=True, eq=False)
class PoseComparison:
    """What one video is scored from.

    Attributes:
        truth: frames below ``length``.
        predictions: frames below ``length``.
        rows: (K, 2) int64, rows of truth and predictions of one frame, over all frames.
        heads: (K, 15) float64 distances in heads; infinite where either has no such joint.
        length: number of frames.
    """

    truth: PoseTable
    predictions: PoseTable
    rows: IntArray
    heads: DoubleArray
    length: int

    @staticmethod
    def of(truth: PoseTable, predictions: PoseTable, length: int) -> "PoseComparison":
        """Measure all pairs of skeletons of one frame."""
        first, stops = (np.searchsorted(predictions.frames, truth.frames, side) for side in ("left", "right"))
        partners = stops - first
        of_truth = np.repeat(np.arange(len(truth)), partners)
        before = np.cumsum(partners) - partners
        of_predictions = np.arange(len(of_truth)) + np.repeat(first - before, partners)
        offset = truth.joints[of_truth] - predictions.joints[of_predictions]
        distance = np.hypot(offset[..., 0], offset[..., 1])
        heads = np.full(distance.shape, np.inf)
        size = truth.heads[of_truth, None]
        both = truth.there[of_truth] & predictions.there[of_predictions] & (size > 0)
        np.divide(distance, size, out=heads, where=both)
        return PoseComparison(truth, predictions, np.stack([of_truth, of_predictions], axis=1), heads, length)

    def joint(self, number: int) -> JointComparison:
        """One joint, by its number in ``JOINTS``."""
        has, had = self.truth.there[:, number], self.predictions.there[:, number]
        similarity = np.maximum(1 - self.heads[:, number] / _ZERO_HEADS, 0.0)
        near = similarity > 0
        a, b = self.rows[near].T
        pairs = Pairs((np.cumsum(has) - 1)[a], (np.cumsum(had) - 1)[b], similarity[near])
        return JointComparison(self.truth.select(has), self.predictions.select(had), pairs, self.length)


def join_poses(parts: list[PoseComparison]) -> PoseComparison:
    """Put videos one after the other in time; ids are then those of people, which hold over all of them."""
    starts = np.cumsum([0, *(part.length for part in parts)])
    sizes = np.cumsum([[0, 0], *([len(part.truth), len(part.predictions)] for part in parts)], axis=0)
    return PoseComparison(
        _concatenate([part.truth for part in parts], starts),
        _concatenate([part.predictions for part in parts], starts),
        np.concatenate([part.rows + size for part, size in zip(parts, sizes)]),
        np.concatenate([part.heads for part in parts]),
        int(starts[-1]),
    )


def _concatenate(tables: list[PoseTable], starts: IntArray) -> PoseTable:
    return PoseTable(
        np.concatenate([table.frames + start for table, start in zip(tables, starts)]),
        np.concatenate([table.people for table in tables]),
        np.concatenate([table.people for table in tables]),
        np.concatenate([table.joints for table in tables]),
        np.concatenate([table.scores for table in tables]),
        np.concatenate([table.heads for table in tables]),
    )
