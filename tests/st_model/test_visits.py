import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import UserError
from st_model.visits import make_visits, visits_from_rows


def test_sightings_join_into_visits_by_gap() -> None:
    visits = visits_from_rows([7] * 5, ["a"] * 5, [1.0, 2.0, 9.0, 10.0, 3.0], gap_s=2.0, row_s=0.5)
    assert visits.enter_s.tolist() == [1.0, 9.0]
    assert visits.leave_s.tolist() == [3.5, 10.5]


def test_cameras_are_in_natural_order_and_may_be_empty() -> None:
    visits = make_visits([1, 1], ["cam10", "cam2"], [0, 5], [1, 6], all_cameras=["cam1"])
    assert visits.cameras == ("cam1", "cam2", "cam10")
    assert visits.camera.tolist() == [2, 1]


@given(st.permutations(range(12)))
def test_the_order_of_rows_does_not_matter(order: list[int]) -> None:
    rows = np.array(order)
    who = np.arange(12) % 3
    where = np.array(["a", "b"])[np.arange(12) // 3 % 2]
    when = np.array([0, 4, 9, 3, 3, 3, 50, 20, 70, 1, 2, 3.5])
    plain = visits_from_rows(who, where, when, gap_s=2)
    mixed = visits_from_rows(who[rows], where[rows], when[rows], gap_s=2)
    for name in ("identities", "camera", "enter_s", "leave_s"):
        assert np.array_equal(getattr(plain, name), getattr(mixed, name))


def test_missing_times_and_repeated_rows_are_left_out_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        visits = make_visits(["x", "x", "x"], ["a", "a", "b"], [1, 1, np.nan], [2, 2, 3], all_cameras=["a", "b"])
    assert len(visits) == 1
    assert visits.cameras == ("a", "b")
    assert "1 of 3 visits have no time" in caplog.text
    assert "1 repeated visits" in caplog.text


def test_a_camera_whose_sightings_have_no_time_still_exists() -> None:
    visits = visits_from_rows([1, 1], ["a", "b"], [1.0, np.nan], gap_s=1)
    assert visits.cameras == ("a", "b")
    assert len(visits) == 1


def test_a_visit_that_ends_before_it_begins_is_an_error() -> None:
    with pytest.raises(UserError, match=r"end before they begin, first identity 3 in camera b: 5 s to 4 s"):
        make_visits([1, 3], ["a", "b"], [1, 5], [2, 4])


def test_columns_and_weights_are_checked() -> None:
    with pytest.raises(UserError, match="one length"):
        make_visits([1, 2], ["a"], [1, 2], [2, 3])
    with pytest.raises(UserError, match="between 0 and 1"):
        make_visits([1], ["a"], [1], [2], weights=[1.5])
    with pytest.raises(UserError, match="differ in length"):
        visits_from_rows([1], ["a", "b"], [1, 2], gap_s=1)


def test_nothing_gives_no_visits() -> None:
    assert len(visits_from_rows([], [], [], gap_s=1, all_cameras=["a"])) == 0
