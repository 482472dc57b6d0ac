"""Lags as a cue: what the time between two visits says, under a transition model.

Of a person seen in camera a, the model expects k_ab(lag) visits of camera b per second, that lag after leaving a; of
everybody, visits of b begin at the rate r_b of this run. So the odds that a given visit of b is one of that person's
are k_ab(lag) / r_b. How often people are seen again at all is left to the prior, which is learnt with the run
(``competition``): the model's own count of it, M_a expected visits per camera, is divided out. What stays is the
likelihood ratio of camera and lag, k_ab(lag) T / M_a over a recording of T seconds: their density among one person's
visits over that among anybody's, which is uniform. Every later visit counts, not only the next one (table ``any`` of
the model), so the ratio is one of pairs and adds to what other cues say of the pair.

Negative lags are visits that overlap in time: the person is in both views at once. How often that happens is a number
of each camera pair, counted like the transitions, against the visits of b that begin by chance while one of a lasts. So
views that overlap need not be declared.

With probability ``outlier`` a person's lag is none the model expects, the more so the fewer events the model rests on;
of a given model, the run says how often (``model_check``). So no lag excludes, and the ratio is bounded by what the
model has seen, not by a constant. Lags that a given model does not expect are those of people anywhere, who come back
sooner rather than later: even in log(1 + lag) up to the length of the recording; a share of them (``stray``) are none
of these either, and are like anybody's. So a model of another place says what is known of any place.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.records import DoubleArray, IntArray
from pipeline.association.config import SpaceTimeCueConfig
from pipeline.association.cue import Cue, CueInput
from pipeline.association.table import TrackletTable
from st_model.model import TransitionModel

NAME = "space_time"

_POOLING_VISITS = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class SpaceTime:
    """Lags of pairs of visits.

    Attributes:
        table: the tracklets.
        model: the transition model.
        number: (C,) the model's index of each camera, -1 = it does not know it.
        span_s: (C,) seconds the recording of each camera's time line lasts.
        visits: (C,) tracklets of each camera.
        later: (C,) expected later visits, anywhere, of the person of a visit.
        expected: (C,) expected visits per camera, earlier or later, by the person of a visit.
        overlapping: (C, C) expected visits of the second camera that begin while the visit of the first lasts.
        mean_s: (C,) mean length of a visit, seconds.
        outlier: (C, C) probability that a lag of one person, from camera to camera, is none that the model expects.
        stray: probability that such a lag is none of people anywhere either.
        fragment_s: gaps up to this in one camera are no return: motion judges them.
    """

    table: TrackletTable
    model: TransitionModel
    number: IntArray
    span_s: DoubleArray
    visits: IntArray
    later: DoubleArray
    expected: DoubleArray
    overlapping: DoubleArray
    mean_s: DoubleArray
    outlier: DoubleArray
    stray: float
    fragment_s: float

    def speaks(self, a: IntArray, b: IntArray) -> NDArray[np.bool_]:
        """Whether the lag of each pair, earlier first, means anything.

        The model has to know the cameras and their clocks have to be common; in one camera the person must have been
        away for longer than fragments of one track, or what the model took for one visit, are apart.
        """
        left, right = self.table.camera[a], self.table.camera[b]
        known = (self.number[left] >= 0) & (self.number[right] >= 0) & self.table.comparable(a, b)
        gap = self.table.start_s[b] - self.table.end_s[a]
        return known & ((left != right) | (gap > max(self.fragment_s, self.model.evidence.gap_s)))

    def log_ratio(self, a: IntArray, b: IntArray) -> DoubleArray:
        """Log-likelihood ratio of each lag, earlier first, if it is one the model expects, (E,); NaN = no evidence."""
        left, right = self.table.camera[a], self.table.camera[b]
        ratio = self._log_intensity(left, right, self.table.lags_s(a, b)) + np.log(self.span_s[right])
        return np.where(self.speaks(a, b), ratio - np.log(self.expected[left]), np.nan)

    def log_ratio_anywhere(self, a: IntArray, b: IntArray) -> DoubleArray:
        """The same if it is one of people anywhere, (E,): nothing is known of cameras, walks and common views."""
        lag_s, span_s = self.table.lags_s(a, b), self.span_s[self.table.camera[b]]
        unit_s = self.model.grid.linear_s
        ratio = np.log(span_s / (np.maximum(lag_s, 0.0) + unit_s)) - np.log(np.log1p(span_s / unit_s))
        return np.where(self.speaks(a, b), np.where(lag_s < 0, 0.0, ratio), np.nan)

    def log_ratio_unexpected(self, a: IntArray, b: IntArray) -> DoubleArray:
        """The same if it is none that the model expects, (E,)."""
        usual = self.log_ratio_anywhere(a, b)
        return np.where(np.isnan(usual), np.nan, np.log(self.stray + (1.0 - self.stray) * np.exp(usual)))

    def llr(self, a: IntArray, b: IntArray) -> DoubleArray:
        """Log-likelihood ratio of the lag of each pair, earlier first, (E,); NaN where it means nothing."""
        ratio, unexpected = self.log_ratio(a, b), self.log_ratio_unexpected(a, b)
        outlier = self.outlier[self.table.camera[a], self.table.camera[b]]
        speaks = np.isfinite(ratio)
        expected = np.log1p(-outlier) + np.where(speaks, ratio, 0.0)
        robust = np.logaddexp(expected, np.log(outlier) + np.where(speaks, unexpected, 0.0))
        return np.where(speaks, robust, np.nan)

    def odds(self, a: IntArray, b: IntArray) -> DoubleArray:
        """Log odds of each pair by camera and lag alone, (E,); -inf where they mean nothing."""
        left, right = self.table.camera[a], self.table.camera[b]
        found = self._log_intensity(left, right, self.table.lags_s(a, b)) + np.log(self.span_s[right])
        return np.where(self.speaks(a, b), found - np.log(np.maximum(self.visits[right], 1)), -np.inf)

    def likely(self, least: float, count: int) -> tuple[IntArray, IntArray]:
        """For each tracklet the ``count`` later ones its lag fits best, as pairs (earlier, later).

        Args:
            least: log odds a pair has to have by its lag.
            count: pairs per tracklet at most.
        """
        table = self.table
        found_a, found_b = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        members = [np.flatnonzero(table.camera == camera) for camera in range(len(table.cameras))]
        members = [rows[np.argsort(table.start_s[rows], kind="stable")] for rows in members]
        for left, sources in enumerate(members):
            rows_a, rows_b = [], []
            for right, targets in enumerate(members):
                window = self._window(left, right, least)
                if window is None or not table.common[left, right]:
                    continue
                starts = table.start_s[targets]
                first = np.searchsorted(starts, np.maximum(table.start_s[sources], table.end_s[sources] + window[0]))
                number = np.searchsorted(starts, table.end_s[sources] + window[1], "right") - first
                number = np.maximum(number, 0)
                steps = np.arange(number.sum()) - np.repeat(np.cumsum(number) - number, number)
                rows_a.append(np.repeat(sources, number))
                rows_b.append(targets[np.repeat(first, number) + steps])
            if not rows_a:
                continue
            a, b = np.concatenate(rows_a), np.concatenate(rows_b)
            score = self.odds(a, b)
            fits = score >= least
            a, b, score = a[fits], b[fits], score[fits]
            order = np.lexsort((b, -score, a))
            rank = np.arange(len(order)) - np.searchsorted(a[order], a[order])
            kept = order[rank < count]
            found_a.append(a[kept])
            found_b.append(b[kept])
        return np.concatenate(found_a), np.concatenate(found_b)

    def _log_intensity(self, left: IntArray, right: IntArray, lag_s: DoubleArray) -> DoubleArray:
        """Log of the expected visits of ``right`` per second at each lag, by the person of a visit of ``left``."""
        follows = self.model.log_density(self.number[left], self.number[right], np.maximum(lag_s, 0.0), "any")
        follows = follows + np.log(self.later[left])
        together = np.log(self.overlapping[left, right]) - np.log(self.mean_s[left])
        return np.where(lag_s < 0, together, follows)

    def _window(self, left: int, right: int, least: float) -> tuple[float, float] | None:
        """Shortest and longest lag that could reach some log odds, s; the shortest is -inf where views overlap."""
        if self.number[left] < 0 or self.number[right] < 0:
            return None
        wanted = least + np.log(max(self.visits[right], 1)) - np.log(self.span_s[right])
        edges = self.model.grid.edges_s
        density = self.model.any[self.number[left], self.number[right]] * self.later[left]
        inside = np.flatnonzero(np.log(np.maximum(density, 1e-300)) >= wanted)
        together = np.log(self.overlapping[left, right]) - np.log(self.mean_s[left]) >= wanted
        if not len(inside):
            return (-np.inf, 0.0) if together else None
        return (-np.inf if together else float(edges[inside[0]])), float(edges[inside[-1] + 1])


@dataclass(frozen=True, slots=True, eq=False)
class SpaceTimeSource:
    """Lags of these tracklets under a transition model."""

    lags: SpaceTime
    config: SpaceTimeCueConfig

    def propose(self) -> tuple[IntArray, IntArray]:
        """Each tracklet with the later ones its lag fits best."""
        least = np.log(self.config.least_probability) - np.log1p(-self.config.least_probability)
        return self.lags.likely(float(least), self.config.candidates)

    def measure(self, a: IntArray, b: IntArray) -> Cue:
        """What the lag of each pair says."""
        earlier, later = self.lags.table.earlier_first(a, b)
        return Cue(NAME, self.lags.llr(earlier, later), teaches=False)


def space_time_source(given: CueInput) -> SpaceTimeSource | None:
    """Prepare the transition model; None without one, or with one that knows none of the cameras."""
    if given.transition is None or not (given.transition.index(given.table.cameras) >= 0).any():
        return None
    config = given.config.space_time
    return SpaceTimeSource(space_time(given.table, given.transition, config, given.config.motion.max_gap_s), config)


def space_time(
    table: TrackletTable, model: TransitionModel, config: SpaceTimeCueConfig, fragment_s: float
) -> SpaceTime:
    """Prepare a model for these tracklets.

    Expected visits are the model's counts over its visits, each camera's leaning on those of all by a few visits.
    """
    cameras = len(table.cameras)
    span_s = np.ones(cameras)
    for domain in np.unique(table.domain):
        rows = table.domain == domain
        span = float(table.end_s[rows].max() - table.start_s[rows].min())
        span_s[np.unique(table.camera[rows])] = max(span, 1.0)
    visits = np.bincount(table.camera, minlength=cameras)
    length = np.bincount(table.camera, table.end_s - table.start_s, cameras)
    mean_s = np.maximum(length / np.maximum(visits, 1), 1.0)
    number = model.index(table.cameras) if cameras else np.zeros(0, np.int64)
    later, expected, overlapping = _expectations(model)
    return SpaceTime(
        table=table,
        model=model,
        number=number,
        span_s=span_s,
        visits=visits,
        later=later[number],
        expected=expected[number],
        overlapping=overlapping[np.ix_(number, number)],
        mean_s=mean_s,
        outlier=_outliers(model, config)[np.ix_(number, number)],
        stray=model.stray,
        fragment_s=fragment_s,
    )


def _outliers(model: TransitionModel, config: SpaceTimeCueConfig) -> DoubleArray:
    """Probability of a lag the model does not expect, (C, C).

    As a run found it; of a model that no run was held against, certain of a camera without events, rarer with each.
    """
    if model.doubt is not None:
        doubt = model.doubt
    else:
        events = model.any_counts.sum(axis=1) + model.evidence.overlaps.sum(axis=1)
        doubt = (config.outlier * events + config.outlier_events) / (events + config.outlier_events)
        doubt = np.repeat(doubt[:, None], len(model.cameras), axis=1)
    result: DoubleArray = np.clip(doubt, 1e-9, 1.0 - 1e-9)
    return result


def _expectations(model: TransitionModel) -> tuple[DoubleArray, DoubleArray, DoubleArray]:
    """Of the person of a visit: later visits (C,), visits per camera (C,), and visits begun meanwhile (C, C)."""
    counted, seen = model.evidence, model.evidence.visits
    cameras = max(len(model.cameras), 1)
    everybody = max(float(seen.sum()), 1.0)
    weight = _POOLING_VISITS / (seen + _POOLING_VISITS)
    own = 1.0 / np.maximum(seen, 1.0)
    follows, meets = model.any_counts, counted.overlaps
    pooled = (float(follows.sum()) + 1.0) / everybody
    later = (1 - weight) * follows.sum(axis=1) * own + weight * pooled
    around = (follows + follows.T + meets + meets.T).sum(axis=1)
    pooled = (float(around.sum()) + 1.0) / everybody
    expected = ((1 - weight) * around * own + weight * pooled) / cameras
    pooled = (float(meets.sum()) + 1.0 / cameras) / everybody / cameras
    overlapping = (1 - weight[:, None]) * meets * own[:, None] + weight[:, None] * pooled
    return later, expected, overlapping
