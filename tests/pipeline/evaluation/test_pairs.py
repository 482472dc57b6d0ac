import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.formats.mot import MotTable
from data.kernels.boxes import iou_matrix
from pipeline.evaluation import pairs as module
from pipeline.evaluation.pairs import Comparison, Pairs, assign, join, overlapping_pairs, paired_iou, settle, solve
from tests.pipeline.evaluation.scenes import random_scene


def test_iou_is_the_shared_kernel() -> None:
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 50, (2, 40, 2))
    a, b = (np.concatenate([corner, corner + rng.uniform(0, 40, (40, 2))], axis=1) for corner in corners)
    assert np.allclose(paired_iou(a, b), np.diag(iou_matrix(a, b)), rtol=0, atol=1e-12)
    assert paired_iou(a[:1] * 0, a[:1] * 0).tolist() == [0]


@pytest.mark.parametrize("at_once", [1, 7, 1 << 18])
def test_pairs_of_each_frame(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    monkeypatch.setattr(module, "_PAIRS_AT_ONCE", at_once)
    truth, predictions = random_scene(1, length=20)
    pairs = overlapping_pairs(truth, predictions)
    expected = []
    for frame in range(20):
        rows, others = np.flatnonzero(truth.frames == frame), np.flatnonzero(predictions.frames == frame)
        iou = iou_matrix(truth.boxes[rows], predictions.boxes[others])
        expected += [(rows[i], others[j], iou[i, j]) for i, j in itertools.product(*map(range, iou.shape)) if iou[i, j]]
    assert list(zip(pairs.truth, pairs.prediction, strict=True)) == [entry[:2] for entry in expected]
    assert pairs.similarity == pytest.approx([entry[2] for entry in expected], abs=1e-12)


def test_no_rows_no_pairs() -> None:
    truth, predictions = random_scene(1, length=5)
    none = MotTable.empty()
    for comparison in (
        Comparison.of(truth, none, 5),
        Comparison.of(none, predictions, 5),
        Comparison.of(none, none, 0),
    ):
        assert len(comparison.pairs) == 0
        assert assign(comparison, comparison.pairs, comparison.pairs.similarity).tolist() == []


def test_select_keeps_pairs_of_the_same_boxes() -> None:
    comparison = Comparison.of(*random_scene(2, length=30), 30)
    rng = np.random.default_rng(0)
    kept = comparison.select(rng.random(len(comparison.truth)) < 0.5, rng.random(len(comparison.predictions)) < 0.5)
    again = overlapping_pairs(kept.truth, kept.predictions)
    assert len(again) > 20
    assert (again.truth == kept.pairs.truth).all()
    assert (again.prediction == kept.pairs.prediction).all()
    assert (again.similarity == kept.pairs.similarity).all()


def test_join_is_one_long_sequence() -> None:
    parts = [Comparison.of(*random_scene(seed, length=length), length) for seed, length in ((1, 20), (2, 7), (3, 15))]
    joined = join(parts)
    assert joined.length == 42
    assert (np.diff(joined.truth.frames) >= 0).all()
    again = overlapping_pairs(joined.truth, joined.predictions)
    assert (again.truth == joined.pairs.truth).all()
    assert (again.prediction == joined.pairs.prediction).all()
    assert sorted(set(joined.truth.ids)) == sorted(set(np.concatenate([part.truth.ids for part in parts])))


@given(st.lists(st.lists(st.floats(0.01, 1), min_size=1, max_size=4), min_size=1, max_size=4))
@settings(max_examples=60)
def test_assignment_is_the_best_there_is(scores: list[list[float]]) -> None:
    width = min(len(row) for row in scores)
    matrix = np.array([row[:width] for row in scores])
    matrix[matrix < 0.3] = 0
    rows, columns = np.nonzero(matrix)
    height = len(matrix)
    boxes = np.zeros((height, 4))
    truth = MotTable.make(np.zeros(height, int), np.arange(height), boxes)
    predictions = MotTable.make(np.zeros(width, int), np.arange(width), np.zeros((width, 4)))
    pairs = module.Pairs(rows, columns, matrix[rows, columns])
    comparison = Comparison(truth, predictions, pairs, 1)
    chosen = pairs.select(assign(comparison, pairs, pairs.similarity))
    assert len(set(chosen.truth)) == len(set(chosen.prediction)) == len(chosen)
    padded = np.pad(matrix, ((0, max(0, width - height)), (0, 0)))
    best = max(
        padded[order, range(width)].sum() for order in map(list, itertools.permutations(range(len(padded)), width))
    )
    assert chosen.similarity.sum() == pytest.approx(best)


@pytest.mark.parametrize("seed", range(20))
def test_what_is_settled_at_a_glance_is_in_the_best_assignment(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, prediction = np.nonzero(rng.random((8, 9)) < 0.4)
    scores = rng.random(len(truth))
    pairs = Pairs(truth, prediction, scores)
    chosen, rest = settle(pairs, np.arange(len(truth)), scores)
    best = solve(truth, prediction, scores)
    assert set(chosen) <= set(best)
    open_ = solve(truth[rest], prediction[rest], scores[rest]) if len(rest) else []
    assert {*chosen, *rest[open_]} == set(best) if len(rest) else set(chosen) == set(best)


def test_equal_rivals_are_not_settled() -> None:
    pairs = Pairs(np.array([0, 0]), np.array([0, 1]), np.array([0.5, 0.5]))
    chosen, rest = settle(pairs, np.arange(2), pairs.similarity)
    assert (chosen.tolist(), rest.tolist()) == ([], [0, 1])
