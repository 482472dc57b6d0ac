"""k-reciprocal re-ranking of distances (Zhong et al., CVPR 2017), exact and sparse.

Result = (1 - lambda) Jaccard + lambda d, with d the squared distance of each item divided by the largest of its row.
Smaller is more alike.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from data.errors import UserError
from data.kernels.checks import matrix
from data.records import FloatArray, IntArray
from reid.ranking.neighbours import Search, nearest, pair_similarities, unit_rows
from reid.ranking.reciprocal import encode, jaccard_distance, postings

if TYPE_CHECKING:
    from scipy.sparse import csc_matrix, csr_matrix

K1, K2, LAMBDA = 20, 6, 0.3
_BLOCK_CELLS = 1 << 21
_BLOCK_TERMS = 1 << 22
_TINY = 1e-12
# Similarities of unit vectors exceed 1, and distances fall below 0, by the rounding of float16 at most.
_ROUNDING = 2e-3


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """Parameters of re-ranking.

    Attributes:
        k1: size of the reciprocal neighbourhood.
        k2: neighbours over which the encoding is averaged.
        lambda_: weight of the original distance, 0-1.
    """

    k1: int = K1
    k2: int = K2
    lambda_: float = LAMBDA

    def __post_init__(self) -> None:
        if self.k1 < 1 or self.k2 < 1 or not 0 <= self.lambda_ <= 1:
            raise UserError(f"re-ranking needs k1 >= 1, k2 >= 1 and 0 <= lambda <= 1, got {self}")


def auto_neighbourhood(count: int, per_person: float) -> Neighbourhood | None:
    """Parameters for a set of any size, or None where re-ranking would not help.

    k1 is the number of items a person has in the set, at most the published 20; k2 is 0.3 k1, at least 2, and 1 for
    pairs. Nothing is re-ranked where most people have one item, or where the set is smaller than three neighbourhoods.

    Measured on real OSNet features of Market-1501 (5 to 250 people with 2 to 16 images each, mAP): this choice gained
    .01 for 2 images a person, .04 for 3, .07 for 4, .09 for 6, .10 to .14 for 10 and 16, at every number of people; the
    published 20 and 6 lost up to .16 below 4 images.

    Args:
        count: N items.
        per_person: expected items per person, itself included.
    """
    k1 = min(round(per_person), K1)
    if per_person < 1.5 or count < 3 * k1:
        return None
    return Neighbourhood(k1, 1 if k1 < 3 else max(2, round(0.3 * k1)))


@dataclass(frozen=True, slots=True, eq=False)
class Reranked:
    """Re-ranked distances of Q queries to G gallery items, computed block by block when asked for.

    Attributes:
        rows: (Q, N) float32 k-reciprocal encodings of the queries.
        columns: (G, N) float32 those of the gallery, by column.
        lambda_: weight of the original distance.
        distance: row-normalised original distances of the queries [start, stop) to the gallery: (stop - start, G).
    """

    rows: "csr_matrix"
    columns: "csc_matrix"
    lambda_: float
    distance: Callable[[int, int], NDArray[np.floating[Any]]]

    @property
    def shape(self) -> tuple[int, int]:
        """(Q, G)."""
        return self.rows.shape[0], self.columns.shape[0]

    def blocks(self) -> Iterator[tuple[int, FloatArray]]:
        """Rows in order: (first query, (rows, G) float32). Memory does not grow with Q."""
        queries, gallery = self.shape
        terms = np.concatenate([[0], np.cumsum(postings(self.rows, self.columns))])
        most = max(1, _BLOCK_CELLS // max(gallery, 1))
        start = 0
        while start < queries:
            fits = int(np.searchsorted(terms, terms[start] + _BLOCK_TERMS, side="right")) - 1
            stop = min(max(fits, start + 1), start + most, queries)
            block = jaccard_distance(self.rows[start:stop], self.columns)
            if self.lambda_ > 0:
                block *= np.float32(1 - self.lambda_)
                block += np.float32(self.lambda_) * self.distance(start, stop)
            yield start, block
            start = stop

    def matrix(self) -> FloatArray:
        """All of it, (Q, G) float32."""
        result = np.empty(self.shape, np.float32)
        for start, block in self.blocks():
            result[start : start + len(block)] = block
        return result


def rerank_features(
    query: NDArray[np.floating[Any]],
    gallery: NDArray[np.floating[Any]],
    parameters: Neighbourhood | None = None,
    device: str = "numpy",
    search: Search = "exact",
) -> Reranked:
    """Re-rank by appearance vectors, without a matrix of all pairs.

    Args:
        query: (Q, D); rows are normalised here.
        gallery: (G, D).
        parameters: k1, k2 and lambda; None takes the published ones. A k1 beyond the set uses the whole set.
        device: "numpy", or a torch device for the neighbour search; the ranks are the same on all.
        search: "exact", or "faiss" for an approximate search in very large sets.

    Raises:
        UserError: when a feature is not finite, the two widths differ, or one side has none.
    """
    query = matrix(query, (None, None), "query features")
    gallery = matrix(gallery, (None, None), "gallery features")
    _check_sizes(len(query), len(query) + len(gallery))
    if query.shape[1] != gallery.shape[1]:
        raise UserError(f"query features have {query.shape[1]} columns, gallery features {gallery.shape[1]}")
    parameters = parameters or Neighbourhood()
    features = np.concatenate([unit_rows(query), unit_rows(gallery)])
    total, queries = len(features), len(query)
    ranks, _, least = nearest(features, _list_length(parameters, total), device, search)
    largest = np.maximum(2.0 - 2.0 * least, np.float32(_TINY))

    def pairs(rows: IntArray, columns: IntArray) -> FloatArray:
        return np.maximum(2.0 - 2.0 * pair_similarities(features, rows, columns), 0.0) / largest[rows]

    def block(start: int, stop: int) -> FloatArray:
        squared = features[start:stop] @ features[queries:].T
        squared *= -2.0
        squared += 2.0
        np.maximum(squared, 0.0, out=squared)
        squared /= largest[start:stop, None]
        return squared

    vectors = encode(ranks, parameters.k1, parameters.k2, pairs)
    return _split(vectors, queries, parameters.lambda_, block)


def rerank_rows(
    rows: Callable[[int, int], NDArray[np.floating[Any]]],
    queries: int,
    total: int,
    parameters: Neighbourhood | None = None,
) -> Reranked:
    """Re-rank distances that come block by block, for scores that are no product of features (ST-ReID's joint score).

    Args:
        rows: (start, stop) -> (stop - start, N) distances of these items to all, queries first, >= 0; NaN where there
            is no evidence. Nothing is squared. Called for every block twice, and for the queries once more.
        queries: Q.
        total: N = Q + G.
        parameters: k1, k2 and lambda; None takes the published ones.

    Raises:
        UserError: when there are no queries or nothing but queries, or a distance is negative.
    """
    _check_sizes(queries, total)
    parameters = parameters or Neighbourhood()
    encoded = _encode_rows(rows, total, parameters)

    def block(start: int, stop: int) -> NDArray[np.floating[Any]]:
        return np.asarray(rows(start, stop))[:, queries:] / encoded.largest[start:stop, None]

    return _split(encoded.vectors, queries, parameters.lambda_, block)


def rerank_distances(
    query_gallery: NDArray[np.floating[Any]],
    query_query: NDArray[np.floating[Any]],
    gallery_gallery: NDArray[np.floating[Any]],
    parameters: Neighbourhood | None = None,
) -> FloatArray:
    """Re-rank distance matrices as published; they are squared here.

    Args:
        query_gallery: (Q, G) distances, >= 0.
        query_query: (Q, Q).
        gallery_gallery: (G, G).
        parameters: k1, k2 and lambda; None takes the published ones.

    Returns:
        (Q, G) float32.

    Raises:
        UserError: when the shapes do not fit one another, or a distance is negative.
    """
    query_gallery = matrix(query_gallery, (None, None), "distances of queries to the gallery")
    queries, items = query_gallery.shape
    _check_sizes(queries, queries + items)
    query_query = matrix(query_query, (queries, queries), "distances of queries to queries")
    gallery_gallery = matrix(gallery_gallery, (items, items), "distances within the gallery")
    for distances in (query_gallery, query_query, gallery_gallery):
        _check_distances(distances)
    upper = np.concatenate([query_query, query_gallery], axis=1)
    lower = np.concatenate([query_gallery.T, gallery_gallery], axis=1)
    squared = np.concatenate([upper, lower]).T ** 2
    return rerank_rows(lambda a, b: squared[a:b], len(query_gallery), len(squared), parameters).matrix()


def rerank_similarity(
    scores: NDArray[np.floating[Any]], queries: int, parameters: Neighbourhood | None = None
) -> FloatArray:
    """Re-rank a similarity matrix as ST-ReID does: distance 2 - 2 score, not squared.

    Args:
        scores: (N, N) over [query; gallery], at most 1; NaN where there is no evidence.
        queries: Q.
        parameters: k1, k2 and lambda; None takes the published ones.

    Returns:
        (Q, N - Q) float32.

    Raises:
        UserError: when the matrix is not square, or a score above 1 would be a negative distance.
    """
    scores = matrix(scores, (None, None), "scores")
    if scores.shape[0] != scores.shape[1]:
        raise UserError(f"scores of everything with everything are square, not of shape {scores.shape}")
    if scores.size and np.nanmax(scores, initial=-np.inf) > 1 + _ROUNDING:
        raise UserError(f"scores are at most 1, not {np.nanmax(scores):g}: divide them by their largest")
    distance = 2.0 - 2.0 * np.minimum(scores.T, 1.0)
    return rerank_rows(lambda a, b: distance[a:b], queries, len(scores), parameters).matrix()


def rerank_square(distances: NDArray[np.floating[Any]], parameters: Neighbourhood) -> FloatArray:
    """Re-rank the distances of one set among itself, such as tracklets.

    Args:
        distances: (N, N) symmetric, >= 0; NaN where there is no evidence, or where two items cannot be one person.
        parameters: k1, k2 and lambda, see ``auto_neighbourhood``.

    Returns:
        (N, N) float32 symmetric (the mean of both directions), 0 on the diagonal, NaN where the distance is NaN.

    Raises:
        UserError: when the matrix is not square, or a distance is negative.
    """
    distances = matrix(distances, (len(distances), len(distances)), "distances of one set")
    _check_distances(distances)
    squared = np.square(distances)
    encoded = _encode_rows(lambda a, b: squared[a:b], len(distances), parameters)
    vectors, columns = encoded.vectors, encoded.vectors.tocsc()
    result = Reranked(
        vectors, columns, parameters.lambda_, lambda a, b: squared[a:b] / encoded.largest[a:b, None]
    ).matrix()
    result = (result + result.T) * np.float32(0.5)
    result[np.isnan(distances)] = np.nan
    np.fill_diagonal(result, 0.0)
    return result


def _check_sizes(queries: int, total: int) -> None:
    if not 0 < queries < total:
        raise UserError(f"re-ranking needs queries and a gallery, got {queries} queries among {total} items")


def _check_distances(distances: NDArray[np.floating[Any]]) -> None:
    if distances.size and np.nanmin(distances, initial=np.inf) < -_ROUNDING:
        raise UserError(f"distances are not negative, but one is {np.nanmin(distances):g}")


def _split(
    vectors: "csr_matrix",
    queries: int,
    lambda_: float,
    distance: Callable[[int, int], NDArray[np.floating[Any]]],
) -> Reranked:
    return Reranked(vectors[:queries], vectors[queries:].tocsc(), lambda_, distance)


@dataclass(frozen=True, slots=True, eq=False)
class _Encoded:
    vectors: "csr_matrix"
    largest: NDArray[np.floating[Any]]


def _encode_rows(
    rows: Callable[[int, int], NDArray[np.floating[Any]]], total: int, parameters: Neighbourhood
) -> _Encoded:
    """Encodings (N, N) and the largest distance of each row, (N,)."""
    length = _list_length(parameters, total)
    ranks = np.empty((total, length), np.int64)
    largest = np.empty(total)
    step = max(1, _BLOCK_CELLS // max(total, 1))
    for start in range(0, total, step):
        stop = min(start + step, total)
        block = matrix(rows(start, stop), (stop - start, total), "distances of a block")
        _check_distances(block)
        known = np.where(np.isnan(block), np.inf, block)
        order = _stable_smallest(known, length)
        unknown = np.isinf(np.take_along_axis(known, order, axis=1))
        ranks[start:stop] = np.where(unknown, np.arange(start, stop)[:, None], order)
        largest[start:stop] = np.maximum(np.where(np.isinf(known), 0.0, known).max(axis=1), _TINY)

    def pairs(items: IntArray, others: IntArray) -> NDArray[np.floating[Any]]:
        result = np.empty(len(items))
        for start in range(0, total, step):
            low, high = np.searchsorted(items, [start, start + step])
            if high > low:
                block = np.asarray(rows(start, min(start + step, total)))
                result[low:high] = block[items[low:high] - start, others[low:high]]
        return np.where(np.isnan(result), np.inf, result) / largest[items]

    return _Encoded(encode(ranks, parameters.k1, parameters.k2, pairs), largest)


def _list_length(parameters: Neighbourhood, total: int) -> int:
    return min(max(parameters.k1 + 1, parameters.k2), total)


def _stable_smallest(block: NDArray[np.floating[Any]], count: int) -> IntArray:
    """Columns of the ``count`` smallest values of each row, smallest first, equal ones by column."""
    limit = np.partition(block, count - 1, axis=1)[:, count - 1]
    rows, columns = np.nonzero(block <= limit[:, None])
    order = np.lexsort((block[rows, columns], rows))
    first = np.searchsorted(rows, np.arange(len(block)))
    return columns[order][first[:, None] + np.arange(count)]
