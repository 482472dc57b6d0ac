"""Transition models from times, places and paces alone: nobody is recognised, nobody is labelled.

Every pair of cameras is searched for a way between them, from several first guesses of its lag; the best one is kept if
the data speak for it after its parameters have been paid for. All ways that were found are then learnt together, as a
person who leaves takes one of them and who enters came by one. Where no way stands out there is no model: a false link
is worse than none.
"""

import logging
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from data.records import DoubleArray, IntArray
from st_model.background import Background
from st_model.config import LagModelConfig, TimesOnlyConfig
from st_model.counts import TransitionCounts, count_cameras, count_lags
from st_model.fit import Sightings
from st_model.grid import LagGrid
from st_model.matching import match
from st_model.model import TransitionModel, model_from_counts
from st_model.walks import DIM, PRIOR, Walk, count_walks, expected_walk, walk_moments
from st_model.ways import Learnt, Way, find_way, inliers, learn, log_ratio, share_of, vague_start

logger = logging.getLogger(__name__)

_SHORTEST_S = 0.2
_FIRST_S = 1.0
_STEP = 1.6
# Walks of a first guess take at least and at most this share of its lag; so do those of a way about its mean.
_WINDOW = 4.0
_FEWEST_PASSAGES = 4
# First guesses are judged on this many who leave, after this many rounds; the best are followed up.
_GUESSED = 250
_GUESS_ROUNDS = 15
_POLISHED = 3
_SHIFTS = 8
_DEVIATIONS = 4.0
_ROUNDS = 12


@dataclass(frozen=True, slots=True)
class FoundWay:
    """A way between two cameras, and what speaks for it.

    Attributes:
        cameras: names, the one left first.
        gain: evidence over "nobody walks here", nats.
        walks: soft number of walks, both directions.
        lag_s: typical lag, seconds.
    """

    cameras: tuple[str, str]
    gain: float
    walks: float
    lag_s: float


@dataclass(frozen=True, slots=True)
class TimesOnly:
    """What times alone say.

    Attributes:
        model: None where no way stands out.
        ways: those that do.
        best_gain: evidence for the best way that was looked at, nats; 0 where there was none.
        needed_gain: what a way needs.
        passages: visits whose places and paces are known.
    """

    model: TransitionModel | None
    ways: tuple[FoundWay, ...]
    best_gain: float
    needed_gain: float
    passages: int

    def line(self) -> str:
        """For the user."""
        if self.ways:
            found = ", ".join(
                f"{' > '.join(way.cameras)} ({way.walks:.0f} walks of about {way.lag_s:.0f} s)" for way in self.ways
            )
            return f"times alone found ways between cameras: {found}"
        return (
            f"times alone link nobody: of {self.passages} visits with known places no way between two cameras stands "
            f"out from chance (best evidence {self.best_gain:.1f} nats, {self.needed_gain:.1f} needed)"
        )


def learn_from_times(
    sightings: Sightings,
    speaks: NDArray[np.bool_],
    grid: LagGrid | None = None,
    lags: LagModelConfig | None = None,
    config: TimesOnlyConfig | None = None,
) -> TimesOnly:
    """Look for ways between cameras, without labels and without appearance.

    Args:
        sightings: V rows with their passages.
        speaks: (C, C) whether people may walk from one camera to the other in times that can be compared. Who comes
            back into one camera is left to other cues: on a busy street strangers follow one another as people would.
        grid: bins of lags; None takes the default.
        lags: priors and bandwidth; None takes the defaults.
        config: how long walks may take and what a way needs; None takes the defaults.
    """
    config = config or TimesOnlyConfig()
    known = sightings.passages.known
    backgrounds = _backgrounds(sightings, known)
    cameras = len(sightings.cameras)
    busy = np.bincount(sightings.camera[known], minlength=cameras) >= _FEWEST_PASSAGES
    pairs = [
        (a, b) for a, b in combinations(range(cameras), 2) if busy[a] and busy[b] and (speaks[a, b] or speaks[b, a])
    ]
    needed = config.min_gain + float(np.log(max(len(pairs), 1)))
    found: list[Learnt] = []
    ways: list[FoundWay] = []
    best = 0.0
    for a, b in pairs:
        both = _both_directions(sightings, a, b, backgrounds, config)
        gain = sum(way.score for way in both)
        best = max(best, gain)
        if gain >= needed:
            found.extend(both)
            ways.append(_described(sightings, both, gain))
    model = None
    if found:
        model = model_from_counts(_together(sightings, found, grid or LagGrid()), lags, {"source": "times only"})
    result = TimesOnly(model, tuple(ways), best, needed, int(known.sum()))
    logger.log(logging.INFO if ways else logging.WARNING, "%s", result.line())
    return result


def _backgrounds(sightings: Sightings, known: NDArray[np.bool_]) -> dict[tuple[int, str], Background]:
    result = {}
    for camera in np.unique(sightings.camera[known]).tolist():
        own = sightings.passages.select(known & (sightings.camera == camera))
        result[camera, "enter"] = Background.of(own.entering)
        result[camera, "leave"] = Background.of(own.leaving)
    return result


def _both_directions(
    sightings: Sightings,
    a: int,
    b: int,
    backgrounds: dict[tuple[int, str], Background],
    config: TimesOnlyConfig,
) -> list[Learnt]:
    """The direction that speaks more for itself, then the other in its light where that helps; empty where none does.

    Doors and pavements serve both directions, so few walks one way are believed sooner where many go the other way.
    """
    ways = [find_way(sightings, *ends, backgrounds, _SHORTEST_S, config.longest_s) for ends in ((a, b), (b, a))]
    found = [learnt for way in ways if len(way) and (learnt := _search(way, config.longest_s)) is not None]
    found = [_above_chance(learnt, PRIOR, sightings, backgrounds) for learnt in found if learnt.score > 0]
    if not found or (first := max(found, key=lambda learnt: learnt.score)).score < config.min_gain:
        return []
    back_prior = expected_walk(first.moments)
    back = _polished(_near(ways[first.way.source == a], first), back_prior, back_prior)
    if back.score > 0:
        back = _above_chance(back, back_prior, sightings, backgrounds)
    return [first, back] if back.score > 0 else [first]


def _above_chance(
    learnt: Learnt, prior: Walk, sightings: Sightings, backgrounds: dict[tuple[int, str], Background]
) -> Learnt:
    """The same with what chance would score taken off: those who enter, moved in time against those who leave.

    Moved round the recording they keep their rate, their bursts and their places, and lose every true walk. What they
    score then, its mean and four standard deviations, is what a model of strangers lacks, not what people do. A
    recording too short to move them out of reach says nothing.
    """
    source, target = learnt.way.source, learnt.way.target
    lag_s = float(np.exp(learnt.walk.mean[0]))
    reach = _WINDOW * lag_s
    start = float(sightings.enter_s.min())
    span = float(sightings.leave_s.max()) - start
    if span < 2.5 * reach:
        return replace(learnt, score=0.0)
    scores = []
    for shift in np.linspace(reach, span - reach, _SHIFTS):
        enter = np.where(
            sightings.camera == target, start + (sightings.enter_s - start + shift) % span, sightings.enter_s
        )
        moved = replace(sightings, enter_s=enter)
        way = find_way(moved, source, target, backgrounds, lag_s / _WINDOW, reach)
        scores.append(max(_polished(way, prior, learnt.walk).score, 0.0))
    chance = float(np.mean(scores) + _DEVIATIONS * np.std(scores))
    # Where chance explains half of it, what is left may be chance as well.
    above = learnt.score - chance
    return replace(learnt, score=above if above >= chance else 0.0)


def _search(way: Way, longest_s: float) -> Learnt | None:
    """The best of many first guesses."""
    guesses = _FIRST_S * _STEP ** np.arange(1 + int(np.log(longest_s / _FIRST_S) / np.log(_STEP)))
    tries = []
    for lag_s in guesses.tolist():
        near = way.middle(_GUESSED).between(lag_s / _WINDOW, lag_s * _WINDOW)
        if len(near):
            tries.append(learn(near, PRIOR, vague_start(near, PRIOR, lag_s), rounds=_GUESS_ROUNDS))
    tries.sort(key=lambda learnt: -learnt.score)
    polished = [_charged(way, learnt) for learnt in tries[:_POLISHED]]
    return max(polished, key=lambda learnt: learnt.score, default=None)


def _charged(way: Way, learnt: Learnt) -> Learnt:
    """The same once more about its mean lag, its uncertainty charged."""
    return _polished(_near(way, learnt), PRIOR, learnt.walk)


def _near(way: Way, learnt: Learnt) -> Way:
    lag_s = float(np.exp(learnt.walk.mean[0]))
    return way.between(lag_s / _WINDOW, lag_s * _WINDOW)


def _polished(way: Way, prior: Walk, start: Walk) -> Learnt:
    """The predictive fit, with the score of the charged one that follows from it."""
    if not len(way):
        return Learnt(way, prior, np.zeros((DIM + 1, DIM + 1)), 0.0, match(way.left, way.right, np.zeros(0), 0, 0), 0.0)
    fit = learn(way, prior, start)
    charged = learn(way, prior, fit.walk, charged=True)
    return Learnt(way, fit.walk, fit.moments, fit.share, fit.matching, charged.score)


def _described(sightings: Sightings, both: list[Learnt], gain: float) -> FoundWay:
    first = both[0]
    names = sightings.cameras[first.way.source], sightings.cameras[first.way.target]
    walks = sum(float(learnt.matching.probability.sum()) for learnt in both)
    return FoundWay(names, gain, walks, float(np.exp(first.walk.mean[0])))


def _together(sightings: Sightings, found: list[Learnt], grid: LagGrid) -> TransitionCounts:
    """Learn all ways at once, and count who walked them."""
    count = len(sightings.cameras)
    sources = np.array([learnt.way.source for learnt in found])
    leaving, entering = (np.full(len(sightings), False) for _ in range(2))
    for learnt in found:
        leaving[learnt.way.leaving], entering[learnt.way.entering] = True, True
    here = np.bincount(sightings.camera[leaving], minlength=count)
    left = np.concatenate([learnt.way.leaving[learnt.way.left] for learnt in found])
    right = np.concatenate([learnt.way.entering[learnt.way.right] for learnt in found])
    ends = np.cumsum([len(learnt.way) for learnt in found])
    parts = [slice(end - len(learnt.way), end) for end, learnt in zip(ends.tolist(), found)]
    walks = np.concatenate([learnt.way.walks for learnt in found])
    strangers = np.concatenate([learnt.way.log_stranger for learnt in found])
    moments = {(learnt.way.source, learnt.way.target): learnt.moments for learnt in found}
    share = np.array([learnt.share for learnt in found])
    for _ in range(_ROUNDS):
        stays = np.maximum(1.0 - np.bincount(sources, share, count), 1e-3)
        density = np.empty(len(walks))
        for learnt, part in zip(found, parts):
            way = learnt.way
            density[part] = _leaning(moments, way.source, way.target).log_density(walks[part])
        weights = log_ratio(density, strangers)
        for learnt, part, taken in zip(found, parts, share.tolist()):
            weights[part] += np.log(taken) - np.log(stays[learnt.way.source])
        matching = match(left, right, weights, len(sightings), len(sightings))
        soft = matching.probability * inliers(density, strangers)
        for number, (learnt, part) in enumerate(zip(found, parts)):
            way = learnt.way
            moments[way.source, way.target] = walk_moments(walks[part], soft[part])
            share[number] = share_of(float(matching.probability[part].sum()), int(here[way.source]))
    return _counts(sightings, left, right, matching.probability, soft, walks, grid)


def _leaning(moments: dict[tuple[int, int], DoubleArray], source: int, target: int) -> Walk:
    """A way's density, the other direction as its prior."""
    back = moments.get((target, source)) if source != target else None
    prior = PRIOR if back is None else expected_walk(back)
    return prior.with_walks(moments[source, target])


def _counts(
    sightings: Sightings,
    left: IntArray,
    right: IntArray,
    probability: DoubleArray,
    soft: DoubleArray,
    walks: DoubleArray,
    grid: LagGrid,
) -> TransitionCounts:
    count = len(sightings.cameras)
    lags = sightings.enter_s[right] - sightings.leave_s[left]
    sources, targets = sightings.camera[left], sightings.camera[right]
    next_, overlaps = count_lags(sources, targets, lags, probability, count, grid)
    gone = 1.0 - np.minimum(np.bincount(left, probability, len(sightings)), 1.0)
    return TransitionCounts(
        sightings.cameras,
        grid,
        next_,
        next_.copy(),
        count_cameras(sightings.camera, np.ones(len(sightings)), count),
        count_cameras(sightings.camera, gone, count),
        overlaps,
        count_walks(sources, targets, walks, soft, count),
    )
