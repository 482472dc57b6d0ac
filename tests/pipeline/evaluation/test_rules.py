import json
from pathlib import Path

import numpy as np
import pytest

from data.errors import UserError
from data.formats.mot import MotTable
from pipeline.evaluation.pairs import Comparison
from pipeline.evaluation.rules import Rule, apply_rule, read_rule

BOX = np.array([0.0, 0, 10, 10])
DOWN = np.array([0.0, 3, 0, 3])


def comparison(flags: list[int], classes: list[int], visibility: list[float]) -> Comparison:
    """One frame; truth i and prediction i lie together, apart from the others; a last prediction lies on nothing."""
    count = len(flags)
    boxes = np.tile(BOX, (count + 1, 1)) + 100.0 * np.arange(count + 1)[:, None]
    truth = MotTable.make(
        np.zeros(count, int),
        np.arange(count),
        boxes[:-1],
        flags=np.array(flags),
        class_ids=np.array(classes),
        visibility=np.array(visibility),
    )
    return Comparison.of(truth, MotTable.make(np.zeros(count + 1, int), np.arange(count + 1), boxes), 1)


def kept(rule: Rule, entry: Comparison) -> tuple[list[int], list[int]]:
    judged = apply_rule(entry, rule, "scene")
    return judged.truth.ids.tolist(), judged.predictions.ids.tolist()


def test_mot17() -> None:
    entry = comparison([1, 0, 0, 0, 0, 0, 0, 1], [1, 2, 7, 8, 12, 3, 1, 9], [1] * 8)
    assert kept(Rule("mot17"), entry) == ([0], [0, 5, 6, 7, 8])


def test_mot15() -> None:
    entry = comparison([1, 0, 1, 0], [1, 1, 7, 8], [1, 1, 0, 0])
    assert kept(Rule("mot15"), entry) == ([0, 2], [0, 1, 2, 3, 4])


def test_plain() -> None:
    entry = comparison([1, 0, 1, 1], [1, 1, 3, 1], [1, 1, 0.25, 0.2])
    assert kept(Rule("plain", min_visibility=0.25), entry) == ([0, 2], [0, 2, 4])
    assert kept(Rule("plain"), entry) == ([0, 2, 3], [0, 2, 3, 4])


def test_a_prediction_on_counted_truth_is_judged_although_it_touches_ignored_truth() -> None:
    boxes = np.array([BOX, BOX + DOWN])
    truth = MotTable.make(np.zeros(2, int), np.arange(2), boxes, flags=np.array([1, 0]))
    predictions = MotTable.make(np.zeros(1, int), np.zeros(1, int), BOX[None])
    for name in ("plain", "mot17", "mot15"):
        assert kept(Rule(name), Comparison.of(truth, predictions, 1)) == ([0], [0])


def test_overlap_below_the_threshold_takes_nothing_back() -> None:
    truth = MotTable.make(np.zeros(1, int), np.zeros(1, int), BOX[None], flags=np.array([0]))
    predictions = MotTable.make(np.zeros(1, int), np.zeros(1, int), BOX[None] + [[0, 4, 0, 4]])
    entry = Comparison.of(truth, predictions, 1)
    assert kept(Rule("plain"), entry) == ([], [0])
    assert kept(Rule("plain", iou=0.4), entry) == ([], [])


def test_mot17_knows_its_classes() -> None:
    with pytest.raises(UserError, match="scene: the truth has class 14, MOT17 has 1 to 13"):
        apply_rule(comparison([1], [14], [1]), Rule("mot17"), "scene")


def test_rule_file(tmp_path: Path) -> None:
    assert read_rule(tmp_path, Rule("mot17")) == Rule("mot17")
    (tmp_path / "rule.json").write_text(json.dumps({"rule": "plain", "min_visibility": 0.25, "iou": 0.4}))
    assert read_rule(tmp_path, Rule("mot17")) == Rule("plain", 0.25, 0.4)
    assert str(read_rule(tmp_path, Rule("mot17"))) == "plain, visibility >= 0.25, IoU >= 0.4"
    (tmp_path / "rule.json").write_text("{}")
    assert read_rule(tmp_path, Rule("mot15")) == Rule("mot15")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "not valid JSON"),
        ("[]", "expected a JSON object with keys among rule, min_visibility, iou"),
        ('{"rules": "plain"}', "expected a JSON object with keys among rule, min_visibility, iou"),
        ('{"rule": "mot18"}', "rule 'mot18' is unknown; choose one of mot17, mot15, plain"),
        ('{"rule": ["plain"]}', "is unknown"),
        ('{"iou": 0}', "iou is 0; give a number above 0"),
        ('{"iou": "0.5"}', "iou is '0.5'"),
        ('{"iou": true}', "iou is True"),
        ('{"min_visibility": NaN}', "min_visibility is nan"),
        ('{"min_visibility": -0.1}', "min_visibility is -0.1"),
        ('{"rule": "mot15", "min_visibility": 0.2}', "min_visibility is part of the rule 'plain'; 'mot15' has none"),
    ],
)
def test_broken_rule_file(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "rule.json").write_text(text)
    with pytest.raises(UserError) as error:
        read_rule(tmp_path, Rule())
    assert str(error.value).startswith(str(tmp_path / "rule.json"))
    assert complaint in str(error.value)
