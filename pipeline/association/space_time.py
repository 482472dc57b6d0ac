"""Lags as a cue: what the time between two visits says, under a transition model."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.records import DoubleArray, IntArray
from pipeline.association.cue import Cue, CueInput
from pipeline.association.table import TrackletTable
from st_model.model import TransitionModel
from st_model.scores import arrival_rates_hz, llr

NAME = "space_time"

_BLOCK_CELLS = 1 << 20
_LIKELY_LAGS = 16


@dataclass(frozen=True, slots=True, eq=False)
class SpaceTime:
    """Lags of consecutive visits.

    Attributes:
        table: the tracklets.
        model: the transition model.
        number: (C,) the model's index of each camera, -1 = it does not know it.
        rate_hz: (C,) people that enter each camera per second.
        leaves: (C,) probability that nobody is seen anywhere after a visit there.
        comes_new: (C,) share of the visits there that no other visit went before.
        bound: largest log-likelihood ratio.
        fragment_s: gaps up to this in one camera are no return: motion judges them.
    """

    table: TrackletTable
    model: TransitionModel
    number: IntArray
    rate_hz: DoubleArray
    leaves: DoubleArray
    comes_new: DoubleArray
    bound: float
    fragment_s: float

    def speaks(self, a: IntArray, b: IntArray) -> NDArray[np.bool_]:
        """Whether the lag of each pair, earlier first, means anything.

        The model has to know the cameras, and they have common clocks and no common view, or are one camera that the
        person left for longer than fragments of one track are apart.
        """
        left, right = self.table.camera[a], self.table.camera[b]
        known = (self.number[left] >= 0) & (self.number[right] >= 0) & self.table.comparable(a, b)
        returns = (left == right) & (self.table.start_s[b] - self.table.end_s[a] > self.fragment_s)
        return known & (self.table.apart[left, right] | returns)

    def llr(self, a: IntArray, b: IntArray) -> DoubleArray:
        """Log-likelihood ratio of "b is the next visit of a's person", (E,); NaN where the lag means nothing.

        It holds the prior: density of that arrival against the rate at which people arrive there.
        """
        left, right = self.table.camera[a], self.table.camera[b]
        lag = np.maximum(self.table.lags_s(a, b), 0.0)
        score = llr(self.model, self.number[left], self.number[right], lag, self.rate_hz[right])
        return np.where(self.speaks(a, b), np.clip(score, -self.bound, self.bound), np.nan)

    def alone(self, source: IntArray, target: IntArray) -> DoubleArray:
        """Probability that the person of each source is not in the target's place because there is no such visit, (E,).

        Of the earlier tracklet of the two it is that of leaving for good, of the later that of coming new.
        """
        camera = self.table.camera[source]
        earlier = self.table.start_s[source] <= self.table.start_s[target]
        return np.where(earlier, self.leaves[camera], self.comes_new[camera])

    def orders(self, groups: Sequence[Sequence[int]]) -> DoubleArray:
        """Evidence of the order in time of each set of rows as one person's visits: sum over consecutive visits, (K,).

        Visits follow one another within a time line only.
        """
        rows = np.array([row for group in groups for row in group], np.int64)
        owner = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
        table = self.table
        order = np.lexsort((rows, table.end_s[rows], table.start_s[rows], table.domain[rows], owner))
        rows, owner = rows[order], owner[order]
        near = (owner[:-1] == owner[1:]) & (table.domain[rows[:-1]] == table.domain[rows[1:]])
        score = np.nan_to_num(self.llr(rows[:-1][near], rows[1:][near]))
        sums: DoubleArray = np.bincount(owner[:-1][near], score, len(groups)).astype(np.float64)
        return sums

    def likely(self, count: int) -> tuple[IntArray, IntArray]:
        """For each tracklet the ``count`` later ones its lag fits best, as pairs (earlier, later)."""
        table, total = self.table, len(self.table)
        found_a, found_b = [], []
        step = max(1, _BLOCK_CELLS // max(total, 1))
        for start in range(0, total, step):
            rows = np.arange(start, min(start + step, total))
            a, b = np.repeat(rows, total), np.tile(np.arange(total), len(rows))
            later = (table.start_s[b] > table.start_s[a]) & self.speaks(a, b)
            flat = np.full(len(a), -np.inf)
            flat[later] = self.llr(a[later], b[later])
            score = flat.reshape(len(rows), total)
            near = np.argsort(-score, axis=1, kind="stable")[:, :count]
            best = np.take_along_axis(score, near, axis=1)
            row, place = np.nonzero(best > -self.bound)
            found_a.append(rows[row])
            found_b.append(near[row, place])
        if not found_a:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        return np.concatenate(found_a), np.concatenate(found_b)


@dataclass(frozen=True, slots=True, eq=False)
class SpaceTimeSource:
    """Lags of these tracklets under a transition model."""

    lags: SpaceTime

    def propose(self) -> tuple[IntArray, IntArray]:
        """Each tracklet with the later ones its lag fits best."""
        return self.lags.likely(_LIKELY_LAGS)

    def measure(self, a: IntArray, b: IntArray) -> Cue:
        """What the lag of each pair says. It holds the prior, and it speaks of consecutive visits."""
        llr = self.lags.llr(*self.lags.table.earlier_first(a, b))
        nobody = self.lags.alone(np.concatenate([a, b]), np.concatenate([b, a]))
        return Cue(
            name=NAME,
            llr=llr,
            teaches=False,
            prior_odds=llr,
            holds_prior=True,
            nobody=np.where(np.isnan(np.tile(llr, 2)), np.nan, nobody),
            order=self.lags,
        )


def space_time_source(given: CueInput) -> SpaceTimeSource | None:
    """Prepare the transition model; None without one."""
    if given.transition is None:
        return None
    config = given.config
    return SpaceTimeSource(space_time(given.table, given.transition, config.space_time_bound, config.motion.max_gap_s))


def space_time(table: TrackletTable, model: TransitionModel, bound: float, fragment_s: float) -> SpaceTime:
    """Prepare a model for these tracklets; arrival rates are counted from them."""
    duration = np.ones(len(table.cameras))
    for domain in np.unique(table.domain):
        rows = table.domain == domain
        span = float(table.end_s[rows].max() - table.start_s[rows].min())
        duration[np.unique(table.camera[rows])] = max(span, 1.0)
    rates = arrival_rates_hz(table.camera, len(table.cameras), 1.0) / duration
    number = model.index(table.cameras) if table.cameras else np.zeros(0, np.int64)
    visits = model.evidence.visits
    new = (np.maximum(visits - model.next_counts.sum(axis=0), 0.0) + 0.5) / (visits + 1.0)
    return SpaceTime(
        table=table,
        model=model,
        number=number,
        rate_hz=rates,
        leaves=np.append(model.exit_probability, 1.0)[number],
        comes_new=np.append(new, 1.0)[number],
        bound=bound,
        fragment_s=fragment_s,
    )
