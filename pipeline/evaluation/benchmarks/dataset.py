"""Any data set of ``data.datasets``: what its record says decides how it is scored.

Sequences by themselves are combined; cameras of one site are joined, so that an id must agree over all of them. Places
on the ground are scored where the data set has them and the predictions do. A ``rule.json`` in the root and the options
replace the data set's own rule.

The rules of each data set, and where they are from, stand in its module in ``data/datasets``.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from data.datasets.registry import read_dataset
from data.datasets.tracking import TrackingDataset
from data.errors import UserError
from data.formats.mot import MotTable
from data.formats.world import WorldTable
from pipeline.evaluation.benchmarks.boxes import CameraScores, score_cameras
from pipeline.evaluation.benchmarks.request import BenchmarkRequest
from pipeline.evaluation.benchmarks.result import BenchmarkResult, Table
from pipeline.evaluation.evaluate import told_no_truth
from pipeline.evaluation.evaluate_ground import GroundRule, evaluate_ground, find_places, score_group
from pipeline.evaluation.ground import GroundTally
from pipeline.evaluation.predictions import read_predictions
from pipeline.evaluation.rules import Rule, read_rule
from pipeline.evaluation.sequences import pair_sequences

_GROUND = ("HOTA", "MOTA", "IDF1", "IDP", "IDR", "MODA", "MODP")


def score(request: BenchmarkRequest) -> BenchmarkResult:
    """Read the data set and score the predictions of its sequences."""
    truth = read_dataset(request.dataset, request.root, request.split)
    found, lines = read_predictions(request.pred, truth.choose(request.sequences), truth.names, request.allow_missing)
    return score_found(truth, found, lines, request)


def score_found(
    truth: TrackingDataset, found: Mapping[str, MotTable | None], lines: list[str], request: BenchmarkRequest
) -> BenchmarkResult:
    """Score predictions that have been read.

    Args:
        truth: the data set.
        found: rows by sequence; None where there is no file.
        lines: what is to be said of reading them.
        request: what to score.

    Raises:
        UserError: nothing at all is matched, or there is nothing to score.
    """
    warnings = [*map(str, truth.problems), *lines]
    result = BenchmarkResult(truth.name, "", (), {})
    if truth.sequences:
        rule = choose_rule(truth, request)
        sequences, told = pair_sequences(truth, found, rule)
        warnings += told
        joined = truth.one_site
        scores = score_cameras(sequences, rule, joined, request.seed, str(request.pred))
        warnings += told_no_truth(scores.overall.truth_boxes > 0, rule, str(request.root))
        result = _of_boxes(truth, f"{rule}{'; ids over all cameras' if joined else ''}", scores)
    places = _places(truth, request, warnings)
    if places is not None:
        result = _with_ground(result, *places)
    if not result.tables:
        raise UserError(f"{request.pred} has nothing that {request.root} has a truth for")
    return replace(result, warnings=tuple(warnings))


def choose_rule(truth: TrackingDataset, request: BenchmarkRequest) -> Rule:
    """The data set's rule, with what ``rule.json`` and the options say in its place."""
    rule = read_rule(request.root, Rule(truth.rule, truth.min_visibility))
    if request.min_visibility is not None:
        rule = replace(rule, min_visibility=request.min_visibility).check("the options")
    return rule


def _of_boxes(truth: TrackingDataset, rules: str, scores: CameraScores) -> BenchmarkResult:
    curves = scores.overall.hota.curves()
    return BenchmarkResult(
        truth.name,
        "; ".join(part for part in (truth.split, rules) if part),
        scores.tables,
        scores.figures,
        scores.intervals,
        scores.units,
        curves={key: curves[key] for key in ("HOTA", "DetA", "AssA")},
    )


def _places(
    truth: TrackingDataset, request: BenchmarkRequest, warnings: list[str]
) -> tuple[GroundTally, GroundRule] | None:
    """Scores on the ground; None where a side has no places. What is to be said is added to the warnings."""
    rule = GroundRule(truth.ground_limit_m, truth.detection_limit_m, request.fps)
    if request.ground_m is not None:
        rule = replace(rule, limit_m=request.ground_m, detection_limit_m=request.ground_m)
    if request.places is not None:
        given = evaluate_ground(request.places, request.pred, rule.limit_m, rule.fps)
        warnings += [f"ground: {line}" for line in given.warnings]
        return given.rows[-1].tally, rule
    path = _places_of(request.pred)
    if truth.ground is None or path is None:
        if truth.ground is not None:
            warnings.append(f"ground: {request.pred} has no places, so those of the truth are not scored")
        return None
    table = WorldTable.make(truth.ground.frames, truth.ground.ids, truth.ground.xy)
    length = max((one.length for one in truth.sequences), default=int(table.frames.max(initial=-1)) + 1)
    rates = {one.fps for one in truth.sequences if not math.isnan(one.fps)}
    if rule.fps is None and len(rates) == 1:
        rule = replace(rule, fps=rates.pop())
    annotated = truth.sequences[0].annotated if truth.sequences else None
    tally, lines = score_group(table, length, path, rule, annotated)
    warnings += [f"ground: {line}" for line in lines]
    if not tally.tracks.clear.matches:
        warnings.append(
            f"ground: no place is less than {rule.limit_m:g} m from a true one in the same frame, so none is scored; "
            "are both in metres and in the same coordinates?"
        )
        return None
    return tally, rule


def _places_of(pred: Path) -> Path | None:
    """The file of places of a run; None where there is none.

    Raises:
        UserError: it has several groups; the cameras of a data set are one.
    """
    if not (pred / "world").is_dir():
        return None
    places = find_places(pred / "world")
    if len(places) > 1:
        raise UserError(f"{pred} has places of {len(places)} groups; the cameras of a data set are one group")
    return next(iter(places.values()))


def _with_ground(result: BenchmarkResult, tally: GroundTally, rule: GroundRule) -> BenchmarkResult:
    """The result with measures of places on the ground added."""
    shares = tally.fractions()
    title = f"on the ground, less than {rule.limit_m:g} m apart"
    if rule.detection_limit_m != rule.limit_m:
        title += f"; MODA and MODP {rule.detection_limit_m:g} m"
    table = Table(title, ("name", *_GROUND), (("all", *(shares[name] for name in _GROUND)),))
    figures = {**result.figures, **{f"ground {name}": shares[name] for name in ("IDF1", "MOTA", "MODA", "MODP")}}
    return replace(result, tables=(*result.tables, table), figures=figures)
