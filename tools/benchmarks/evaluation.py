"""Benchmarks of retrieval evaluation: CMC and mAP."""

from typing import Any

import numpy as np

from tools.benchmarks.base import Case, Contender, Job
from tools.benchmarks.references import Array, evaluate_market, evaluate_trapezoid

_HERE = "tools.benchmarks.evaluation"


def distances(queries: int, gallery: int) -> tuple[Array, Array, Array, Array, Array]:
    """Random distances with identities and cameras: distance, query ids, gallery ids, query and gallery cameras."""
    random = np.random.default_rng(3)
    query_id, query_camera = random.integers(0, 750, queries), random.integers(0, 6, queries)
    gallery_id, gallery_camera = random.integers(0, 751, gallery), random.integers(0, 6, gallery)
    return random.random((queries, gallery), np.float32), query_id, gallery_id, query_camera, gallery_camera


def ours(queries: int, gallery: int, convention: Any) -> Job:
    """Block by block."""
    from reid.ranking.metrics import RetrievalEvaluator

    distance, query_id, gallery_id, query_camera, gallery_camera = distances(queries, gallery)

    def job() -> float:
        evaluator = RetrievalEvaluator(query_id, gallery_id, query_camera, gallery_camera)
        evaluator.add(0, distance)
        return evaluator.scores(convention).mean_ap

    return job


def reference(queries: int, gallery: int, convention: str) -> Job:
    """One query at a time."""
    data = distances(queries, gallery)
    if convention == "standard":
        return lambda: evaluate_market(*data)[1]
    return lambda: evaluate_trapezoid(*data)[1]


def cases(quick: bool) -> list[Case]:
    """All cases; small ones when quick."""
    queries, gallery = (100, 1000) if quick else (3368, 15913)
    result = []
    for convention in ("standard", "trapezoid"):
        size = {"queries": queries, "gallery": gallery, "convention": convention}
        aim = "CPU >= 10x" if convention == "standard" else ""
        fast, loop = Contender("ours", f"{_HERE}:ours", size), Contender("loop", f"{_HERE}:reference", size)
        result.append(Case(f"evaluation {queries} x {gallery}, {convention} mAP", fast, (loop,), aim, 1e-6))
    return result
