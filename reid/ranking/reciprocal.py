"""k-reciprocal encoding on neighbour lists (Zhong et al., "Re-ranking Person Re-identification with k-reciprocal
Encoding", CVPR 2017), sparse throughout: nothing of size N x N is ever stored.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from data.records import FloatArray, IntArray

if TYPE_CHECKING:
    from scipy.sparse import csc_matrix, csr_matrix

PairDistance = Callable[[IntArray, IntArray], NDArray[np.floating[Any]]]

_COMPARISONS = 1 << 23


def reciprocal_neighbours(ranks: IntArray, k: int) -> "csr_matrix":
    """Which of the first k + 1 neighbours of each item have it among their own first k + 1.

    Args:
        ranks: (N, K) int64 neighbours of each item, nearest first, itself normally included.
        k: neighbours looked at; all K where k + 1 exceeds them.

    Returns:
        (N, N) int32 matrix of ones.
    """
    from scipy.sparse import csr_matrix

    lists = ranks[:, : k + 1]
    total, width = lists.shape
    mutual = np.empty((total, width), bool)
    step = max(1, _COMPARISONS // (width * width))
    for start in range(0, total, step):
        part = lists[start : start + step]
        own = np.arange(start, start + len(part))[:, None, None]
        mutual[start : start + step] = (lists[part] == own).any(axis=2)
    rows, places = np.nonzero(mutual)
    ones = np.ones(len(rows), np.int32)
    sets = csr_matrix((ones, (rows, lists[rows, places])), shape=(total, total))
    sets.data[:] = 1
    return sets


def expanded_sets(ranks: IntArray, k1: int) -> "csr_matrix":
    """The k1-reciprocal set of each item, joined with the k1/2-reciprocal sets of members that agree with it.

    A member's set joins when more than two thirds of it lie in the item's own (unexpanded) set.

    Returns:
        (N, N) matrix of ones with sorted indices.
    """
    own = reciprocal_neighbours(ranks, k1)
    half = reciprocal_neighbours(ranks, int(np.around(k1 / 2)))
    common = (own @ half.T).multiply(own).tocoo()
    sizes = np.diff(half.indptr)
    agrees = 3 * common.data > 2 * sizes[common.col]
    joins = type(own)((common.data[agrees], (common.row[agrees], common.col[agrees])), shape=own.shape)
    sets = (own + joins @ half).tocsr()
    sets.sort_indices()
    sets.data[:] = 1
    return sets


def encode(ranks: IntArray, k1: int, k2: int, distance: PairDistance) -> "csr_matrix":
    """The k-reciprocal vector of each item.

    Args:
        ranks: (N, K) int64 neighbours, nearest first.
        k1: size of the reciprocal sets.
        k2: neighbours over which vectors are averaged (local query expansion); 1 does not average.
        distance: row-normalised distances of pairs (items, others).

    Returns:
        (N, N) float32; every row sums to 1.
    """
    from scipy.sparse import csr_matrix

    sets = expanded_sets(ranks, k1)
    total = sets.shape[0]
    rows = np.repeat(np.arange(total), np.diff(sets.indptr))
    weights = np.exp(-distance(rows, sets.indices.astype(np.int64)).astype(np.float64))
    sums = np.bincount(rows, weights, total)
    shares = np.divide(weights, sums[rows], out=np.zeros_like(weights), where=sums[rows] > 0)
    vectors = csr_matrix((shares.astype(np.float32), sets.indices, sets.indptr), shape=sets.shape)
    if k2 <= 1:
        return vectors
    near = ranks[:, :k2]
    width = near.shape[1]
    mean = csr_matrix(
        (np.full(near.size, 1.0 / width, np.float32), near.ravel(), np.arange(0, near.size + 1, width)), vectors.shape
    )
    averaged = (mean @ vectors).tocsr()
    averaged.sort_indices()
    return averaged


def jaccard_distance(vectors: "csr_matrix", columns: "csc_matrix") -> FloatArray:
    """Generalised Jaccard distance 1 - sum min / sum max of every row of two sets of vectors that each sum to 1.

    Args:
        vectors: (Q, N) rows.
        columns: (G, N) the others, by column.

    Returns:
        (Q, G) float32, 0-1.
    """
    queries, gallery = vectors.shape[0], columns.shape[0]
    lengths = np.diff(columns.indptr)[vectors.indices]
    source = np.repeat(np.arange(len(vectors.indices)), lengths)
    before = np.cumsum(lengths) - lengths
    place = np.arange(len(source)) - before[source] + columns.indptr[vectors.indices][source]
    shared = np.minimum(vectors.data[source], columns.data[place])
    owner = np.repeat(np.arange(queries), np.diff(vectors.indptr))
    cell = owner[source] * gallery + columns.indices[place]
    overlap = np.bincount(cell, shared, queries * gallery).astype(np.float32).reshape(queries, gallery)
    np.subtract(2.0, overlap, out=(rest := np.empty_like(overlap)))
    np.divide(overlap, rest, out=overlap)
    return np.subtract(1.0, overlap, out=overlap)


def postings(vectors: "csr_matrix", columns: "csc_matrix") -> IntArray:
    """Number of terms each row of ``jaccard_distance`` sums: (Q,) int64, to size its blocks."""
    terms = np.diff(columns.indptr).astype(np.int64)[vectors.indices]
    running = np.concatenate([[0], np.cumsum(terms)])
    return running[vectors.indptr[1:]] - running[vectors.indptr[:-1]]
