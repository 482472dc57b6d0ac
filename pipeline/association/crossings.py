"""Instants at which a track may have passed from one person to another: somebody covered it, or it was not seen."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data.kernels.boxes import row_ious
from data.records import DoubleArray, FloatArray, IntArray, Tracklet, foot_points


@dataclass(frozen=True, slots=True, eq=False)
class CameraRows:
    """The R rows of all tracklets of one camera, by time.

    Attributes:
        tracklet: (R,) position of the tracklet in the list it was made from.
        row: (R,) row of that tracklet.
        frames: (R,) frame index.
        times_s: (R,) source seconds, rising.
        boxes: (R, 4) xyxy px.
    """

    tracklet: IntArray
    row: IntArray
    frames: IntArray
    times_s: DoubleArray
    boxes: FloatArray

    @staticmethod
    def of(tracklets: Sequence[Tracklet], members: Sequence[int]) -> "CameraRows":
        """Rows of the tracklets at these positions, all of one camera."""
        lengths = [len(tracklets[number]) for number in members]
        frames = np.concatenate([tracklets[number].frames for number in members])
        order = np.argsort(frames, kind="stable")
        return CameraRows(
            np.repeat(np.asarray(members, np.int64), lengths)[order],
            np.concatenate([np.arange(length) for length in lengths])[order],
            frames[order],
            np.concatenate([tracklets[number].times_s for number in members])[order],
            np.concatenate([tracklets[number].boxes for number in members])[order],
        )

    def overlap(self) -> dict[int, FloatArray]:
        """By tracklet, for each of its rows the largest IoU with another box of the frame."""
        result = np.zeros(len(self.frames), np.float32)
        crowd = int(np.unique(self.frames, return_counts=True)[1].max(initial=0))
        for step in range(1, crowd):
            together = np.flatnonzero(self.frames[step:] == self.frames[:-step])
            shared = row_ious(self.boxes[together], self.boxes[together + step])
            np.maximum.at(result, together, shared)
            np.maximum.at(result, together + step, shared)
        order = np.lexsort((self.row, self.tracklet))
        names, starts = np.unique(self.tracklet[order], return_index=True)
        return dict(zip(names.tolist(), np.split(result[order], starts[1:])))

    def around(self, time_s: float, window_s: float) -> slice:
        """Rows within ``window_s`` of an instant."""
        low, high = np.searchsorted(self.times_s, [time_s - window_s, time_s + window_s])
        return slice(int(low), int(high))

    def passers(self, time_s: float, window_s: float, box: FloatArray, reach: float) -> IntArray:
        """Tracklets whose foot comes within ``reach`` box heights of that of ``box``, within ``window_s``; rising."""
        rows = self.around(time_s, window_s)
        away = np.linalg.norm(foot_points(self.boxes[rows]) - foot_points(box[None]), axis=1)
        return np.unique(self.tracklet[rows][away < reach * (box[3] - box[1])])


def crossings(tracklet: Tracklet, overlap: FloatArray, least_iou: float, gap_s: float) -> IntArray:
    """Rows of a tracklet that may be the first of another person.

    Args:
        tracklet: T rows.
        overlap: (T,) largest IoU with another tracklet's box.
        least_iou: from which a box may be taken for another's.
        gap_s: unseen for longer, anybody may have taken over, seconds.

    Returns:
        (K,) rows, rising, not 0: the worst of each stretch of overlap, and the first after each gap.
    """
    covered = np.concatenate([[False], overlap >= least_iou, [False]]).astype(np.int8)
    edges = np.flatnonzero(np.diff(covered))
    worst = [start + int(np.argmax(overlap[start:end])) for start, end in zip(edges[::2], edges[1::2])]
    after_gap = np.flatnonzero(np.diff(tracklet.times_s) > gap_s) + 1
    found = np.unique(np.concatenate([np.array(worst, np.int64), after_gap]))
    return found[found > 0]
