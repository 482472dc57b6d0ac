"""Boxes in pictures: sequences by themselves, or cameras that see the same people."""

from collections.abc import Sequence as Rows
from dataclasses import dataclass

import numpy as np

from pipeline.evaluation.benchmarks.result import Table, sequence_intervals, tally_table
from pipeline.evaluation.bootstrap import bootstrap
from pipeline.evaluation.evaluate import COMBINED, CROSS_CAMERA, check_matched
from pipeline.evaluation.identity import identity_units
from pipeline.evaluation.mcta import MctaScores, mcta
from pipeline.evaluation.pairs import Comparison, join
from pipeline.evaluation.result import ScoreRow, Tally
from pipeline.evaluation.rules import Rule, apply_rule
from pipeline.evaluation.sequences import Sequence

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
