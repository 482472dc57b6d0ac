import numpy as np
import pytest

from data.errors import UserError
from st_model.stays import learn_stays

EVERY_S = 3.0


def test_the_rate_is_that_of_later_sightings_of_the_same_visit() -> None:
    """Ten sightings, three seconds apart: 9 of 10 have a next one, 8 of 10 one after that."""
    times = np.tile(EVERY_S * np.arange(10), 200)
    found = learn_stays(np.repeat(np.arange(200), 10), ["a"] * 2000, times, 20.0)
    near = found.grid.edges_s[:-1] < 4.5
    expected = (found.rate_hz[0] * np.diff(found.grid.edges_s))[near].sum()
    assert expected == pytest.approx(0.9, rel=0.05)
    zero = np.zeros(3, np.int64)
    at, between, beyond = found.log_rate(zero, np.array([EVERY_S, 1.2, 200.0])).tolist()
    assert at > between + 2
    assert at > beyond + 5


def test_a_gap_ends_a_stay() -> None:
    times, who = np.array([0.0, 2.0, 60.0, 62.0]), [1, 1, 1, 1]
    short, long = (learn_stays(who, ["a"] * 4, times, gap) for gap in (20.0, 100.0))
    lag = np.array([60.0])
    assert long.log_rate(np.array([0]), lag) > short.log_rate(np.array([0]), lag) + 1


def test_unknown_cameras_and_times_are_expected_nowhere() -> None:
    found = learn_stays([1, 1], ["a", "a"], np.array([0.0, 1.0]), 20.0)
    assert np.isneginf(found.log_rate(np.array([-1, 0]), np.array([1.0, np.nan]))).all()


def test_columns_must_agree() -> None:
    with pytest.raises(UserError, match="differ in length"):
        learn_stays([1], ["a", "b"], np.zeros(2), 20.0)
