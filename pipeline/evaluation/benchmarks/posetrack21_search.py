"""Person search on PoseTrack21: mean average precision and top-k of finding people in all other pictures.

Predictions are a folder of two files of described boxes (``data.formats.box_features``): ``query.npz``, whose owners
are ids of the queries' annotations, and ``gallery.npz``, whose owners are ids of pictures. Only detections with a score
of at least 0.5 are ranked, only in pictures that have anybody annotated.

Source: Döring et al., "PoseTrack21", CVPR 2022, and its person search kit.
"""

from pathlib import Path

import numpy as np

from data.datasets.posetrack21_search import SearchPeople, SearchSet, read_search_set
from data.errors import UserError
from data.formats.box_features import BoxFeatures, read_box_features
from pipeline.evaluation.benchmarks.request import BenchmarkRequest
from pipeline.evaluation.benchmarks.result import BenchmarkResult, Table
from pipeline.evaluation.bootstrap import Interval, bootstrap
from pipeline.evaluation.person_search import RANKS, SearchScores, person_search

QUERY_FILE, GALLERY_FILE = "query.npz", "gallery.npz"
SCORE_MIN = 0.5


def score(request: BenchmarkRequest) -> BenchmarkResult:
    """Score queries against the gallery."""
    if request.split not in ("", "val"):
        raise UserError(f"person search has no part {request.split!r}: queries are searched for in val; leave it out")
    if request.sequences:
        raise UserError("person search has no sequences; leave --sequences out")
    dataset = read_search_set(request.root)
    warnings = [str(problem) for problem in dataset.problems]
    queries, described = _queries(dataset.queries, request.pred / QUERY_FILE, request.allow_missing, warnings)
    found = _gallery(dataset, request.pred / GALLERY_FILE, warnings)
    models = described.embeddings.model_id, found.embeddings.model_id
    if models[0] != models[1]:
        made = f"{QUERY_FILE} was made by {models[0]}, {GALLERY_FILE} by {models[1]}"
        raise UserError(f"{request.pred}: {made}; use one model for both")
    scores = person_search(queries, described.embeddings, dataset.gallery, found)
    if not scores.recalls.any():
        raise UserError(
            f"{request.pred}: none of {len(found)} detections lies on anybody who is searched for; are the owners ids "
            "of the data set's pictures, and boxes left, top, right, bottom px?"
        )
    if scores.left_out:
        warnings.append(f"{scores.left_out} queries are left out: no other picture shows their person")
    return _result(scores, dataset, found, warnings, request.seed)


def _queries(
    people: SearchPeople, path: Path, allow_missing: bool, warnings: list[str]
) -> tuple[SearchPeople, BoxFeatures]:
    """The queries that are described, and their descriptions row for row."""
    given = _read(path, warnings)
    owners, first = np.unique(given.owners, return_index=True)
    if len(owners) < len(given):
        again = int(given.owners[np.setdiff1d(np.arange(len(given)), first)[0]])
        raise UserError(f"{path}: query {again} is there twice; one row for each annotation of query.json")
    place = np.searchsorted(owners, people.annotations).clip(0, max(len(owners) - 1, 0))
    there = owners[place] == people.annotations if len(owners) else np.zeros(len(people), bool)
    lost, strange = int((~there).sum()), len(owners) - int(there.sum())
    if strange:
        warnings.append(f"{path.name}: {strange} rows are of no query, not scored")
    if lost and not allow_missing:
        raise UserError(
            f"{path} has nothing of query {people.annotations[~there][0]} ({lost} of {len(people)} are missing); "
            "--allow-missing leaves them out"
        )
    if lost:
        warnings.append(f"{lost} of {len(people)} queries are not described and left out")
    kept = SearchPeople(people.annotations[there], people.pictures[there], people.ids[there], people.boxes[there])
    return kept, given.select(first[place[there]])


def _gallery(dataset: SearchSet, path: Path, warnings: list[str]) -> BoxFeatures:
    """Detections that are ranked."""
    given = _read(path, warnings)
    known = np.isin(given.owners, sorted(dataset.images))
    ranked = np.isin(given.owners, dataset.gallery.pictures)
    weak = ranked & (given.scores < SCORE_MIN)
    for count, what in (
        (int((~known).sum()), "are of pictures that the data set does not have"),
        (int((known & ~ranked).sum()), "are in pictures without annotations"),
        (int(weak.sum()), f"have a score below {SCORE_MIN:g}"),
    ):
        if count:
            warnings.append(f"{path.name}: {count} of {len(given)} detections {what}, not ranked")
    return given.select(ranked & ~weak)


def _read(path: Path, warnings: list[str]) -> BoxFeatures:
    found = read_box_features(path)
    if found.broken:
        warnings.append(f"{path.name}: {found.broken} rows have features that are not finite: no evidence")
    return found


def _result(
    scores: SearchScores, dataset: SearchSet, found: BoxFeatures, warnings: list[str], seed: int
) -> BenchmarkResult:
    names = ("mAP", *(f"top-{rank}" for rank in RANKS))
    values = np.column_stack([scores.precisions, scores.firsts])
    figures = dict(zip(names, values.mean(axis=0).tolist(), strict=True))
    pictures = len(np.unique(dataset.gallery.pictures))
    columns = ("name", *names, "found", "queries", "people", "pictures", "detections")
    people = np.unique(scores.ids)
    row = (
        "all", *figures.values(), float(scores.recalls.mean()), len(scores), len(people), pictures, len(found),
    )  # fmt: skip
    table = Table("person search", columns, (row,), names)
    rules = f"val; gallery: all other pictures, detections from score {SCORE_MIN:g} on; IoU 0.5, less for small boxes"
    intervals = _intervals(values, names, scores, seed)
    return BenchmarkResult(
        "posetrack21_person_search", rules, (table,), figures, intervals, "identities", tuple(warnings)
    )


def _intervals(values: np.ndarray, names: tuple[str, ...], scores: SearchScores, seed: int) -> dict[str, Interval]:
    people, owner = np.unique(scores.ids, return_inverse=True)
    if len(people) < 2:
        return {}
    sums = np.stack([np.bincount(owner, column) for column in values.T])
    counts = np.bincount(owner)

    def measure(weights: np.ndarray) -> dict[str, float]:
        return dict(zip(names, (sums @ weights / max(1, int(counts @ weights))).tolist(), strict=True))

    return bootstrap(len(people), measure, seed)
