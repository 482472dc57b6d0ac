"""Learning transitions from links between unlabelled visits, and from them alone."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.records import DoubleArray, IntArray
from st_model.config import LagModelConfig, SelfTrainingConfig
from st_model.counts import TransitionCounts, add_counts, count_cameras, count_lags, natural_order
from st_model.grid import LagGrid
from st_model.model import TransitionModel, model_from_counts
from st_model.passages import Passages
from st_model.scores import arrival_rates_hz, llr
from st_model.walks import count_walks, walk_vectors

logger = logging.getLogger(__name__)

_SURE = 1.0 - 2.0**-24


@dataclass(frozen=True, slots=True, eq=False)
class Sightings:
    """Visits whose identity is not known: one row per tracklet, in any order.

    Attributes:
        cameras: C names in natural order.
        camera: (V,) int64 index into ``cameras``.
        enter_s: (V,) float64 seconds on the common clock.
        leave_s: (V,) float64, >= enter_s.
        passages: V rows; NaN where only the times are known.
        arrives: (V,) whether the person was in no other view just before; None: all. The views of overlapping cameras
            begin and end one stay together.
        departs: (V,) whether it is in no other view just after; None: all.
    """

    cameras: tuple[str, ...]
    camera: IntArray
    enter_s: DoubleArray
    leave_s: DoubleArray
    passages: Passages
    arrives: NDArray[np.bool_] | None = None
    departs: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.camera)

    @property
    def departing(self) -> NDArray[np.bool_]:
        """(V,) mask of the sightings that end a stay."""
        return np.ones(len(self), bool) if self.departs is None else self.departs


@dataclass(frozen=True, slots=True, eq=False)
class CandidateLinks:
    """Pairs of sightings that may be one person.

    Attributes:
        earlier: (K,) int64 row of the sighting that is entered first.
        later: (K,) int64 row of the other.
        probability: (K,) float64, of "same person", after all cues.
        other_llr: (K,) float64 natural-log likelihood ratio of every cue but space-time. It is what makes a held-out
            likelihood of a transition model possible without labels.
    """

    earlier: IntArray
    later: IntArray
    probability: DoubleArray
    other_llr: DoubleArray

    def __len__(self) -> int:
        return len(self.earlier)

    def select(self, rows: NDArray[np.bool_]) -> "CandidateLinks":
        """Keep some rows, given as a mask."""
        return CandidateLinks(self.earlier[rows], self.later[rows], self.probability[rows], self.other_llr[rows])


@dataclass(frozen=True, slots=True)
class SelfTrainingResult:
    """What self-training came to.

    Attributes:
        model: the last model that was kept, or the one it began with.
        rounds: per round the held-out log likelihood per sighting of the old model and of the new one. Every round but
            the last was kept; the last one where its new likelihood is the higher.
    """

    model: TransitionModel | None
    rounds: tuple[tuple[float, float], ...]


def count_links(
    sightings: Sightings,
    links: CandidateLinks,
    grid: LagGrid,
    min_probability: float,
    judged: NDArray[np.bool_] | None = None,
) -> TransitionCounts:
    """Soft counts of transitions.

    With p_ij the probability that i and j are one person, j is the next visit after i with p_ij times the product of
    (1 - p_ik) over all k entered between them; i is the last visit with the product over all k.

    Args:
        sightings: V rows.
        links: K pairs.
        grid: bins of lags.
        min_probability: less probable links count nothing.
        judged: (V,) only what follows these sightings counts; None counts all.
    """
    count = len(sightings.cameras)
    judged = sightings.departing if judged is None else judged & sightings.departing
    links = links.select((links.probability >= min_probability) & judged[links.earlier])
    order = np.lexsort((links.later, sightings.enter_s[links.later], links.earlier))
    earlier, later = links.earlier[order], links.later[order]
    probability = np.minimum(links.probability[order], _SURE)
    refused = np.cumsum(np.log1p(-probability))
    before = np.append(0.0, refused[:-1]) if len(refused) else refused
    starts = np.flatnonzero(np.append(True, earlier[1:] != earlier[:-1])) if len(earlier) else earlier
    lengths = np.diff(np.append(starts, len(earlier)))
    first = probability * np.exp(before - np.repeat(before[starts], lengths))
    gone = np.ones(len(sightings))
    gone[earlier[starts]] = np.exp(refused[starts + lengths - 1] - before[starts]) if len(starts) else 1.0
    lags = sightings.enter_s[later] - sightings.leave_s[earlier]
    sources, targets = sightings.camera[earlier], sightings.camera[later]
    next_, overlaps = count_lags(sources, targets, lags, first, count, grid)
    any_, _ = count_lags(sources, targets, lags, probability, count, grid)
    visits = count_cameras(sightings.camera, judged.astype(np.float64), count)
    exits = count_cameras(sightings.camera, gone * judged, count)
    walks = walk_vectors(lags, sightings.passages.select(earlier), sightings.passages.select(later))
    follows = np.where(lags >= 0, first, 0.0)
    moments = count_walks(sources, targets, walks, follows, count)
    return TransitionCounts(sightings.cameras, grid, next_, any_, visits, exits, overlaps, moments)


def fit_from_links(
    sightings: Sightings,
    links: CandidateLinks,
    prior: TransitionModel | None = None,
    grid: LagGrid | None = None,
    lags: LagModelConfig | None = None,
    training: SelfTrainingConfig | None = None,
    meta: dict[str, Any] | None = None,
    judged: NDArray[np.bool_] | None = None,
) -> TransitionModel:
    """Transition model of soft links.

    Args:
        sightings: V rows.
        links: K pairs; their probabilities are soft counts.
        prior: an earlier model, of this or of another recording; its counts are added, scaled down to
            ``training.prior_events``. Its grid is used.
        grid: bins of lags where there is no prior.
        lags: priors and bandwidth; None takes those of the prior, or the defaults.
        training: ``min_probability`` and ``prior_events``; None takes the defaults.
        meta: provenance, plain JSON values.
        judged: (V,) only what follows these sightings counts; None counts all.
    """
    training = training or SelfTrainingConfig()
    if prior is not None:
        grid, lags = prior.grid, lags or prior.settings
    counts = count_links(sightings, links, grid or LagGrid(), training.min_probability, judged)
    if prior is not None:
        events = float(prior.next_counts.sum())
        factor = min(1.0, training.prior_events / events) if events > 0 else 0.0
        counts = add_counts(counts, prior.evidence.scaled(factor))
    return model_from_counts(counts, lags, meta)


def log_likelihood(model: TransitionModel, sightings: Sightings, links: CandidateLinks) -> DoubleArray:
    """How well a model explains what follows each sighting, without knowing who is who.

    log[ exit + sum over candidates j of (1 - exit) density(lag_j) / rate_j * exp(other_llr_j) ]: the likelihood of the
    arrivals after a sighting, given that at most one of them is its person, relative to all of them being strangers.

    Returns:
        (V,) float64, natural log; 0 for sightings that end no stay.
    """
    cameras = model.index(np.array(sightings.cameras))[sightings.camera]
    duration = float(np.ptp(np.concatenate([sightings.enter_s, sightings.leave_s]))) if len(sightings) else 0.0
    arriving = slice(None) if sightings.arrives is None else sightings.arrives
    rates = arrival_rates_hz(sightings.camera[arriving], len(sightings.cameras), max(duration, 1e-3))
    lags = sightings.enter_s[links.later] - sightings.leave_s[links.earlier]
    space_time = llr(
        model, cameras[links.earlier], cameras[links.later], lags, rates[sightings.camera[links.later]], "next"
    )
    leaves = np.log(np.append(model.exit_probability, 0.5))[cameras]
    evidence = space_time + links.other_llr
    top = leaves.copy()
    np.maximum.at(top, links.earlier, evidence)
    total = np.exp(leaves - top)
    np.add.at(total, links.earlier, np.exp(evidence - top[links.earlier]))
    return np.where(sightings.departing, top + np.log(total), 0.0)


def self_train(
    sightings: Sightings,
    associate: Callable[[TransitionModel | None], CandidateLinks],
    prior: TransitionModel | None = None,
    grid: LagGrid | None = None,
    lags: LagModelConfig | None = None,
    training: SelfTrainingConfig | None = None,
    meta: dict[str, Any] | None = None,
) -> SelfTrainingResult:
    """Alternate between association and fitting, for as long as the held-out likelihood rises.

    The time line is cut into folds. Each fold's sightings are judged by a model fitted to the links of all others, so a
    model that only repeats its own mistakes is not kept.

    Args:
        sightings: V rows.
        associate: links under a model (None: without space-time); the pipeline's associator.
        prior: model to begin with.
        grid: bins of lags where there is no prior.
        lags: priors and bandwidth.
        training: rounds, folds, soft-count rules; None takes the defaults.
        meta: provenance, plain JSON values.
    """
    training = training or SelfTrainingConfig()
    rank = np.argsort(np.argsort(sightings.leave_s, kind="stable"), kind="stable")
    fold = rank * training.folds // max(len(sightings), 1)

    def fit(links: CandidateLinks, judged: NDArray[np.bool_], info: dict[str, Any] | None = None) -> TransitionModel:
        return fit_from_links(sightings, links, prior, grid, lags, training, info, judged)

    none, everyone = np.zeros(0, np.int64), np.ones(len(sightings), bool)
    start = prior or fit(CandidateLinks(none, none, np.zeros(0), np.zeros(0)), ~everyone)
    model, kept = prior, [start] * training.folds
    rounds: list[tuple[float, float]] = []
    for number in range(training.rounds if len(sightings) else 0):
        links = associate(model)
        fresh = [fit(links, fold != part) for part in range(training.folds)]
        old, new = (_held_out(models, sightings, links, fold) for models in (kept, fresh))
        rounds.append((old, new))
        logger.debug("transition times, round %d: held-out log likelihood %.4f -> %.4f", number + 1, old, new)
        if new <= old:
            break
        model, kept = fit(links, everyone, {**(meta or {}), "self_training_rounds": number + 1}), fresh
    return SelfTrainingResult(model, tuple(rounds))


def _held_out(
    models: list[TransitionModel], sightings: Sightings, links: CandidateLinks, fold: NDArray[np.integer[Any]]
) -> float:
    total = 0.0
    for part, model in enumerate(models):
        rows = fold == part
        if rows.any():
            total += float(log_likelihood(model, sightings, links)[rows].sum())
    return total / len(sightings)


def sightings_of(
    cameras: list[str],
    enter_s: list[float],
    leave_s: list[float],
    names: list[str],
    passages: Passages | None = None,
) -> Sightings:
    """Sightings from plain columns.

    Args:
        cameras: V camera names.
        enter_s: V seconds.
        leave_s: V seconds.
        names: cameras that exist even if nobody was seen there.
        passages: V rows; None where only the times are known.
    """
    order = natural_order([*cameras, *names])
    numbers = {name: number for number, name in enumerate(order)}
    camera = np.array([numbers[name] for name in cameras], np.int64)
    passages = Passages.unknown(len(cameras)) if passages is None else passages
    return Sightings(order, camera, np.array(enter_s, np.float64), np.array(leave_s, np.float64), passages)
