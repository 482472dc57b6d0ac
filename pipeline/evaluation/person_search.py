"""Person search: find a person of one picture among the people detected in all others.

Per query, detections of all other pictures are ranked by likeness. In a picture that shows the person, the most alike
detection that overlaps the true box enough is right. Average precision is scaled by the share of these pictures in
which there is such a detection. "Enough" is IoU 0.5, less for small boxes: w h / ((w + 10) (h + 10)).

Sources: Xiao et al., "Joint Detection and Identification Feature Learning for Person Search", CVPR 2017, section 4;
Döring et al., "PoseTrack21", CVPR 2022, and its person search kit (all other pictures are the gallery).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data.errors import UserError
from data.records import DoubleArray, FloatArray, IntArray
from pipeline.evaluation.pairs import paired_iou
from reid.ranking.neighbours import unit_rows

_RANKS = (1, 5, 10)


@dataclass(frozen=True, slots=True, eq=False)
class TruePeople:
    """People annotated in pictures.

    Attributes:
        pictures: (N,) int64 number of the picture.
        ids: (N,) int64 who it is; once per picture.
        boxes: (N, 4) float64 xyxy px.
    """

    pictures: IntArray
    ids: IntArray
    boxes: DoubleArray


@dataclass(frozen=True, slots=True, eq=False)
class FoundPeople:
    """People detected in pictures.

    Attributes:
        pictures: (D,) int64 number of the picture.
        boxes: (D, 4) float64 xyxy px.
        features: (D, F) float32, of any length.
    """

    pictures: IntArray
    boxes: DoubleArray
    features: FloatArray


@dataclass(frozen=True, slots=True)
class SearchScores:
    """Figures of person search, fractions.

    Attributes:
        mean_ap: over the queries that have a gallery.
        top: share of queries with a right one among the first 1, 5 and 10.
        queries: queries scored.
        left_out: queries of people whom no other picture shows.
    """

    mean_ap: float
    top: dict[int, float]
    queries: int
    left_out: int


def person_search(queries: TruePeople, features: FloatArray, truth: TruePeople, found: FoundPeople) -> SearchScores:
    """Score all queries.

    Args:
        queries: Q people to search for.
        features: (Q, F) float32 of the queries' boxes, row for row.
        truth: everybody annotated in the gallery.
        found: everybody detected there.

    Raises:
        UserError: no query has a gallery, or features do not go row for row.
    """
    if len(features) != len(queries.ids) or len(found.features) != len(found.pictures):
        raise UserError(f"{len(features)} query features for {len(queries.ids)} queries; they must go row for row")
    likeness = unit_rows(features) @ unit_rows(found.features).T
    scores = []
    for row, (picture, person) in enumerate(zip(queries.pictures, queries.ids)):
        shown = (truth.ids == person) & (truth.pictures != picture)
        if shown.any():
            scores.append(_one(likeness[row], picture, truth.pictures[shown], truth.boxes[shown], found))
    if not scores:
        raise UserError("no query's person is annotated in another picture: there is nothing to search for")
    means = np.mean(scores, axis=0)
    top = {rank: float(value) for rank, value in zip(_RANKS, means[1:], strict=True)}
    return SearchScores(float(means[0]), top, len(scores), len(queries.ids) - len(scores))


def _one(
    likeness: FloatArray, picture: int, shown: IntArray, boxes: DoubleArray, found: FoundPeople
) -> Sequence[float]:
    """Average precision, and whether a right one is among the first so many."""
    order = np.argsort(-likeness, kind="stable")
    order = order[found.pictures[order] != picture]
    where = np.argsort(shown, kind="stable")
    place = np.searchsorted(shown, found.pictures[order], sorter=where).clip(0, len(shown) - 1)
    partner = where[place]
    true = boxes[partner]
    sides = true[:, 2:] - true[:, :2]
    enough = np.minimum(0.5, sides.prod(axis=1) / (sides + 10).prod(axis=1))
    lies = (shown[partner] == found.pictures[order]) & (paired_iou(true, found.boxes[order]) >= enough)
    candidates = np.flatnonzero(lies)
    _, first = np.unique(partner[candidates], return_index=True)
    right = np.zeros(len(order), bool)
    right[candidates[first]] = True
    ranks = np.flatnonzero(right)
    precision = np.arange(1, len(ranks) + 1) / (ranks + 1)
    return [float(precision.sum() / len(shown)), *(float((ranks < rank).any()) for rank in _RANKS)]
