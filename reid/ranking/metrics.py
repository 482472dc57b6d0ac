"""Retrieval metrics: CMC and mean average precision, block by block, under the rules and conventions in use.

Two conventions of average precision are in the literature and differ by percents; a figure without its convention says
little, so every result carries it:

- ``standard``: mean of the precision at each hit; queries without a match are left out (torchreid and most papers).
- ``trapezoid``: mean of the precision before and at each hit; queries without a match count as 0 (the evaluation of
  Market-1501's authors, used by ST-ReID).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from data.errors import UserError
from data.kernels.checks import integers, matrix, one_of
from data.records import DoubleArray, FloatArray, IntArray
from reid.ranking.rules import Rule, check_rule, left_out

Convention = Literal["standard", "trapezoid"]

CONVENTIONS: tuple[Convention, ...] = ("standard", "trapezoid")
_BLOCK_CELLS = 1 << 21
# Pairs without evidence rank behind all others, and among them right answers come last: what a network does not see
# must neither count in its favour nor depend on the order of the gallery's files.
_UNSEEN_WRONG, _UNSEEN_RIGHT = np.float32(1e30), np.float32(2e30)


@dataclass(frozen=True, slots=True, eq=False)
class RetrievalScores:
    """What a ranking is worth.

    Attributes:
        convention: of the average precision and of queries without a match.
        mean_ap: mean average precision, 0-1; NaN when no query counts.
        cmc: (R,) share of queries with a match among the first 1..R, 0-1.
        average_precision: (Q,) of each query; NaN without a match.
        first_match: (Q,) int64 rank of each query's best match, from 0; -1 without a match.
        queries: queries that count in the means.
        unmatched: queries without a match.
    """

    convention: Convention
    mean_ap: float
    cmc: DoubleArray
    average_precision: DoubleArray
    first_match: IntArray
    queries: int
    unmatched: int

    def rank(self, number: int) -> float:
        """Share of queries with a match among the first ``number``, 1 or more."""
        if number < 1:
            raise UserError(f"ranks count from 1, not {number}")
        return float(self.cmc[min(number, len(self.cmc)) - 1]) if len(self.cmc) else float("nan")


class RetrievalEvaluator:
    """Collects the ranks of all matches; memory beyond one block is a few numbers per match.

    Rules, for the gallery of one query: ``market`` leaves out the same identity in the same camera; ``intra`` keeps
    only the query's camera; ``inter`` keeps only other cameras; ``all`` keeps everything. Of the same identity
    ``changed_clothes`` also leaves out what wears the query's clothes, ``same_clothes`` what wears others (LTCC; Qian
    et al., ACCV 2020). Equal distances rank by position in the gallery.
    """

    def __init__(
        self,
        query_ids: IntArray,
        gallery_ids: IntArray,
        query_cameras: IntArray,
        gallery_cameras: IntArray,
        rule: Rule = "market",
        junk_id: int | None = -1,
        clothes: tuple[IntArray, IntArray] | None = None,
    ) -> None:
        """Prepare for the distances of Q queries to G gallery items.

        Args:
            query_ids: (Q,).
            gallery_ids: (G,).
            query_cameras: (Q,).
            gallery_cameras: (G,).
            rule: which gallery items a query ranks.
            junk_id: gallery items of this identity are left out for every query; None leaves none out, so that they are
                ordinary wrong answers.
            clothes: (Q,) and (G,), equal where one person wears the same; None where nobody knows.

        Raises:
            UserError: for an unknown rule, columns that are no integers or of different lengths, or a rule that needs
                clothes where there are none.
        """
        check_rule(rule, clothes)
        query_ids, gallery_ids = integers(query_ids, "query identities"), integers(gallery_ids, "gallery identities")
        query_cameras = integers(query_cameras, "query cameras")
        gallery_cameras = integers(gallery_cameras, "gallery cameras")
        if len(query_ids) != len(query_cameras) or len(gallery_ids) != len(gallery_cameras):
            raise UserError(
                f"{len(query_ids)} query identities with {len(query_cameras)} cameras, {len(gallery_ids)} gallery "
                f"identities with {len(gallery_cameras)}: every item needs both"
            )
        if clothes is not None and [len(worn) for worn in clothes] != [len(query_ids), len(gallery_ids)]:
            raise UserError(
                f"clothes of {len(clothes[0])} queries and {len(clothes[1])} gallery items, of which there are "
                f"{len(query_ids)} and {len(gallery_ids)}: every item needs its own"
            )
        self._query_ids, self._query_cameras, self._rule = query_ids, query_cameras, rule
        self._gallery_size = len(gallery_ids)
        self._kept = np.arange(len(gallery_ids)) if junk_id is None else np.flatnonzero(gallery_ids != junk_id)
        self._gallery_ids, self._gallery_cameras = gallery_ids[self._kept], gallery_cameras[self._kept]
        self._clothes = None if clothes is None else (clothes[0], clothes[1][self._kept])
        self._by_id = np.argsort(self._gallery_ids, kind="stable")
        sorted_ids = self._gallery_ids[self._by_id]
        self._first = np.searchsorted(sorted_ids, query_ids, side="left")
        self._last = np.searchsorted(sorted_ids, query_ids, side="right")
        self._ranks: list[IntArray | None] = [None] * len(query_ids)

    def add(self, start: int, distances: NDArray[np.floating[Any]]) -> None:
        """Rank the gallery for the queries from ``start`` on.

        Args:
            start: first query of the block.
            distances: (rows, G), smaller is more alike.

        Raises:
            UserError: for a NaN, or a block of the wrong shape or of no real numbers.
        """
        distances = matrix(distances, (None, None), "distances")
        outside = start < 0 or start + len(distances) > len(self._ranks)
        if distances.shape[1] != self._gallery_size or outside:
            raise UserError(
                f"distances of shape {distances.shape} from query {start} on do not fit {len(self._ranks)} queries and "
                f"{self._gallery_size} gallery items"
            )
        step = max(1, _BLOCK_CELLS // max(self._gallery_size, 1))
        for begin in range(0, len(distances), step):
            self._add_block(start + begin, distances[begin : begin + step])

    def ranking(self, query: int, distances: NDArray[np.floating[Any]]) -> IntArray:
        """Gallery items one query ranks, best first; what the rule leaves out is not in it.

        Args:
            query: number of the query.
            distances: (G,) its distances, without NaN.

        Raises:
            UserError: for a NaN, or distances of another length.
        """
        distances = matrix(distances, (self._gallery_size,), "distances of a query")
        if np.isnan(distances).any():
            raise UserError(f"the distances of query {query} hold NaN; give pairs without evidence a large distance")
        block = np.minimum(distances[None, self._kept], np.finfo(distances.dtype).max)
        self._drop(query, block)
        order = np.argsort(block[0], kind="stable")
        ranked: IntArray = self._kept[order[np.isfinite(block[0, order])]]
        return ranked

    def _add_block(self, start: int, distances: NDArray[np.floating[Any]]) -> None:
        block = distances[:, self._kept]
        largest = block.max(axis=1, initial=-np.inf)
        if np.isnan(largest).any():
            query = start + int(np.flatnonzero(np.isnan(largest))[0])
            raise UserError(f"the distances of query {query} hold NaN; give pairs without evidence a large distance")
        if np.isposinf(largest).any():
            np.minimum(block, np.finfo(block.dtype).max, out=block)
        good = [self._matches(start + row) for row in range(len(block))]
        values = [block[row, columns] for row, columns in enumerate(good)]
        self._drop(start, block)
        ranked = np.sort(block, axis=1)
        for row, (columns, value) in enumerate(zip(good, values)):
            below = np.searchsorted(ranked[row], value, side="left")
            if (np.searchsorted(ranked[row], value, side="right") - below > 1).any():
                place = np.empty(block.shape[1], np.int64)
                place[np.argsort(block[row], kind="stable")] = np.arange(block.shape[1])
                below = place[columns]
            self._ranks[start + row] = np.sort(below).astype(np.int64)

    def _matches(self, query: int) -> IntArray:
        """Gallery columns (after junk) that are right answers to a query."""
        same = self._by_id[self._first[query] : self._last[query]]
        return same[~self._left_out(query, same)]

    def _left_out(self, query: int, same: IntArray) -> NDArray[np.bool_]:
        """Which gallery columns of the query's own identity it does not rank."""
        dressed = None if self._clothes is None else self._clothes[1][same] == self._clothes[0][query]
        return left_out(self._rule, self._gallery_cameras[same] == self._query_cameras[query], dressed)

    def _drop(self, start: int, block: NDArray[np.floating[Any]]) -> None:
        """Move what the rule leaves out behind everything else."""
        cameras = self._query_cameras[start : start + len(block), None]
        if self._rule == "intra":
            block[cameras != self._gallery_cameras] = np.inf
        elif self._rule == "inter":
            block[cameras == self._gallery_cameras] = np.inf
        elif self._rule != "all":
            for row in range(len(block)):
                query = start + row
                same = self._by_id[self._first[query] : self._last[query]]
                block[row, same[self._left_out(query, same)]] = np.inf

    def scores(self, convention: Convention = "standard", max_rank: int | None = 50) -> RetrievalScores:
        """Scores over all queries added.

        Args:
            convention: of the average precision.
            max_rank: length of the CMC curve; None takes the whole gallery.

        Raises:
            UserError: when a query was not added, the convention is unknown, or the curve has no length.
        """
        one_of(convention, CONVENTIONS, "the convention of average precision")
        if max_rank is not None and max_rank < 1:
            raise UserError(f"a CMC curve has at least one rank, not {max_rank}")
        if any(ranks is None for ranks in self._ranks):
            raise UserError("some queries have no distances yet")
        ranks = [ranks for ranks in self._ranks if ranks is not None]
        counts = np.array([len(r) for r in ranks], np.int64)
        place = np.concatenate([np.zeros(0, np.int64), *ranks])
        owner = np.repeat(np.arange(len(ranks)), counts)
        number = np.arange(len(place)) - np.repeat(np.cumsum(counts) - counts, counts)
        precision = (number + 1) / (place + 1)
        if convention == "trapezoid":
            precision = (precision + np.where(place > 0, number / np.maximum(place, 1), 1.0)) / 2
        matched = counts > 0
        total = np.bincount(owner, precision, len(ranks))
        average = np.divide(total, counts, out=np.full(len(ranks), np.nan), where=matched)
        counted = len(ranks) if convention == "trapezoid" else int(matched.sum())
        length = self._gallery_size if max_rank is None else min(max_rank, self._gallery_size)
        best = place[number == 0]
        hits = np.bincount(best[best < length], minlength=length)
        return RetrievalScores(
            convention=convention,
            mean_ap=float(np.nansum(average) / counted) if counted else float("nan"),
            cmc=np.cumsum(hits) / counted if counted else np.full(length, np.nan),
            average_precision=average,
            first_match=np.array([found[0] if len(found) else -1 for found in ranks], np.int64),
            queries=counted,
            unmatched=int((~matched).sum()),
        )


def ranked_last(block: FloatArray, query_ids: IntArray, gallery_ids: IntArray) -> FloatArray:
    """Infinite distances made finite, behind all others, right answers last; (Q, G) float32."""
    unseen = np.isinf(block)
    if not unseen.any():
        return block
    right = query_ids[:, None] == gallery_ids
    return np.where(unseen, np.where(right, _UNSEEN_RIGHT, _UNSEEN_WRONG), block)


def retrieval_scores(
    distances: NDArray[np.floating[Any]],
    query_ids: IntArray,
    gallery_ids: IntArray,
    query_cameras: IntArray,
    gallery_cameras: IntArray,
    rule: Rule = "market",
    convention: Convention = "standard",
) -> RetrievalScores:
    """CMC and mean average precision of a finished distance matrix.

    Args:
        distances: (Q, G).
        query_ids: (Q,).
        gallery_ids: (G,).
        query_cameras: (Q,).
        gallery_cameras: (G,).
        rule: which gallery items a query ranks, see ``RetrievalEvaluator``.
        convention: of average precision, see the module.

    >>> import numpy as np
    >>> apart = np.array([[0.2, 0.9, 0.1]])
    >>> found = retrieval_scores(apart, np.array([1]), np.array([1, 1, 2]), np.array([1]), np.array([2, 3, 2]))
    >>> found.rank(1), round(found.mean_ap, 4)
    (0.0, 0.5833)
    """
    evaluator = RetrievalEvaluator(query_ids, gallery_ids, query_cameras, gallery_cameras, rule)
    evaluator.add(0, distances)
    return evaluator.scores(convention)


def evaluate_blocks(
    evaluator: RetrievalEvaluator, blocks: Iterable[tuple[int, NDArray[np.floating[Any]]]]
) -> RetrievalEvaluator:
    """Add distances that come as (first query, rows), and return the evaluator."""
    for start, block in blocks:
        evaluator.add(start, block)
    return evaluator
