"""Retrieval by appearance and space-time, with and without re-ranking: the protocol of ST-ReID, and our form of it.

Published: joint score of similarity and probability per lag bin. Ours: a log-likelihood ratio of the similarity,
calibrated on other people, plus that of the lag under a transition model (``st_model.scores.llr``).

Similarities are those of all parts that both pictures show. Where there is none, appearance says nothing: such pairs
rank last by appearance, have the lowest similarity in the joint score, and a ratio of times alone in ours.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.errors import UserError
from data.formats.reid_names import ReidNames
from data.records import DoubleArray, FloatArray, IntArray, PartEmbeddings
from reid.ranking.looks import Looks, Mode
from reid.ranking.metrics import RetrievalEvaluator, RetrievalScores, evaluate_blocks, ranked_last
from reid.ranking.rerank import Neighbourhood, rerank_features, rerank_rows
from reid.ranking.rules import Rule
from st_model.model import TransitionModel
from st_model.published import PublishedDistribution
from st_model.scores import llr, st_reid_joint
from st_model.stays import Stays

_BLOCK_CELLS = 1 << 21
Blocks = Iterator[tuple[int, NDArray[np.floating[Any]]]]
Distance = Callable[["Sightings", "Sightings"], FloatArray]


@dataclass(frozen=True, slots=True, eq=False)
class Sightings:
    """Pictures to search for or in.

    Attributes:
        looks: of N pictures.
        identities: (N,) int64; -1 is junk.
        cameras: (N,) int64, from 1.
        frames: (N,) int64 on the time line of the distribution; -1 = unknown.
    """

    looks: Looks
    identities: IntArray
    cameras: IntArray
    frames: IntArray

    def __len__(self) -> int:
        return len(self.looks)

    @staticmethod
    def make(features: PartEmbeddings, names: ReidNames, mode: Mode = "binary") -> "Sightings":
        """Take who, where and when from file names.

        Args:
            features: of N pictures.
            names: of the same.
            mode: how visibilities weigh parts, see ``Looks``.

        Raises:
            UserError: when the numbers of rows differ.
        """
        if len(features) != len(names):
            raise UserError(f"{len(features)} features belong to {len(names)} names; they must go row for row")
        return Sightings(Looks.of(features, mode), names.identities, names.cameras, names.frames)

    def select(self, rows: NDArray[np.bool_] | IntArray) -> "Sightings":
        """Keep some rows, given as indices or as a mask."""
        return Sightings(self.looks.select(rows), self.identities[rows], self.cameras[rows], self.frames[rows])


@dataclass(frozen=True, slots=True, eq=False)
class LikelihoodFusion:
    """What turns a similarity and a lag into one log-likelihood ratio.

    Attributes:
        model: transition model whose cameras are called c1, c2, ...; its ``any`` table is used.
        slope: log-likelihood ratio per unit of cosine similarity.
        midpoint: similarity that says nothing.
        rates_hz: (C,) people that enter each camera of the model, per second.
        fps: frames per second of the time line.
        stays: how soon pictures of one visit follow one another; None takes two pictures of one camera for two visits,
            however close they are. That is of the wrong sign, and Market-1501's rule hides it: of one camera it only
            counts pictures of others.
        picture_rates_hz: (C,) pictures that each camera of ``stays`` takes, per second.
    """

    model: TransitionModel
    slope: float
    midpoint: float
    rates_hz: DoubleArray
    fps: float
    stays: Stays | None = None
    picture_rates_hz: DoubleArray | None = None


@dataclass(frozen=True, slots=True)
class ProtocolRow:
    """One line of the result: what was ranked by, and the scores under both conventions."""

    name: str
    standard: RetrievalScores
    trapezoid: RetrievalScores


def split_by_camera(items: Sightings) -> tuple[Sightings, Sightings]:
    """Query and gallery as in Market-1501: the first picture of each identity in each camera is a query.

    Identities 0 and -1 (distractors, junk) are never queries.
    """
    order = np.lexsort((np.arange(len(items)), items.cameras, items.identities))
    who, where = items.identities[order], items.cameras[order]
    first = np.ones(len(order), bool)
    first[1:] = (who[1:] != who[:-1]) | (where[1:] != where[:-1])
    query = np.zeros(len(items), bool)
    query[order[first]] = True
    query &= items.identities > 0
    return items.select(query), items.select(~query)


def calibrate_similarity(items: Sightings) -> tuple[float, float]:
    """Slope and midpoint of the log-likelihood ratio of a cosine similarity, from labelled pictures.

    Pairs of one person and of two, seen by different cameras, as two normal distributions of one variance: the ratio is
    then linear in the similarity.

    Args:
        items: pictures of other people than those that are searched for.

    Raises:
        UserError: when no person was seen by two cameras, or only one person was.
    """
    moments = np.zeros((2, 3))
    for start, stop in _blocks(len(items), len(items)):
        similarity = items.looks.select(np.arange(start, stop)).similarity(items.looks).astype(np.float64)
        known = ~np.isnan(similarity)
        same = items.identities[start:stop, None] == items.identities
        across = items.cameras[start:stop, None] != items.cameras
        for row, chosen in enumerate((same & across & known, ~same & across & known)):
            values = similarity[chosen]
            moments[row] += len(values), values.sum(), np.square(values).sum()
    if not moments[:, 0].all():
        raise UserError("calibration needs people seen by two cameras, and more than one of them")
    means = moments[:, 1] / moments[:, 0]
    variance = (moments[:, 2] / moments[:, 0] - means**2).mean()
    return float((means[0] - means[1]) / max(variance, 1e-9)), float(means.mean())


def evaluate_protocol(
    query: Sightings,
    gallery: Sightings,
    distribution: PublishedDistribution | None = None,
    fusion: LikelihoodFusion | None = None,
    neighbourhood: Neighbourhood | None = None,
    rule: Rule = "market",
) -> list[ProtocolRow]:
    """Rank by appearance, by appearance and space-time, each also re-ranked.

    Args:
        query: Q pictures.
        gallery: G pictures; those of identity -1 are left out before anything is ranked.
        distribution: of ST-ReID; None leaves out its lines. It must not rest on the identities tested.
        fusion: our form; None leaves out its lines. It must not rest on the identities tested either.
        neighbourhood: of re-ranking; None takes the published one.
        rule: which gallery items a query ranks.

    Returns:
        Two to eight lines. Memory is bounded by blocks and the features.
    """
    gallery = gallery.select(gallery.identities != -1)
    if not len(query) or not len(gallery):
        raise UserError(f"nothing to evaluate: {len(query)} queries and {len(gallery)} gallery pictures")
    parameters = neighbourhood or Neighbourhood()
    everything = Sightings(
        query.looks.joined(gallery.looks),
        np.concatenate([query.identities, gallery.identities]),
        np.concatenate([query.cameras, gallery.cameras]),
        np.concatenate([query.frames, gallery.frames]),
    )
    queries, total = len(query), len(everything)

    def score(name: str, blocks: Blocks) -> ProtocolRow:
        evaluator = RetrievalEvaluator(
            query.identities, gallery.identities, query.cameras, gallery.cameras, rule, junk_id=None
        )
        comparable = (
            (start, ranked_last(block, query.identities[start : start + len(block)], gallery.identities))
            for start, block in blocks
        )
        evaluate_blocks(evaluator, comparable)
        return ProtocolRow(name, evaluator.scores("standard"), evaluator.scores("trapezoid"))

    def both(name: str, distance: Distance) -> list[ProtocolRow]:
        plain = ((a, distance(query.select(np.arange(a, b)), gallery)) for a, b in _blocks(queries, total))
        # The published re-ranking normalises by columns: row i of its matrix holds the distances of everything, as
        # query, to item i. The joint score is not symmetric, so the order matters.
        rows = rerank_rows(
            lambda a, b: np.ascontiguousarray(distance(everything, everything.select(np.arange(a, b))).T),
            queries,
            total,
            parameters,
        )
        return [score(name, plain), score(f"{name} + re-ranking", rows.blocks())]

    if everything.looks.whole:
        one = [side.looks.vectors[:, 0] for side in (query, gallery)]
        plain = (
            (a, -query.looks.select(np.arange(a, b)).similarity(gallery.looks)) for a, b in _blocks(queries, total)
        )
        lines = [
            score("appearance", plain),
            score("appearance + re-ranking", rerank_features(one[0], one[1], parameters).blocks()),
        ]
    else:
        lines = both("appearance", _looks_distance)
    if distribution is not None:
        lines += both("st-reid joint score", lambda some, others: _joint_distance(some, others, distribution))
    if fusion is not None:
        visits = replace(fusion, stays=None)
        lines += both("likelihood ratios", lambda some, others: _likelihood_distance(some, others, visits))
        if fusion.stays is not None:
            lines += both("the same with stays", lambda some, others: _likelihood_distance(some, others, fusion))
    return lines


def _blocks(rows: int, columns: int) -> Iterator[tuple[int, int]]:
    step = max(1, _BLOCK_CELLS // max(columns, 1))
    return ((start, min(start + step, rows)) for start in range(0, rows, step))


def _index(items: Sightings, cameras: tuple[str, ...]) -> IntArray:
    numbers = {name: index for index, name in enumerate(cameras)}
    return np.array([numbers.get(f"c{camera}", -1) for camera in items.cameras.tolist()], np.int64)


def _looks_distance(some: Sightings, others: Sightings) -> FloatArray:
    """2 - 2 similarity: the squared distance of unit vectors; infinite without evidence."""
    distance = some.looks.similarity(others.looks)
    distance *= np.float32(-2.0)
    distance += np.float32(2.0)
    np.nan_to_num(distance, copy=False, nan=np.inf)
    return distance


def _joint_distance(some: Sightings, others: Sightings, distribution: PublishedDistribution) -> FloatArray:
    """2 - 2 joint score of pictures as queries (rows) to others (columns)."""
    distance = np.nan_to_num(some.looks.similarity(others.looks), nan=-1.0)
    here, there = _index(some, distribution.cameras), _index(others, distribution.cameras)
    st_reid_joint(distance, here, some.frames, there, others.frames, distribution, out=distance)
    distance *= np.float32(-2.0)
    distance += np.float32(2.0)
    return distance


def _likelihood_distance(some: Sightings, others: Sightings, fusion: LikelihoodFusion) -> FloatArray:
    """Probability of two people, at even odds; pictures without a time are judged by appearance alone."""
    evidence = (some.looks.similarity(others.looks) - np.float32(fusion.midpoint)) * np.float32(fusion.slope)
    np.nan_to_num(evidence, copy=False, nan=0.0)
    lag = (some.frames[:, None] - others.frames) / fusion.fps
    lag[(some.frames[:, None] < 0) | (others.frames < 0)] = np.nan
    here, there = _index(some, fusion.model.cameras)[:, None], _index(others, fusion.model.cameras)[None]
    here_later = lag > 0
    entered = np.where(here_later, here, there)
    left = np.where(here_later, there, here)
    times = llr(fusion.model, left, entered, np.abs(lag), fusion.rates_hz[entered], "any")
    if fusion.stays is not None and fusion.picture_rates_hz is not None:
        # One camera: the picture is of the same visit, or of a later one. Both are expected pictures over all pictures.
        later = fusion.model.any_counts.sum(axis=1) / np.maximum(fusion.model.evidence.visits, 1.0)
        times += np.log(np.maximum(later, 1.0 / len(later)))[left]
        same = np.where(left == entered, left, -1)
        stays = fusion.stays.log_rate(same, np.abs(lag)) - np.log(fusion.picture_rates_hz[entered])
        times = np.where(np.isnan(lag), 0.0, np.logaddexp(times, stays))
    evidence += times.astype(np.float32)
    np.clip(evidence, -80.0, 80.0, out=evidence)
    np.exp(evidence, out=evidence)
    evidence += np.float32(1.0)
    return np.divide(np.float32(1.0), evidence, out=evidence)
