"""The CMC curve of galleries with one picture per person, as CUHK03's classic protocol and PRCC have it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.errors import UserError
from data.kernels.checks import integers, matrix
from data.records import DoubleArray, IntArray


class SingleShotCmc:
    """CMC with one random image per gallery identity, as for CUHK03; its mAP is the standard one.

    Draws come from numpy's legacy generator in the order the published evaluation takes them, so that a seed gives its
    figures: queries in order, 10 rounds each, identities in order of first appearance in the ranking. The same identity
    in the same camera is left out.

    Args:
        query_ids: (Q,).
        gallery_ids: (G,).
        query_cameras: (Q,).
        gallery_cameras: (G,).
        max_rank: length of the curve.
        draws: rounds per query.
        seed: of the legacy generator.

    Raises:
        UserError: for a curve or number of draws below 1, and columns that are no integers or of different lengths.
    """

    def __init__(
        self,
        query_ids: IntArray,
        gallery_ids: IntArray,
        query_cameras: IntArray,
        gallery_cameras: IntArray,
        max_rank: int = 20,
        draws: int = 10,
        seed: int = 0,
    ) -> None:
        if min(max_rank, draws) < 1:
            raise UserError(f"a single-shot CMC needs max_rank and draws of 1 or more, not {max_rank} and {draws}")
        self._ids = integers(query_ids, "query identities"), integers(gallery_ids, "gallery identities")
        self._cameras = integers(query_cameras, "query cameras"), integers(gallery_cameras, "gallery cameras")
        if [len(column) for column in self._ids] != [len(column) for column in self._cameras]:
            raise UserError("every query and gallery item of a single-shot CMC needs an identity and a camera")
        self._draws, self._generator = draws, np.random.RandomState(seed)
        self._curve, self._counted, self._next = np.zeros(max_rank), 0, 0

    def add(self, distances: NDArray[np.floating[Any]]) -> None:
        """Rank the gallery for the next queries.

        Args:
            distances: (rows, G), smaller is more alike.

        Raises:
            UserError: for NaN, or more rows or other columns than there are queries and gallery items.
        """
        distances = matrix(distances, (None, len(self._ids[1])), "distances")
        if self._next + len(distances) > len(self._ids[0]):
            raise UserError(f"distances of more than the {len(self._ids[0])} queries")
        if np.isnan(distances).any():
            raise UserError("distances hold NaN; give pairs without evidence a large distance")
        for row in distances:
            self._add_query(self._next, row)
            self._next += 1

    def curve(self) -> DoubleArray:
        """(max_rank,) share of the queries added; NaN when none has a match."""
        return np.cumsum(self._curve) / self._counted if self._counted else np.full(len(self._curve), np.nan)

    def _add_query(self, query: int, row: NDArray[np.floating[Any]]) -> None:
        ranked = np.argsort(row, kind="stable")
        identity, gallery_ids = self._ids[0][query], self._ids[1]
        same = (gallery_ids[ranked] == identity) & (self._cameras[1][ranked] == self._cameras[0][query])
        people = gallery_ids[ranked[~same]]
        if not (people == identity).any():
            return
        self._counted += 1
        identities, first, member = np.unique(people, return_index=True, return_inverse=True)
        appearance = np.argsort(np.argsort(first, kind="stable"), kind="stable")
        label = appearance[member]
        grouped = np.argsort(label, kind="stable")
        sizes = np.bincount(label)
        drawn = self._generator.randint(0, np.tile(sizes, self._draws)).reshape(self._draws, -1)
        chosen = grouped[np.cumsum(sizes) - sizes + drawn]
        mine = chosen[:, appearance[identities == identity]]
        rank = (chosen < mine).sum(axis=1)
        length = len(self._curve)
        self._curve += np.bincount(rank[rank < length], minlength=length) / self._draws
