"""Score folders of predictions against folders of truth."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from data.datasets.mot_folder import LABELS_FILE, read_mot_folder
from data.datasets.tracking import TrackingDataset
from data.errors import UserError
from data.formats.mot import PEDESTRIAN
from pipeline.evaluation.pairs import Comparison, join
from pipeline.evaluation.predictions import read_predictions
from pipeline.evaluation.result import EvaluationResult, ScoreRow, Tally
from pipeline.evaluation.rules import Rule, RuleName, apply_rule, read_rule
from pipeline.evaluation.sequences import Sequence, pair_sequences

logger = logging.getLogger(__name__)

COMBINED, CROSS_CAMERA = "COMBINED", "CROSS-CAMERA"


class NothingMatchedError(UserError):
    """There is truth, and no prediction is matched to any of it."""


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
        limit: only the first so many frames of every sequence were tracked, and are scored; None: all.
    """

    rule: RuleName | None = None
    min_visibility: float | None = None
    iou: float | None = None
    cross_camera: bool = False
    sequences: tuple[str, ...] = ()
    allow_missing: bool = False
    limit: int | None = None


def evaluate_folders(gt: Path, pred: Path, options: EvaluationOptions = EvaluationOptions()) -> EvaluationResult:
    """Score every sequence of a folder of truth, and log what the reader of the scores must know.

    Args:
        gt: folder of the truth (``data.datasets.mot_folder``).
        pred: folder of the predictions.
        options: what to score and how.

    Raises:
        UserError: something is absent, broken or contradictory, or nothing at all is matched.
    """
    result = evaluate(read_mot_folder(gt), pred, options)
    for warning in result.warnings:
        logger.warning("%s", warning)
    return result


def evaluate(truth: TrackingDataset, pred: Path, options: EvaluationOptions = EvaluationOptions()) -> EvaluationResult:
    """Score every sequence of a truth.

    Args:
        truth: all of it (``read_mot_folder``).
        pred: folder of the predictions.
        options: what to score and how.

    Raises:
        UserError: predictions are absent or broken, options contradict the truth, or nothing at all is matched.
    """
    truth, rule = _judged(truth, options)
    found, lines = read_predictions(pred, truth.choose(options.sequences), truth.names, options.allow_missing)
    sequences, told = pair_sequences(truth, found, rule)
    warnings = [*map(str, truth.problems), *lines, *told]
    rows = score_sequences(sequences, rule, options.cross_camera)
    warnings += told_no_truth(any(row.tally.truth_boxes for row in rows), rule, str(truth.root))
    check_matched(rows, rule, str(pred))
    return EvaluationResult(rule, tuple(rows), tuple(warnings))


def check_truth(truth: TrackingDataset, options: EvaluationOptions = EvaluationOptions()) -> None:
    """Find out what is wrong with a truth before there is anything to score: nobody is scored by it.

    Args:
        truth: all of it.
        options: what will be scored and how.

    Raises:
        UserError: it lacks a sequence that is to be scored, or a rule cannot hold.
    """
    truth, rule = _judged(truth, options)
    sequences, _ = pair_sequences(truth, dict.fromkeys(truth.choose(options.sequences)), rule)
    score_sequences(sequences, rule, options.cross_camera)


def _judged(truth: TrackingDataset, options: EvaluationOptions) -> tuple[TrackingDataset, Rule]:
    """The part of a truth that is to be scored, and by which rule."""
    rule = _choose_rule(read_rule(truth.root, Rule(truth.rule)), options)
    if rule.rule == "mot17" and truth.classes is not None and PEDESTRIAN not in truth.classes:
        raise UserError(
            f"{truth.root}: {LABELS_FILE} says that class {PEDESTRIAN} is no person, and the rule mot17 that it is"
        )
    return (truth if options.limit is None else truth.first(options.limit)), rule


def told_no_truth(any_counts: bool, rule: Rule, where: str) -> list[str]:
    """A line where no true box counts, be it that there is none: then no figure says anything of the tracks."""
    return [] if any_counts else [f"{where}: no true box counts by {rule}: no prediction can be right"]


def check_matched(rows: list[ScoreRow], rule: Rule, where: str) -> None:
    """Refuse scores in which nothing at all is matched: they say that files do not belong together, not how good
    tracks are.

    Raises:
        NothingMatchedError: there is truth, and no prediction is matched to any.
    """
    whole = [row.tally for row in rows if row.kind == "sequence"]
    truth, predicted = (sum(getattr(tally, name) for tally in whole) for name in ("truth_boxes", "predicted_boxes"))
    if truth and not any(tally.counts()["TP"] for tally in whole):
        raise NothingMatchedError(
            f"{where}: none of {predicted} predicted boxes lies on one of {truth} true ones by {rule}; are these the "
            "same sequences, at the same picture size, with frames from 1?"
        )


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
