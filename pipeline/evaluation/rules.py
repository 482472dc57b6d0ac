"""Which truth counts, and which predictions are taken back because they lie on truth that does not.

- ``mot17``: truth of flag 1 and class 1 counts; predictions on people in vehicles, static people, distractors and
  reflections (classes 2, 7, 8, 12) are taken back.
- ``mot15``: truth of flag 1 counts; no prediction is taken back, so one on a row of flag 0 is a false one.
- ``plain``: truth of flag 1 and at least the given visibility counts; any other truth is don't-care: predictions on it
  are taken back.

mot17 and mot15 are TrackEval's MOTChallenge preprocessing. Predictions are "on" the truth they are matched
to when all of it takes part: Hungarian, largest sum of IoU, IoU at least 0.5 (mot17) or the rule's own (plain).
"""

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from data.errors import UserError
from data.foreign import read_json
from data.formats.mot import PEDESTRIAN, MotTable
from pipeline.evaluation.pairs import EPSILON, Comparison, assign

RuleName = Literal["mot17", "mot15", "plain"]
RULE_NAMES: tuple[RuleName, ...] = get_args(RuleName)
RULE_FILE = "rule.json"

_DISTRACTORS = (2, 7, 8, 12)
_MOT17_CLASSES = range(1, 14)
_MOT17_IOU = 0.5


@dataclass(frozen=True, slots=True)
class Rule:
    """How truth is read and when two boxes may be one person; also the schema of ``rule.json`` (all keys optional).

    Attributes:
        rule: one of ``RULE_NAMES``.
        min_visibility: truth whose visible share is lower is don't-care, 0-1; for ``plain`` only.
        iou: overlap from which two boxes may be the same person, for CLEAR and identity measures; above 0, at most 1.
    """

    rule: RuleName = "plain"
    min_visibility: float = 0.0
    iou: float = 0.5

    def check(self, where: str) -> "Rule":
        """Return self, or raise ``UserError`` naming ``where`` the values come from."""
        if self.rule not in RULE_NAMES:
            raise UserError(f"{where}: rule {self.rule!r} is unknown; choose one of {', '.join(RULE_NAMES)}")
        if not (_is_number(self.min_visibility) and 0 <= self.min_visibility <= 1):
            raise UserError(f"{where}: min_visibility is {self.min_visibility!r}; give a share from 0 to 1")
        if not (_is_number(self.iou) and 0 < self.iou <= 1):
            raise UserError(f"{where}: iou is {self.iou!r}; give a number above 0, at most 1")
        if self.min_visibility and self.rule != "plain":
            raise UserError(f"{where}: min_visibility is part of the rule 'plain'; {self.rule!r} has none")
        return self

    def __str__(self) -> str:
        visibility = f", visibility >= {self.min_visibility:g}" if self.min_visibility else ""
        return f"{self.rule}{visibility}, IoU >= {self.iou:g}"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def read_rule(folder: Path, default: Rule) -> Rule:
    """The rule written beside a truth.

    Args:
        folder: the truth's folder; ``rule.json`` in it is an object with any of the fields of ``Rule``.
        default: what holds where the file is absent or does not say.

    Raises:
        UserError: the file is not such an object.
    """
    path = folder / RULE_FILE
    values: Any = read_json(path) if path.exists() else {}
    names = [entry.name for entry in fields(Rule)]
    if not isinstance(values, dict) or not set(values) <= set(names):
        raise UserError(f"{path}: expected a JSON object with keys among {', '.join(names)}")
    if values.get("rule", default.rule) != default.rule:
        default = Rule(iou=default.iou)
    return Rule(**{**asdict(default), **values}).check(str(path))


def apply_rule(comparison: Comparison, rule: Rule, name: str) -> Comparison:
    """Keep the truth that counts and the predictions that are judged.

    Args:
        comparison: all truth and all predictions of a sequence.
        rule: what counts.
        name: of the sequence, for error messages.

    Raises:
        UserError: rule mot17 meets a class that MOT17 does not have.
    """
    truth = comparison.truth
    counts = truth.flags.copy()
    taken_back = np.zeros(len(comparison.predictions), bool)
    if rule.rule == "mot17":
        _check_classes(truth, name)
        counts &= truth.class_ids == PEDESTRIAN
        taken_back = _on(comparison, np.isin(truth.class_ids, _DISTRACTORS), _MOT17_IOU)
    elif rule.rule == "plain":
        counts &= truth.visibility >= np.float32(rule.min_visibility)
        taken_back = _on(comparison, ~counts, rule.iou)
    return comparison.select(counts, ~taken_back)


def _on(comparison: Comparison, truth: NDArray[np.bool_], iou: float) -> NDArray[np.bool_]:
    """Mask of the predictions that are matched to some of the truth, when all of it takes part."""
    pairs = comparison.pairs.select(comparison.pairs.similarity >= iou - EPSILON)
    matched = pairs.select(assign(comparison, pairs, pairs.similarity))
    mask = np.zeros(len(comparison.predictions), bool)
    mask[matched.prediction[truth[matched.truth]]] = True
    return mask


def _check_classes(truth: MotTable, name: str) -> None:
    strange = ~np.isin(truth.class_ids, _MOT17_CLASSES)
    if strange.any():
        raise UserError(
            f"{name}: the truth has class {truth.class_ids[strange][0]}, MOT17 has 1 to 13; use the rule plain or mot15"
        )
