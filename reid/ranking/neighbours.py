"""Nearest neighbours of every item among all items, with the same ranks on every device.

A fast search (numpy, torch on any device, or faiss) proposes candidates with a margin; their similarities are then
computed once more in float64 on the CPU, rounded to float32 and sorted stably. What a device rounds differently in its
float32 product so never reaches the ranks.
"""

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from data.errors import UserError
from data.records import FloatArray, IntArray

Search = Literal["exact", "faiss"]

_BLOCK_CELLS = 1 << 22
_GROUP = 64
_MARGIN = np.float32(1e-5)
_PAIR_CELLS = 1 << 21
_SPARE = 8


def unit_rows(features: NDArray[np.floating[Any]]) -> FloatArray:
    """Rows of unit length, float32 C-contiguous; a zero row stays zero.

    Raises:
        UserError: when a value is not finite.
    """
    finite = np.isfinite(features).all(axis=1)
    if not finite.all():
        raise UserError(
            f"{int((~finite).sum())} of {len(features)} feature rows hold NaN or infinity, first row "
            f"{int(np.flatnonzero(~finite)[0])}; remove them or extract them again"
        )
    rows = np.ascontiguousarray(features, np.float32)
    norms = np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))
    scale: FloatArray = np.divide(1.0, norms, out=np.zeros_like(norms), where=norms > 0).astype(np.float32)
    return rows * scale[:, None]


def pair_similarities(features: FloatArray, rows: IntArray, columns: IntArray) -> FloatArray:
    """Cosine similarity of single pairs, (K,) float32, accumulated in float64.

    Args:
        features: (N, D) unit rows.
        rows: (K,) first item of each pair.
        columns: (K,) second item.
    """
    result = np.empty(len(rows), np.float32)
    step = max(1, _PAIR_CELLS // max(features.shape[1], 1))
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        left = features[rows[part]].astype(np.float64)
        result[part] = np.einsum("ij,ij->i", left, features[columns[part]].astype(np.float64))
    return result


def nearest(
    features: FloatArray, count: int, device: str = "numpy", search: Search = "exact"
) -> tuple[IntArray, FloatArray, FloatArray]:
    """The most similar items of every item, itself included.

    Args:
        features: (N, D) float32 unit rows.
        count: K, at most N.
        device: "numpy", or a torch device ("cpu", "cuda") for the search.
        search: "exact" compares all pairs in blocks; "faiss" visits a part of an inverted file, for sets too large for
            that (its ranks are approximate).

    Returns:
        indices: (N, K) int64, most similar first; equal similarities by index.
        similarities: (N, K) float32.
        least: (N,) float32 similarity of the least similar item.

    Raises:
        UserError: when faiss is asked for and not installed.
    """
    total = len(features)
    indices = np.empty((total, count), np.int64)
    similarities = np.empty((total, count), np.float32)
    least = np.empty(total, np.float32)
    for start, stop, rows, columns, lowest in _candidates(features, count, device, search):
        values = pair_similarities(features, rows, columns)
        order = np.lexsort((columns, -values, rows))
        rows, columns, values = rows[order], columns[order], values[order]
        first = np.searchsorted(rows, np.arange(start, stop))
        place = first[:, None] + np.arange(count)
        indices[start:stop], similarities[start:stop] = columns[place], values[place]
        least[start:stop] = lowest
    return indices, similarities, least


Candidates = Iterator[tuple[int, int, IntArray, IntArray, FloatArray]]


def _candidates(features: FloatArray, count: int, device: str, search: Search) -> Candidates:
    if search == "faiss":
        return _faiss_candidates(features, count)
    if device == "numpy":
        return _numpy_candidates(features, count)
    return _torch_candidates(features, count, device)


def _numpy_candidates(features: FloatArray, count: int) -> Candidates:
    """Pairs that may be among the ``count`` most similar of their row.

    The ``count``-th largest of many group maxima is a lower bound of the ``count``-th largest value, and far cheaper.
    """
    total = len(features)
    step = max(1, _BLOCK_CELLS // total)
    transposed = np.ascontiguousarray(features.T)
    groups = total // _GROUP
    block = np.empty((min(step, total), total), np.float32)
    for start in range(0, total, step):
        stop = min(start + step, total)
        similarity = np.matmul(features[start:stop], transposed, out=block[: stop - start])
        if groups < max(_GROUP, 4 * count):
            best = similarity
        else:
            best = similarity[:, : groups * _GROUP].reshape(stop - start, _GROUP, groups).max(axis=1)
        threshold = np.partition(best, best.shape[1] - count, axis=1)[:, -count] - _MARGIN
        flat = np.flatnonzero(similarity >= threshold[:, None])
        yield start, stop, start + flat // total, flat % total, similarity.min(axis=1)


def _torch_candidates(features: FloatArray, count: int, device: str) -> Candidates:
    import torch

    total = len(features)
    step = max(1, (_BLOCK_CELLS if device == "cpu" else 16 * _BLOCK_CELLS) // total)
    with torch.inference_mode():
        everything = torch.from_numpy(features).to(device)
        for start in range(0, total, step):
            stop = min(start + step, total)
            similarity = everything[start:stop] @ everything.T
            threshold = similarity.topk(count, dim=1).values[:, -1:] - float(_MARGIN)
            rows, columns = torch.nonzero(similarity >= threshold, as_tuple=True)
            lowest = similarity.amin(dim=1).cpu().numpy()
            yield start, stop, start + rows.cpu().numpy(), columns.cpu().numpy(), lowest


def _faiss_candidates(features: FloatArray, count: int) -> Candidates:
    try:
        import faiss
    except ImportError:
        raise UserError("faiss is not installed; `pip install faiss-cpu`, or use the exact search") from None
    total, dim = features.shape
    lists = max(1, int(np.sqrt(total)))
    index: Any = faiss.index_factory(dim, f"IVF{lists},Flat", faiss.METRIC_INNER_PRODUCT)
    index.cp.seed, index.cp.min_points_per_centroid = 0, 1
    sample = np.random.default_rng(0).permutation(total)[: 64 * lists]
    index.train(features[np.sort(sample)])
    index.add(features)
    index.nprobe = max(16, lists // 16)
    wanted = min(count + _SPARE, total)
    step = 8192
    for start in range(0, total, step):
        stop = min(start + step, total)
        _, found = index.search(features[start:stop], wanted)
        farthest, _ = index.search(-features[start:stop], 1)
        _fill_missing(found, total)
        rows = np.repeat(np.arange(start, stop), wanted)
        yield start, stop, rows, found.ravel().astype(np.int64), -farthest[:, 0]


def _fill_missing(found: IntArray, total: int) -> None:
    """Where the visited lists held too few items, take the items of lowest index that are not there yet."""
    for row in np.flatnonzero((found < 0).any(axis=1)):
        missing = found[row] < 0
        pool = np.setdiff1d(np.arange(min(total, 2 * found.shape[1])), found[row][~missing])
        found[row, missing] = pool[: int(missing.sum())]
