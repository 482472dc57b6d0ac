"""Passages: where people come into a view, where they leave it, and how fast they walk."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.records import DoubleArray, FloatArray, Rows, foot_points

_WINDOW_S = 1.0
_SHORTEST_S = 0.3
# Quarter of the windows in which a person walks fastest begins here: halts are no part of the walking speed.
_QUANTILE = 0.75
_SLOWEST = 0.02


@dataclass(frozen=True, slots=True, eq=False)
class Passages:
    """One row per visit; NaN where something is not known.

    Attributes:
        enter: (V, 2) float64 foot point where the visit begins, in shares of the picture's width and height.
        leave: (V, 2) float64 where it ends.
        log_pace: (V,) float64 natural log of the walking speed in body heights per second: a measure that the size of
            the picture does not change, and about the same for one person in any view.
    """

    enter: DoubleArray
    leave: DoubleArray
    log_pace: DoubleArray

    def __len__(self) -> int:
        return len(self.log_pace)

    @staticmethod
    def unknown(count: int) -> "Passages":
        """Visits of which only the times are known."""
        return Passages(np.full((count, 2), np.nan), np.full((count, 2), np.nan), np.full(count, np.nan))

    @staticmethod
    def of(rows: "Sequence[Passages]") -> "Passages":
        """Rows of several, one after the other."""
        if not rows:
            return Passages.unknown(0)
        return Passages(*(np.concatenate([getattr(row, name) for row in rows]) for name in Passages.__slots__))

    @property
    def known(self) -> NDArray[np.bool_]:
        """(V,) rows of which all is known."""
        found: NDArray[np.bool_] = np.isfinite(self.log_pace)
        for points in (self.enter, self.leave):
            found = found & np.isfinite(points).all(axis=1)
        return found

    @property
    def entering(self) -> DoubleArray:
        """(V, 3) where a visit begins, and the log pace."""
        return np.column_stack([self.enter, self.log_pace])

    @property
    def leaving(self) -> DoubleArray:
        """(V, 3) where a visit ends, and the log pace."""
        return np.column_stack([self.leave, self.log_pace])

    def select(self, rows: Rows) -> "Passages":
        """Keep some rows, given as indices or as a mask."""
        return Passages(self.enter[rows], self.leave[rows], self.log_pace[rows])


def passage(times_s: DoubleArray, boxes: FloatArray | DoubleArray, frame_size: tuple[int, int]) -> Passages:
    """Passage of one track, one row.

    The pace is the upper quartile of the foot point's displacement over one second, in median box heights per second;
    of a track shorter than that its whole displacement.

    Args:
        times_s: (T,) rising, T > 0.
        boxes: (T, 4) xyxy px.
        frame_size: (width, height) px; (0, 0) where unknown, and then all is unknown: positions in pixels mean nothing
            to another recording.
    """
    if min(frame_size) <= 0:
        return Passages.unknown(1)
    feet = foot_points(np.asarray(boxes, np.float32)).astype(np.float64)
    height = max(float(np.median(boxes[:, 3] - boxes[:, 1])), 1.0)
    ends = np.searchsorted(times_s, times_s + _WINDOW_S)
    starts = np.flatnonzero(ends < len(times_s))
    ends = ends[starts]
    if not len(starts) and times_s[-1] - times_s[0] >= _SHORTEST_S:
        starts, ends = np.array([0]), np.array([len(times_s) - 1])
    shares = feet / np.array(frame_size, np.float64)
    if not len(starts):
        return Passages(shares[:1], shares[-1:], np.full(1, np.nan))
    speed = np.linalg.norm(feet[ends] - feet[starts], axis=1) / (times_s[ends] - times_s[starts]) / height
    pace = max(float(np.quantile(speed, _QUANTILE)), _SLOWEST)
    return Passages(shares[:1], shares[-1:], np.full(1, np.log(pace)))
