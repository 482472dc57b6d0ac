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
class LagCounts:
    """Soft counts of lags per ordered camera pair, sparse.

    Attributes:
        sources: (K,) int64 camera left.
        targets: (K,) int64 camera entered.
        bins: (K,) int64 lag bin, from 0, without upper limit.
        weights: (K,) float64 soft count, multiples of 2^-20.

    Rows are unique and sorted by (source, target, bin).
    """

    sources: IntArray
    targets: IntArray
    bins: IntArray
    weights: DoubleArray

    @staticmethod
    def collect(sources: IntArray, targets: IntArray, bins: IntArray, weights: DoubleArray) -> "LagCounts":
        """Sum rows of the same pair and bin; rows without weight vanish."""
        weights = quantise(weights)
        order = np.lexsort((bins, targets, sources))
        order = order[weights[order] != 0]
        columns = np.stack([sources[order], targets[order], bins[order]]).astype(np.int64)
        if not len(order):
            return LagCounts(columns[0], columns[1], columns[2], np.zeros(0))
        starts = np.flatnonzero(np.r_[True, (columns[:, 1:] != columns[:, :-1]).any(axis=0)])
        summed = np.add.reduceat(weights[order], starts)
        kept = columns[:, starts]
        return LagCounts(kept[0], kept[1], kept[2], summed)

    def dense(self, cameras: int, bins: int) -> DoubleArray:
        """(C, C, bins) float64 [from, to]; lags beyond the last bin are left out."""
        inside = self.bins < bins
        flat = (self.sources[inside] * cameras + self.targets[inside]) * bins + self.bins[inside]
        table = np.bincount(flat, self.weights[inside], cameras * cameras * bins)
        return table.reshape(cameras, cameras, bins)

    def totals(self, cameras: int) -> DoubleArray:
        """(C, C) float64 [from, to]: soft counts over all lags."""
        flat = self.sources * cameras + self.targets
        return np.bincount(flat, self.weights, cameras * cameras).reshape(cameras, cameras)

    def renumbered(self, mapping: IntArray) -> "LagCounts":
        """Camera i becomes ``mapping[i]``."""
        return LagCounts.collect(mapping[self.sources], mapping[self.targets], self.bins, self.weights)


@dataclass(frozen=True, slots=True, eq=False)
class TransitionCounts:
    """All evidence from one or more recordings.

    Attributes:
        cameras: names in natural order.
        bin_s: bin width in seconds.
        next: lags from leaving a camera to entering the next one, consecutive visits of one person.
        any: the same for every pair of visits of one person, earlier to later.
        visits: (C,) soft number of visits.
        exits: (C,) soft number of visits after which the person was not seen again.
        overlaps: (C, C) soft number of consecutive visits whose lag is negative: the person is in both views at once.
            They speak of co-visibility and are in neither table.
    """

    cameras: tuple[str, ...]
    bin_s: float
    next: LagCounts
    any: LagCounts
    visits: DoubleArray
    exits: DoubleArray
    overlaps: DoubleArray

    def placed(self, cameras: tuple[str, ...]) -> "TransitionCounts":
        """The same evidence over a superset of the cameras."""
        if cameras == self.cameras:
            return self
        mapping = np.array([cameras.index(name) for name in self.cameras], np.int64)
        visits, exits = np.zeros(len(cameras)), np.zeros(len(cameras))
        visits[mapping], exits[mapping] = self.visits, self.exits
        overlaps = np.zeros((len(cameras), len(cameras)))
        overlaps[np.ix_(mapping, mapping)] = self.overlaps
        next_, any_ = self.next.renumbered(mapping), self.any.renumbered(mapping)
        return TransitionCounts(cameras, self.bin_s, next_, any_, visits, exits, overlaps)

    def scaled(self, factor: float) -> "TransitionCounts":
        """Every soft count times a factor: older or foreign evidence as a prior."""

        def lags(counts: LagCounts) -> LagCounts:
            return LagCounts.collect(counts.sources, counts.targets, counts.bins, counts.weights * factor)

        visits, exits, overlaps = (quantise(a * factor) for a in (self.visits, self.exits, self.overlaps))
        return TransitionCounts(self.cameras, self.bin_s, lags(self.next), lags(self.any), visits, exits, overlaps)


def add_counts(a: TransitionCounts, b: TransitionCounts) -> TransitionCounts:
    """Evidence of two recordings of different people, or of disjoint sets of people.

    Raises:
        UserError: when the bin widths differ.
    """
    if a.bin_s != b.bin_s:
        raise UserError(
            f"transition counts with bins of {a.bin_s:g} s and {b.bin_s:g} s cannot be added; build both with one bin_s"
        )
    cameras = natural_order(a.cameras + b.cameras)
    left, right = a.placed(cameras), b.placed(cameras)

    def lags(x: LagCounts, y: LagCounts) -> LagCounts:
        return LagCounts.collect(
            np.concatenate([x.sources, y.sources]),
            np.concatenate([x.targets, y.targets]),
            np.concatenate([x.bins, y.bins]),
            np.concatenate([x.weights, y.weights]),
        )

    return TransitionCounts(
        cameras,
        a.bin_s,
        lags(left.next, right.next),
        lags(left.any, right.any),
        left.visits + right.visits,
        left.exits + right.exits,
        left.overlaps + right.overlaps,
    )
