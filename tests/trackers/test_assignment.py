"""Gated assignment against lap and against brute force."""

from itertools import permutations

import lap
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from trackers.assignment import assign

LIMIT = 0.7


def total(cost: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> float:
    return float((cost[rows, columns] - LIMIT).sum())


@settings(max_examples=80)
@given(
    cost=st.tuples(st.integers(1, 12), st.integers(1, 12)).flatmap(
        lambda shape: arrays(np.float64, shape, elements=st.floats(0, 1, width=32))
    )
)
def test_as_good_as_lap(cost: np.ndarray) -> None:
    rows, columns = assign(cost, LIMIT)
    _, column_of_row, _ = lap.lapjv(cost, extend_cost=True, cost_limit=LIMIT)
    other = np.flatnonzero(column_of_row >= 0)
    assert total(cost, rows, columns) == pytest.approx(total(cost, other, column_of_row[other]), abs=1e-9)
    assert (cost[rows, columns] < LIMIT).all()
    assert len(set(rows)) == len(rows)
    assert len(set(columns)) == len(columns)


def test_as_good_as_trying_everything() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        cost = rng.uniform(0, 1, (4, 5))
        cost[rng.uniform(size=cost.shape) < 0.3] = np.inf
        rows, columns = assign(cost, LIMIT)
        best = min(
            sum(min(cost[row, column] - LIMIT, 0) for row, column in enumerate(order))
            for order in permutations(range(5), 4)
        )
        assert total(cost, rows, columns) == pytest.approx(best)


def test_all_pairs_forbidden_or_nothing_to_match() -> None:
    for cost in (np.full((3, 2), np.inf), np.zeros((0, 4)), np.zeros((4, 0))):
        rows, columns = assign(cost, LIMIT)
        assert len(rows) == len(columns) == 0


def test_ties_give_the_same_answer_every_time() -> None:
    cost = np.full((20, 20), 0.25)
    first = assign(cost, LIMIT)
    for _ in range(5):
        np.testing.assert_array_equal(assign(cost.copy(), LIMIT), first)
    assert len(first[0]) == 20


def test_nan_is_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        assign(np.array([[0.1, np.nan]]), LIMIT)
