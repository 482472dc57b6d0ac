import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import UserError
from st_model.grid import LagGrid


def test_edges_start_fine_and_widen() -> None:
    grid = LagGrid(bin_s=0.25, linear_s=10, max_lag_s=3600)
    edges = grid.edges_s
    assert edges[0] == 0
    assert edges[1] == pytest.approx(0.25)
    assert np.all(np.diff(edges, 2) > 0)
    assert edges[-1] >= 3600 > edges[-2]
    assert len(edges) == grid.bins + 1


@given(st.floats(0, 86000))
def test_a_lag_lies_between_the_edges_of_its_bin(lag: float) -> None:
    grid = LagGrid()
    bin_ = int(grid.index(lag))
    slack = 1e-5 * grid.edges_s[1:][bin_]
    assert grid.edges_s[bin_] - slack <= lag <= grid.edges_s[bin_ + 1] + slack


def test_special_lags() -> None:
    grid = LagGrid(bin_s=0.5, max_lag_s=100)
    lags = np.array([[-0.1, -0.5, -0.6], [np.nan, np.inf, 1e9], [0.0, 99.9, -np.inf]])
    assert grid.index(lags).tolist() == [[0, 0, -1], [-1, grid.bins, grid.bins], [0, grid.bins - 1, -1]]


def test_rounding_does_not_move_a_lag_below_its_edge() -> None:
    grid = LagGrid()
    assert grid.index(grid.edges_s[:-1]).tolist() == list(range(grid.bins))


@pytest.mark.parametrize("values", [(0, 10, 100), (-1, 10, 100), (1, 0, 100), (1, 10, 0.5), (1, 10, float("nan"))])
def test_impossible_grids_are_refused(values: tuple[float, float, float]) -> None:
    with pytest.raises(UserError, match="lag grid"):
        LagGrid(*values)
