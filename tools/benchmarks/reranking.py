"""Benchmarks of k-reciprocal re-ranking."""

from importlib import import_module

import numpy as np

from reid.ranking.neighbours import Search
from tools.benchmarks.base import Case, Contender, Job
from tools.benchmarks.references import Array, k_reciprocal

_HERE = "tools.benchmarks.reranking"


def features(queries: int, gallery: int) -> tuple[Array, Array]:
    """Unit rows round centres that query and gallery share."""
    random = np.random.default_rng(7)
    people = max(10, gallery // 21)
    centres = random.standard_normal((people, 64), np.float32)
    label = np.concatenate([np.arange(queries) % people, np.arange(gallery) % people])
    rows = centres[label] + np.float32(0.9) * random.standard_normal((queries + gallery, 64), np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows[:queries], rows[queries:]


def ours(queries: int, gallery: int, search: Search = "exact") -> Job:
    """Sparse re-ranking from features, the whole (Q, G) result in memory."""
    from reid.ranking.rerank import rerank_features

    import_module("scipy.sparse")
    query, others = features(queries, gallery)
    return lambda: rerank_features(query, others, search=search).matrix().sum(dtype=np.float64)


def ours_in_blocks(queries: int, gallery: int, search: Search) -> Job:
    """The same, the result consumed block by block."""
    from reid.ranking.rerank import rerank_features

    import_module("scipy.sparse")
    query, others = features(queries, gallery)

    def job() -> float:
        reranked = rerank_features(query, others, search=search)
        return float(sum(block.sum(dtype=np.float64) for _, block in reranked.blocks()))

    return job


def reference(queries: int, gallery: int) -> Job:
    """Dense re-ranking of distance matrices; making these is part of the job, as it is part of ours."""
    query, others = features(queries, gallery)

    def distances(a: Array, b: Array) -> Array:
        return np.sqrt(np.maximum(2 - 2 * (a @ b.T), 0))

    def job() -> float:
        parts = distances(query, others), distances(query, query), distances(others, others)
        return k_reciprocal(*parts).sum(dtype=np.float64)

    return job


def cases(quick: bool) -> list[Case]:
    """All cases; small ones when quick."""
    result = []
    for queries, gallery in [(100, 600)] if quick else [(1000, 6000), (3368, 15913)]:
        size = {"queries": queries, "gallery": gallery}
        fast, dense = Contender("ours", f"{_HERE}:ours", size), Contender("dense loops", f"{_HERE}:reference", size)
        aim = "CPU >= 20x, peak memory >= 10x" if queries == 3368 else ""
        result.append(Case(f"re-ranking {queries} x {gallery}", fast, (dense,), aim, 1e-5))
    queries, gallery = (300, 2700) if quick else (20_000, 80_000)
    for search in ("exact", "faiss"):
        in_blocks = {"queries": queries, "gallery": gallery, "search": search}
        name = f"re-ranking {queries} x {gallery} in blocks, {search} search"
        result.append(Case(name, Contender("ours", f"{_HERE}:ours_in_blocks", in_blocks), (), "< 5 min, < 4 GB"))
    return result
