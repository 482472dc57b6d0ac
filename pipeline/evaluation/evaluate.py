"""Score folders of predictions against folders of truth."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from data.errors import UserError
from pipeline.evaluation.annotated import common_step, sampling
from pipeline.evaluation.labels import people_only, read_people_classes
from pipeline.evaluation.layout import (
    Sequence,
    TruthFolder,
    count_rows,
    find_truth,
    read_sequence,
    unknown_predictions,
)
from pipeline.evaluation.pairs import Comparison, join
from pipeline.evaluation.result import EvaluationResult, ScoreRow, Tally
from pipeline.evaluation.rules import Rule, RuleName, apply_rule, read_rule

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
        UserError: something is absent, broken or contradictory, or nothing at all is matched.
    """
    truth = find_truth(gt)
    rule = _choose_rule(read_rule(gt, "mot17" if truth.has_sequences else "plain"), options)
    unknown = count_unknown(pred, truth)
    strange = [name for name in options.sequences if name not in truth.paths]
    if strange:
        raise UserError(f"{gt} has no sequence {strange[0]!r}; it has {', '.join(truth.paths)}")
    names = [name for name in truth.paths if not options.sequences or name in options.sequences]
    sequences, warnings = read_sequences(truth, names, pred, options.allow_missing, rule)
    warnings = [*unknown, *warnings]
    for warning in warnings:
        logger.warning("%s", warning)
    rows = score_sequences(sequences, rule, options.cross_camera)
    check_matched(rows, rule, str(pred))
    return EvaluationResult(rule, tuple(rows), tuple(warnings))


def count_unknown(pred: Path, truth: TruthFolder) -> list[str]:
    """What is to be said of predictions for sequences that the truth does not have."""
    return [
        f"{name}: predictions without a truth ({count_rows(pred, name)} rows), not scored"
        for name in unknown_predictions(pred, truth)
    ]


def read_sequences(
    truth: TruthFolder, names: Iterable[str], pred: Path, allow_missing: bool, rule: Rule
) -> tuple[list[Sequence], list[str]]:
    """Read sequences, keep the people of their truth and the frames that were annotated.

    Args:
        truth: the folder.
        names: sequences to read.
        pred: folder of the predictions.
        allow_missing: take an absent file as no predictions at all.
        rule: mot17 has a class list of its own.

    Returns:
        The sequences, and what the reader of the scores must know.
    """
    whole = [read_sequence(truth, name, pred, allow_missing) for name in names]
    step = common_step(entry.truth.frames for entry in whole)
    people = None if rule.rule == "mot17" else read_people_classes(truth.root)
    sequences, warnings = [], []
    for entry in whole:
        if entry.missing:
            warnings.append(f"{entry.name}: no file of predictions, scored as empty ({len(entry.truth)} true rows)")
        if entry.rows_beyond:
            warnings.append(
                f"{entry.name}: {entry.rows_beyond} predicted rows after frame {entry.length}, the last of the truth, "
                f"are left out"
            )
        table, lines = (entry.truth, []) if rule.rule == "mot17" else people_only(entry.truth, people, entry.name)
        warnings += lines
        predictions, length = entry.predictions, entry.length
        if step > 1:
            annotated = sampling(entry.truth.frames, step)
            between = len(predictions)
            table, predictions = annotated.cut(table, length), annotated.cut(predictions, length)
            length = annotated.count(length)
            warnings.append(
                f"{entry.name}: the truth has every {step}th frame: only these {length} are scored, "
                f"{between - len(predictions)} predicted rows between them are left out"
            )
        sequences.append(replace(entry, truth=table, predictions=predictions, length=length))
    return sequences, warnings


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
