import numpy as np
import pytest

from st_model.build import build_model
from st_model.grid import LagGrid
from st_model.scores import arrival_rates_hz, llr
from st_model.visits import make_visits


@pytest.fixture(scope="module")
def corridor():
    rng = np.random.default_rng(0)
    lag = rng.lognormal(np.log(30), 0.1, 80)
    who = np.repeat(np.arange(80), 2)
    where = np.tile(["a", "b"], 80)
    start = rng.uniform(0, 3600, 80)
    enter = np.stack([start, start + 5 + lag], 1).ravel()
    return build_model(make_visits(who, where, enter, enter + 5), LagGrid(max_lag_s=7200))


def test_llr_is_density_times_staying_over_the_arrival_rate(corridor) -> None:
    got = llr(corridor, "a", "b", 30.0, 0.02)
    want = corridor.log_density("a", "b", 30.0) + np.log(1 - corridor.exit_probability[0]) - np.log(0.02)
    assert got == pytest.approx(want)
    assert llr(corridor, "a", "b", 30.0, 0.02, "any") == pytest.approx(
        corridor.log_density("a", "b", 30.0, "any") - np.log(0.02)
    )


def test_a_fitting_lag_speaks_for_and_a_wrong_one_against(corridor) -> None:
    fits, late = llr(corridor, "a", "b", [30.0, 2000.0], 0.02)
    assert fits > 0.5
    assert late < -3


def test_a_busier_camera_makes_the_same_lag_say_less(corridor) -> None:
    quiet, busy = llr(corridor, 0, 1, 30.0, np.array([0.01, 1.0]))
    assert quiet - busy == pytest.approx(np.log(100))


def test_unknown_cameras_and_times_are_no_evidence(corridor) -> None:
    assert llr(corridor, ["a", "x", -1][:2], "b", [np.nan, 30.0], 0.1).tolist() == [0.0, 0.0]
    assert llr(corridor, np.array([-1]), np.array([1]), 30.0, 0.1).tolist() == [0.0]


@pytest.mark.parametrize("rate", [0.0, -1.0, np.nan])
def test_arrival_rates_must_be_positive(corridor, rate: float) -> None:
    with pytest.raises(ValueError, match="arrival rates"):
        llr(corridor, 0, 1, 1.0, rate)


def test_arrival_rates_count_visits_per_second() -> None:
    assert arrival_rates_hz([0, 0, 2], 4, 100.0).tolist() == [0.025, 0.005, 0.015, 0.005]
