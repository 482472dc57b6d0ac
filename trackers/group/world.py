"""Settled places of people on the ground."""

from dataclasses import dataclass

import numpy as np

from data.records import DoubleArray, IntArray
from trackers.group.bodies import Mask


@dataclass(frozen=True, slots=True)
class WorldRows:
    """Settled places of people on the ground; row i of every column is the same person at the same instant.

    Attributes:
        time_s: (R,) float64 common time, rising.
        group_id: (R,) int64.
        xy: (R, 2) float64 metres.
        cov: (R, 2, 2) float64 square metres.
        height: (R,) float64 metres.
    """

    time_s: DoubleArray
    group_id: IntArray
    xy: DoubleArray
    cov: DoubleArray
    height: DoubleArray

    def __len__(self) -> int:
        return len(self.time_s)

    @staticmethod
    def empty() -> "WorldRows":
        """Nobody."""
        return WorldRows(np.zeros(0), np.zeros(0, np.int64), np.zeros((0, 2)), np.zeros((0, 2, 2)), np.zeros(0))

    def join(self, other: "WorldRows") -> "WorldRows":
        """These, then those."""
        return WorldRows(
            np.concatenate([self.time_s, other.time_s]),
            np.concatenate([self.group_id, other.group_id]),
            np.concatenate([self.xy, other.xy]),
            np.concatenate([self.cov, other.cov]),
            np.concatenate([self.height, other.height]),
        )


def inside(points: DoubleArray, area: DoubleArray | None) -> Mask:
    """Which points lie in a polygon: (N, 2), (K, 2) corners in order -> (N,); all of them for None.

    Crossings of a ray to the right are counted (even-odd rule).
    """
    if area is None:
        return np.ones(len(points), bool)
    after = np.roll(area, -1, axis=0)
    low, high = area[:, 1], after[:, 1]
    spans = (low[None] > points[:, 1:]) != (high[None] > points[:, 1:])
    rise = np.where(high == low, 1.0, high - low)
    across = area[:, 0] + (points[:, 1:] - low) / rise * (after[:, 0] - area[:, 0])
    return np.asarray((spans & (points[:, :1] < across)).sum(axis=1) % 2 == 1)
