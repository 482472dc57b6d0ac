"""Benchmarks of the space-time model: building it, and the joint score."""

from importlib import import_module

import numpy as np

from tools.benchmarks.base import Case, Contender, Job
from tools.benchmarks.references import Array, joint_scores, st_histogram, st_smoothing

_HERE = "tools.benchmarks.space_time"


def rows(count: int, people: int, cameras: int, seed: int) -> tuple[Array, Array, Array]:
    """Labels, cameras (from 0) and frames of synthetic detections with camera-wise walking times."""
    random = np.random.default_rng(seed)
    label = np.arange(count) % people
    camera = random.integers(1, cameras + 1, count)
    start = random.integers(0, 150000, people)
    walk = random.integers(-30000, 30001, (people, cameras))
    offset = random.integers(0, 30000, cameras)
    jitter = random.integers(0, 600, count)
    frame = start[label] + offset[camera - 1] + walk[label, camera - 1] + 30000 + jitter
    return label, camera - 1, frame


def build_ours(count: int, people: int, cameras: int, seed: int, bins: int) -> Job:
    """Published distribution, ours."""
    from st_model.published import published_distribution

    import_module("scipy.ndimage")
    label, camera, frame = rows(count, people, cameras, seed)
    names = tuple(f"c{number}" for number in range(8))
    return lambda: published_distribution(label, camera, frame, names, bins=bins).probability.sum()


def build_reference(count: int, people: int, cameras: int, seed: int, bins: int) -> Job:
    """Published distribution, loops; 8 x 8 camera slots as published."""
    label, camera, frame = rows(count, people, cameras, seed)
    return lambda: st_smoothing(st_histogram(label, camera, frame, 8, 100, bins), 50).sum()


def build_seconds(count: int, people: int, cameras: int, seed: int) -> Job:
    """Our model in seconds: visits, both tables, cross-validated bandwidths."""
    from st_model.build import build_model
    from st_model.visits import visits_from_rows

    import_module("scipy.fft")
    label, camera, frame = rows(count, people, cameras, seed)
    names = np.array([f"c{number}" for number in range(cameras)])[camera]
    return lambda: build_model(visits_from_rows(label, names, frame / 25.0, 20.0)).next_counts.sum()


def _joint_input(queries: int, gallery: int, dim: int) -> tuple[Array, ...]:
    random = np.random.default_rng(5)
    distribution = random.random((8, 8, 5000))
    distribution /= distribution.sum(-1, keepdims=True)
    features = []
    for count in (queries, gallery):
        rows_ = random.standard_normal((count, dim), np.float32)
        features.append(rows_ / np.linalg.norm(rows_, axis=1, keepdims=True))
    return distribution, *features, *rows(queries, 750, 6, 21)[1:], *rows(gallery, 751, 6, 22)[1:]


def joint_ours(queries: int, gallery: int, dim: int, rows_used: int) -> Job:
    """Joint score from features, ours, float32, chunked."""
    from st_model.published import PublishedDistribution
    from st_model.scores import st_reid_joint

    table, query, others, query_camera, query_frame, camera, frame = _joint_input(queries, gallery, dim)
    names = tuple(f"c{number}" for number in range(8))
    distribution = PublishedDistribution(names, table.transpose(1, 0, 2).copy(), None, np.zeros((8, 8)))

    def job() -> float:
        similarity = query @ others.T
        st_reid_joint(similarity, query_camera, query_frame, camera, frame, distribution, out=similarity)
        return similarity[:rows_used].mean(dtype=np.float64)

    return job


def joint_reference(queries: int, gallery: int, dim: int, rows_used: int) -> Job:
    """Joint score, one gallery item at a time, for the first rows only."""
    table, query, others, query_camera, query_frame, camera, frame = _joint_input(queries, gallery, dim)
    part = slice(0, rows_used)

    def job() -> float:
        scores = joint_scores(query[part], query_camera[part], query_frame[part], others, camera, frame, table, 100)
        return scores.mean()

    return job


def cases(quick: bool) -> list[Case]:
    """All cases; small ones when quick."""
    market = {"count": 12936, "people": 751, "cameras": 6, "seed": 11, "bins": 5000}
    duke = {"count": 16522, "people": 702, "cameras": 8, "seed": 12, "bins": 3000}
    small = {"count": 2000, "people": 100, "cameras": 4, "seed": 13, "bins": 1000}
    result = []
    for name, size in [("small", small)] if quick else [("Market", market), ("Duke", duke)]:
        ours = Contender("ours", f"{_HERE}:build_ours", size)
        reference = Contender("loops", f"{_HERE}:build_reference", size)
        result.append(Case(f"ST distribution, {name} scale", ours, (reference,), "Market: < 0.1 s", 1e-9))
        rows_only = {key: value for key, value in size.items() if key != "bins"}
        seconds = Contender("ours", f"{_HERE}:build_seconds", rows_only)
        result.append(Case(f"transition model in seconds, {name} scale", seconds))
    joint = {"queries": 200, "gallery": 1000, "dim": 64} if quick else {"queries": 3368, "gallery": 15913, "dim": 512}
    used = 50 if quick else 300
    ours = Contender("ours", f"{_HERE}:joint_ours", {**joint, "rows_used": used})
    label = f"loops ({used} rows, scaled)"
    scale = joint["queries"] / used
    reference = Contender(label, f"{_HERE}:joint_reference", {**joint, "rows_used": used}, scale)
    name = f"joint score {joint['queries']} x {joint['gallery']}, D {joint['dim']}"
    return [*result, Case(name, ours, (reference,), "< 2 s", 1e-5)]
