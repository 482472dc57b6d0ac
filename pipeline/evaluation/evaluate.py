"""Score folders of predictions against folders of truth."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from data.errors import UserError
from pipeline.evaluation.layout import Sequence, find_truth, read_sequence, unknown_predictions
from pipeline.evaluation.pairs import Comparison, join
from pipeline.evaluation.result import EvaluationResult, ScoreRow, Tally
from pipeline.evaluation.rules import Rule, RuleName, apply_rule, read_rule

logger = logging.getLogger(__name__)

COMBINED, CROSS_CAMERA = "COMBINED", "CROSS-CAMERA"


@dataclass(frozen=True, slots=True)
class EvaluationOptions:
    """What to score and how; None leaves the choice to ``rule.json`` beside the truth, then to the default.

    Attributes:
        rule: default ``mot17`` for truth in ``<sequence>/gt/gt.txt``, ``plain`` for ``<camera>.txt``.
        min_visibility: see ``Rule``.
        iou: see ``Rule``.
        cross_camera: also join all cameras into one sequence, so that an id must agree across them.
        sequences: names to score; empty takes all of the truth.
        allow_missing: score a sequence without a file of predictions as empty.
    """

    rule: RuleName | None = None
    min_visibility: float | None = None
    iou: float | None = None
    cross_camera: bool = False
    sequences: tuple[str, ...] = ()
    allow_missing: bool = False


def evaluate_folders(gt: Path, pred: Path, options: EvaluationOptions = EvaluationOptions()) -> EvaluationResult:
    """Score every sequence of a truth.

    Args:
        gt: folder of the truth (``pipeline.evaluation.layout``).
        pred: folder of the predictions.
        options: what to score and how.

    Raises:
        UserError: something is absent, broken or contradictory.
    """
    truth = find_truth(gt)
    rule = _choose_rule(read_rule(gt, "mot17" if truth.has_sequences else "plain"), options)
    unknown = unknown_predictions(pred, truth)
    strange = [name for name in options.sequences if name not in truth.paths]
    if strange:
        raise UserError(f"{gt} has no sequence {strange[0]!r}; it has {', '.join(truth.paths)}")
    names = [name for name in truth.paths if not options.sequences or name in options.sequences]
    sequences = [read_sequence(truth, name, pred, options.allow_missing) for name in names]
    warnings = [f"{name}: predictions without a truth, not scored" for name in unknown]
    for entry in sequences:
        if entry.missing:
            warnings.append(f"{entry.name}: no file of predictions, scored as empty")
        if entry.rows_beyond:
            warnings.append(
                f"{entry.name}: {entry.rows_beyond} predicted rows after frame {entry.length}, the last of the truth, "
                f"are left out"
            )
    for warning in warnings:
        logger.warning("%s", warning)
    return EvaluationResult(rule, tuple(score_sequences(sequences, rule, options.cross_camera)), tuple(warnings))


def score_sequences(sequences: list[Sequence], rule: Rule, cross_camera: bool) -> list[ScoreRow]:
    """Score sequences one by one, together, and joined over cameras.

    The rule is applied camera by camera before they are joined.

    Args:
        sequences: at least one.
        rule: what counts.
        cross_camera: add the joined row.
    """
    judged = [
        apply_rule(Comparison.of(entry.truth, entry.predictions, entry.length), rule, entry.name) for entry in sequences
    ]
    tallies = [Tally.of(comparison, rule.iou) for comparison in judged]
    rows = [ScoreRow(entry.name, "sequence", tally) for entry, tally in zip(sequences, tallies, strict=True)]
    if len(tallies) > 1:
        rows.append(ScoreRow(COMBINED, "combined", sum(tallies[1:], start=tallies[0])))
    if cross_camera:
        rows.append(ScoreRow(CROSS_CAMERA, "cross_camera", Tally.of(join(judged), rule.iou)))
    return rows


def _choose_rule(written: Rule, options: EvaluationOptions) -> Rule:
    """The rule beside the truth with what the options say in its place."""
    rule = written
    if options.rule is not None and options.rule != written.rule:
        rule = Rule(options.rule, iou=written.iou)
    if options.min_visibility is not None:
        rule = replace(rule, min_visibility=options.min_visibility)
    if options.iou is not None:
        rule = replace(rule, iou=options.iou)
    return rule.check("the options")
