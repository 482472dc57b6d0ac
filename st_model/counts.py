"""The additive evidence a transition model rests on: soft counts of lags between visits.

Everything a ``TransitionModel`` says is a function of these counts, so that merging two models is adding their counts,
and gives exactly the model that one build over all visits would have given.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.errors import UserError
from data.records import DoubleArray, IntArray
from st_model.grid import LagGrid

_QUANTUM = 2.0**-20


def natural_order(names: Sequence[str]) -> tuple[str, ...]:
    """Distinct names with numbers in numeric order: cam2 before cam10."""

    def key(name: str) -> list[tuple[int, int, str]]:
        parts = re.split(r"(\d+)", name)
        return [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in parts]

    return tuple(sorted(sorted(set(names)), key=key))


def quantise(weights: NDArray[np.floating]) -> DoubleArray:
    """Round weights to multiples of 2^-20, so that their float64 sums are exact in any order."""
    rounded: DoubleArray = np.round(np.asarray(weights, np.float64) / _QUANTUM) * _QUANTUM
    return rounded


@dataclass(frozen=True, slots=True, eq=False)
class TransitionCounts:
    """All evidence from one or more recordings.

    Attributes:
        cameras: C names in natural order.
        grid: the B bins of lags.
        next: (C, C, B + 1) float64 [from, to]: soft counts of lags from leaving a camera to entering the next one,
            consecutive visits of one person; the last column counts lags beyond the grid.
        any: (C, C, B + 1) the same for every pair of visits of one person, earlier to later.
        visits: (C,) soft number of visits.
        exits: (C,) soft number of visits after which the person was not seen again.
        overlaps: (C, C) soft number of consecutive visits whose lag is negative: the person is in both views at once.
            They speak of co-visibility and are in neither table.
        walks: (C, C, 8, 8) moments of the walks between consecutive visits whose passages are known (``walks``).
        gap_s: gaps up to this in one camera were joined into one visit, seconds: of such lags the tables know nothing.

    All counts are multiples of 2^-20.
    """

    cameras: tuple[str, ...]
    grid: LagGrid
    next: DoubleArray
    any: DoubleArray
    visits: DoubleArray
    exits: DoubleArray
    overlaps: DoubleArray
    walks: DoubleArray
    gap_s: float = 0.0

    def placed(self, cameras: tuple[str, ...]) -> "TransitionCounts":
        """The same evidence over a superset of the cameras."""
        if cameras == self.cameras:
            return self
        place = np.array([cameras.index(name) for name in self.cameras], np.int64)
        count, pairs = len(cameras), np.ix_(place, place)

        def spread(values: DoubleArray) -> DoubleArray:
            result = np.zeros((count, count, *values.shape[2:]))
            result[pairs] = values
            return result

        visits, exits = np.zeros(count), np.zeros(count)
        visits[place], exits[place] = self.visits, self.exits
        pairs_of = (self.next, self.any, self.overlaps, self.walks)
        next_, any_, overlaps, walks = (spread(values) for values in pairs_of)
        return TransitionCounts(cameras, self.grid, next_, any_, visits, exits, overlaps, walks, self.gap_s)

    def scaled(self, factor: float) -> "TransitionCounts":
        """Every soft count times a factor: older or foreign evidence as a prior."""
        columns = (self.next, self.any, self.visits, self.exits, self.overlaps, self.walks)
        next_, any_, visits, exits, overlaps, walks = (quantise(column * factor) for column in columns)
        return TransitionCounts(self.cameras, self.grid, next_, any_, visits, exits, overlaps, walks, self.gap_s)


def add_counts(a: TransitionCounts, b: TransitionCounts) -> TransitionCounts:
    """Evidence of two recordings of different people, or of disjoint sets of people.

    Raises:
        UserError: when the grids differ.
    """
    if a.grid != b.grid:
        raise UserError(f"transition counts on different lag bins cannot be added: {a.grid} and {b.grid}")
    cameras = natural_order(a.cameras + b.cameras)
    x, y = a.placed(cameras), b.placed(cameras)
    return TransitionCounts(
        cameras,
        a.grid,
        x.next + y.next,
        x.any + y.any,
        x.visits + y.visits,
        x.exits + y.exits,
        x.overlaps + y.overlaps,
        x.walks + y.walks,
        max(x.gap_s, y.gap_s),
    )


def count_cameras(cameras: IntArray, weights: DoubleArray, count: int) -> DoubleArray:
    """(C,) float64 soft number of rows per camera."""
    return np.bincount(cameras, quantise(weights), count).astype(np.float64)


def count_lags(
    sources: IntArray, targets: IntArray, lags_s: DoubleArray, weights: DoubleArray, cameras: int, grid: LagGrid
) -> tuple[DoubleArray, DoubleArray]:
    """Count lags per ordered camera pair.

    Args:
        sources: (K,) camera left.
        targets: (K,) camera entered.
        lags_s: (K,) seconds.
        weights: (K,) soft counts.
        cameras: C.
        grid: B bins.

    Returns:
        (C, C, B + 1) soft counts, and (C, C) soft counts of negative lags (both views at once).
    """
    width = grid.bins + 2
    flat = (sources * cameras + targets) * width + grid.index(lags_s) + 1
    # Of no rows bincount makes whole numbers, whatever the weights.
    table = np.bincount(flat, quantise(weights), cameras * cameras * width).astype(np.float64)
    table = table.reshape(cameras, cameras, width)
    return np.ascontiguousarray(table[..., 1:]), np.ascontiguousarray(table[..., 0])
