"""Stays: how soon sightings of one person follow one another within one visit to one camera.

A transition model counts from visit to visit, and gaps inside a visit are none. Where single sightings are compared, as
in retrieval, that leaves out what speaks most: who is seen twice in one camera within seconds is mostly one person.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from data.errors import UserError
from data.records import DoubleArray, IntArray
from st_model.counts import natural_order
from st_model.grid import LagGrid
from st_model.smoothing import choose_bandwidths, smooth_reflecting

_POOLING_EVENTS = 20.0
# Sightings without any later one that a camera is given beside its own: an unseen lag is rare, not impossible.
_PRIOR_EVENTS = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Stays:
    """Expected later sightings per second, by lag.

    Attributes:
        cameras: C names in natural order.
        grid: B bins of lags.
        rate_hz: (C, B) float64 sightings of the same person in the same visit per second, that lag after one of them.
        sightings: (C,) how many the camera had.
    """

    cameras: tuple[str, ...]
    grid: LagGrid
    rate_hz: DoubleArray
    sightings: IntArray

    def log_rate(self, camera: IntArray, lag_s: DoubleArray) -> DoubleArray:
        """Natural log of the rate per second, in the broadcast shape; -inf for unknown cameras (-1) and lags (NaN)."""
        which, lag = np.broadcast_arrays(camera, lag_s)
        bins = self.grid.index(lag)
        known = (which >= 0) & (bins >= 0) & (bins < self.grid.bins)
        result = np.full(which.shape, -np.inf)
        result[known] = np.log(self.rate_hz[which[known], bins[known]])
        return result


def learn_stays(
    identities: ArrayLike, cameras: list[str], times_s: DoubleArray, gap_s: float, grid: LagGrid | None = None
) -> Stays:
    """Count the lags between sightings of one visit, and smooth them.

    Args:
        identities: (N,) integers.
        cameras: N camera names.
        times_s: (N,) seconds, finite.
        gap_s: longest gap inside a visit, seconds.
        grid: bins of lags; None takes the default.

    Raises:
        UserError: when columns differ in length, a time is not finite, or the gap is negative.
    """
    if not gap_s >= 0:
        raise UserError(f"the longest gap inside a visit is 0 s or more, not {gap_s}")
    grid, who = grid or LagGrid(), np.asarray(identities)
    if not len(who) == len(cameras) == len(times_s):
        raise UserError(
            f"columns differ in length: {len(who)} identities, {len(cameras)} cameras, {len(times_s)} times"
        )
    if not np.isfinite(np.asarray(times_s, np.float64)).all():
        raise UserError("some sightings have no time; leave them out, stays are learnt from times alone")
    names = natural_order(cameras)
    number = {name: place for place, name in enumerate(names)}
    camera = np.array([number[name] for name in cameras], np.int64)
    order = np.lexsort((times_s, camera, who))
    who, camera, times = who[order], camera[order], np.asarray(times_s, np.float64)[order]
    new = np.ones(len(who), bool)
    new[1:] = (np.diff(who) != 0) | (np.diff(camera) != 0) | (np.diff(times) > gap_s * (1 + 1e-9))
    visit = np.cumsum(new)
    counts = np.zeros((len(names), grid.bins + 1))
    rows = np.arange(len(who))
    step = 1
    while len(rows):
        rows = rows[rows + step < len(who)]
        rows = rows[visit[rows] == visit[rows + step]]
        np.add.at(counts, (camera[rows], grid.index(times[rows + step] - times[rows])), 1.0)
        step += 1
    inside = counts[:, : grid.bins]
    smoothed = smooth_reflecting(inside, choose_bandwidths(inside, _POOLING_EVENTS))
    pooled = (smoothed.sum(axis=0) + 1.0 / grid.bins) / (smoothed.sum() + 1.0)
    sightings = np.bincount(camera, minlength=len(names))
    expected = (smoothed + _PRIOR_EVENTS * pooled) / (sightings[:, None] + _PRIOR_EVENTS)
    return Stays(names, grid, expected / np.diff(grid.edges_s), sightings)
