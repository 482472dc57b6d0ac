"""The part of the ground that counts."""

import numpy as np

from data.records import DoubleArray
from trackers.group.bodies import Mask


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
