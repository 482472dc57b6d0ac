"""Boxes in pictures: sequences by themselves, or cameras that see the same people."""

from collections.abc import Sequence as Rows
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from data.errors import UserError
from pipeline.evaluation.benchmarks.request import BenchmarkRequest
from pipeline.evaluation.benchmarks.result import BenchmarkResult, Table, sequence_intervals, tally_table
from pipeline.evaluation.bootstrap import bootstrap
from pipeline.evaluation.evaluate import (
    COMBINED,
    CROSS_CAMERA,
    check_matched,
    count_unknown,
    read_sequences,
)
from pipeline.evaluation.evaluate_ground import evaluate_ground
from pipeline.evaluation.identity import identity_units
from pipeline.evaluation.layout import Sequence, find_truth
from pipeline.evaluation.mcta import MctaScores, mcta
from pipeline.evaluation.pairs import Comparison, join
from pipeline.evaluation.result import ScoreRow, Tally
from pipeline.evaluation.rules import Rule, apply_rule, read_rule

_INTERVALS = ("HOTA", "MOTA", "IDF1")
# MCTA is about hand-overs: where cameras show the same people at once, nobody is handed over.
_MOST_OVERLAP = 0.05


@dataclass(frozen=True, slots=True)
class CameraScores:
    """Scores of boxes.

    Attributes:
        tables: per sequence, combined and joined; MCTA where cameras do not overlap.
        figures: those of the whole.
        intervals: of some of them.
        units: what was resampled.
        overall: the row that stands for the whole.
    """

    tables: tuple[Table, ...]
    figures: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    units: str
    overall: Tally


def score_mot(request: BenchmarkRequest, name: str, rule: Rule, folder: Path | None = None) -> BenchmarkResult:
    """Sequences that have nothing to do with one another: MOT15 to MOT20, PoseTrack21's boxes.

    Args:
        request: what to score.
        name: of the benchmark.
        rule: which truth counts, where no ``rule.json`` beside it says otherwise.
        folder: where the sequences lie; None: the request's root.
    """
    sequences, used, warnings = _read(request, rule, folder or request.root)
    scores = score_cameras(sequences, used, False, request.seed, str(request.pred))
    return _result(name, f"{used}", scores, warnings)


def score_site(request: BenchmarkRequest, name: str, rule: Rule) -> BenchmarkResult:
    """Cameras that see the same people on one clock: ``<camera>.txt``, ids that hold over all of them.

    Places on the ground are scored where their truth is given.

    Args:
        request: what to score.
        name: of the benchmark.
        rule: which truth counts, where no ``rule.json`` beside it says otherwise.
    """
    sequences, used, warnings = _read(request, rule, request.root)
    scores = score_cameras(sequences, used, True, request.seed, str(request.pred))
    result = _result(name, f"{used}; ids over all cameras", scores, warnings)
    if request.places is None:
        return result
    limit = 1.0 if request.ground_m is None else request.ground_m
    ground = evaluate_ground(request.places, request.pred, limit, request.fps)
    return with_ground(result, ground.rows[-1].tally.fractions(), limit, ground.warnings)


def with_ground(
    result: BenchmarkResult, shares: dict[str, float], limit_m: float, warnings: Rows[str]
) -> BenchmarkResult:
    """The result with measures of places on the ground added."""
    names = ("HOTA", "MOTA", "IDF1", "IDP", "IDR", "MODA", "MODP")
    table = Table(
        f"on the ground, less than {limit_m:g} m apart", ("name", *names), (("all", *(shares[n] for n in names)),)
    )
    figures = {**result.figures, **{f"ground {n}": shares[n] for n in ("IDF1", "MOTA", "MODA", "MODP")}}
    return replace(
        result,
        tables=(*result.tables, table),
        figures=figures,
        warnings=(*result.warnings, *(f"ground: {line}" for line in warnings)),
    )


def score_cameras(sequences: Rows[Sequence], rule: Rule, joined: bool, seed: int, where: str) -> CameraScores:
    """Score boxes.

    Args:
        sequences: at least one.
        rule: which truth counts; applied before cameras are joined.
        joined: they are cameras of one site with one clock.
        seed: of resampling.
        where: the predictions, for errors.

    Raises:
        UserError: nothing at all is matched.
    """
    judged = [apply_rule(Comparison.of(one.truth, one.predictions, one.length), rule, one.name) for one in sequences]
    tallies = [Tally.of(comparison, rule.iou) for comparison in judged]
    named = [(one.name, tally) for one, tally in zip(sequences, tallies, strict=True)]
    check_matched([ScoreRow(name, "sequence", tally) for name, tally in named], rule, where)
    combined = sum(tallies[1:], start=tallies[0])
    if len(named) > 1:
        named.append((COMBINED, combined))
    if not joined:
        figures = {name: combined.fractions()[name] for name in ("HOTA", "DetA", "AssA", "MOTA", "IDF1")}
        intervals = sequence_intervals(tallies, _INTERVALS, seed)
        return CameraScores((tally_table("boxes", named),), figures, intervals, "sequences", combined)
    whole = join(judged)
    overall = Tally.of(whole, rule.iou)
    table = tally_table("boxes; the last row joins all cameras", [*named, (CROSS_CAMERA, overall)])
    units = identity_units(whole, rule.iou)
    figures = {name: overall.fractions()[name] for name in ("IDF1", "IDP", "IDR", "HOTA", "MOTA")}
    tables = [table]
    if overlap(judged) <= _MOST_OVERLAP:
        handed = mcta(judged)
        figures["MCTA"] = handed.fractions()["MCTA"]
        tables.append(_mcta_table(handed))
    intervals = bootstrap(len(units.found), units.fractions, seed) if len(units.found) > 1 else {}
    return CameraScores(tuple(tables), figures, intervals, "identities", overall)


def overlap(cameras: Rows[Comparison]) -> float:
    """Share of the true rows whose person another camera shows in the same frame, 0-1."""
    rows = np.concatenate([np.stack([part.truth.frames, part.truth.ids], axis=1) for part in cameras])
    _, counts = np.unique(rows, axis=0, return_counts=True)
    return float(counts[counts > 1].sum() / max(1, len(rows)))


def _mcta_table(scores: MctaScores) -> Table:
    shares = scores.fractions()
    counts = ("within", "within_mismatches", "handovers", "handover_mismatches")
    row = (*(shares[name] for name in shares), *(getattr(scores, name) for name in counts))
    return Table("MCTA", ("name", *shares, *counts), (("all cameras", *row),))


def _read(request: BenchmarkRequest, rule: Rule, folder: Path) -> tuple[list[Sequence], Rule, list[str]]:
    truth = find_truth(folder)
    used = read_rule(folder, rule.rule)
    if request.min_visibility is not None or (used.rule == "plain" and not used.min_visibility):
        least = rule.min_visibility if request.min_visibility is None else request.min_visibility
        used = replace(used, min_visibility=least).check("the options")
    names = request.choose(list(truth.paths))
    if not names:
        raise UserError(f"{folder} holds no sequence")
    sequences, warnings = read_sequences(truth, names, request.pred, request.allow_missing, used)
    return sequences, used, [*count_unknown(request.pred, truth), *warnings]


def _result(name: str, rules: str, scores: CameraScores, warnings: Rows[str]) -> BenchmarkResult:
    curves = scores.overall.hota.curves()
    return BenchmarkResult(
        name,
        rules,
        scores.tables,
        scores.figures,
        scores.intervals,
        scores.units,
        tuple(warnings),
        {key: curves[key] for key in ("HOTA", "DetA", "AssA")},
    )
