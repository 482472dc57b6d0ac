"""Person search: find a person of one picture among the people detected in all others.

Per query, detections of all other pictures are ranked by likeness. In a picture that shows the person, the most alike
detection that overlaps the true box enough is right. Average precision is scaled by the share of these pictures in
which there is such a detection. "Enough" is IoU 0.5, less for small boxes: w h / ((w + 10) (h + 10)). A detection that
shares no visible part with the query is not ranked.

Sources: Xiao et al., "Joint Detection and Identification Feature Learning for Person Search", CVPR 2017, section 4;
Döring et al., "PoseTrack21", CVPR 2022, and its person search kit (all other pictures are the gallery).
"""

from dataclasses import dataclass

import numpy as np

from data.datasets.posetrack21_search import SearchPeople
from data.errors import UserError
from data.formats.box_features import BoxFeatures
from data.records import DoubleArray, FloatArray, IntArray, PartEmbeddings
from pipeline.evaluation.pairs import paired_iou

RANKS = (1, 5, 10)
_QUERIES_AT_ONCE = 64


@dataclass(frozen=True, slots=True, eq=False)
class SearchScores:
    """Figures of person search, fractions, of the Q queries that have a gallery.

    Attributes:
        precisions: (Q,) average precision.
        firsts: (Q, 3) whether a right one is among the first 1, 5 and 10.
        recalls: (Q,) share of the other pictures showing the person in which a detection lies on him.
        ids: (Q,) int64 whom each searches.
        left_out: queries of people whom no other picture shows.
    """

    precisions: DoubleArray
    firsts: DoubleArray
    recalls: DoubleArray
    ids: IntArray
    left_out: int

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def mean_ap(self) -> float:
        """Mean of the average precisions."""
        return float(self.precisions.mean())

    @property
    def top(self) -> dict[int, float]:
        """Share of queries with a right one among the first 1, 5 and 10."""
        return {rank: float(value) for rank, value in zip(RANKS, self.firsts.mean(axis=0), strict=True)}


def person_search(
    queries: SearchPeople, described: PartEmbeddings, truth: SearchPeople, found: BoxFeatures
) -> SearchScores:
    """Score all queries.

    Args:
        queries: people to search for.
        described: of the queries' boxes, row for row.
        truth: everybody annotated in the gallery.
        found: everybody detected there; owners are ids of pictures.

    Raises:
        UserError: no query has a gallery, or features do not fit one another.
    """
    if len(described) != len(queries):
        raise UserError(f"{len(described)} features for {len(queries)} queries; they must go row for row")
    if described.vectors.shape[1:] != found.embeddings.vectors.shape[1:]:
        shapes = described.vectors.shape[1:], found.embeddings.vectors.shape[1:]
        raise UserError(f"features of queries are {shapes[0]}, those of detections {shapes[1]} (parts, numbers)")
    rows, scores = [], []
    for start in range(0, len(queries), _QUERIES_AT_ONCE):
        block = np.arange(start, min(start + _QUERIES_AT_ONCE, len(queries)))
        distances = _distances(described.select(block), found.embeddings)
        for row, distance in zip(block.tolist(), distances, strict=True):
            shown = (truth.ids == queries.ids[row]) & (truth.pictures != queries.pictures[row])
            if shown.any():
                rows.append(row)
                scores.append(
                    _one(distance, int(queries.pictures[row]), truth.pictures[shown], truth.boxes[shown], found)
                )
    if not scores:
        raise UserError("no query's person is annotated in another picture: there is nothing to search for")
    values = np.array(scores)
    return SearchScores(values[:, 0], values[:, 2:], values[:, 1], queries.ids[rows], len(queries) - len(rows))


def _distances(queries: PartEmbeddings, found: PartEmbeddings) -> FloatArray:
    """(Q, D) float32, visibility-weighted; infinite where no part is visible on both sides."""
    import torch

    from reid.ranking.distance import distance_matrix

    sides = (queries.vectors, found.vectors, queries.visibility, found.visibility)
    asked, known, asked_seen, known_seen = (torch.from_numpy(np.ascontiguousarray(side, np.float32)) for side in sides)
    distances: FloatArray = distance_matrix(asked, known, asked_seen, known_seen).numpy()
    return distances


def _one(distances: FloatArray, picture: int, shown: IntArray, boxes: DoubleArray, found: BoxFeatures) -> list[float]:
    """Average precision, recall, and whether a right one is among the first so many."""
    order = np.argsort(distances, kind="stable")
    # Where no part is seen on both sides nothing is known: an order of such pairs would be that of the file.
    order = order[(found.owners[order] != picture) & np.isfinite(distances[order])]
    where = np.argsort(shown, kind="stable")
    place = np.searchsorted(shown, found.owners[order], sorter=where).clip(0, len(shown) - 1)
    partner = where[place]
    true = boxes[partner]
    sides = true[:, 2:] - true[:, :2]
    enough = np.minimum(0.5, sides.prod(axis=1) / (sides + 10).prod(axis=1))
    lies = (shown[partner] == found.owners[order]) & (paired_iou(true, found.boxes[order]) >= enough)
    candidates = np.flatnonzero(lies)
    _, first = np.unique(partner[candidates], return_index=True)
    right = np.zeros(len(order), bool)
    right[candidates[first]] = True
    ranks = np.flatnonzero(right)
    precision = np.arange(1, len(ranks) + 1) / (ranks + 1)
    recall = len(ranks) / len(shown)
    return [float(precision.sum() / len(shown)), recall, *(float((ranks < rank).any()) for rank in RANKS)]
