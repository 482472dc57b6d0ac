"""Timings of stages tell how many items came together."""

from data.runtime.stage_clock import StageClock


def test_items_and_calls_are_counted_and_go_on() -> None:
    clock = StageClock()
    for items in (4, 2):
        with clock.measure("reid", items):
            pass
    told = clock.summary()
    assert (told["reid"]["items"], told["reid"]["calls"]) == (6, 2)
    again = StageClock.from_summary(told)
    with again.measure("reid", 1):
        pass
    assert (again.summary()["reid"]["items"], again.summary()["reid"]["calls"]) == (7, 3)


def test_timings_from_before_calls_were_counted_are_taken_up() -> None:
    assert StageClock.from_summary({"reid": {"seconds": 1.0, "items": 4}}).summary()["reid"]["calls"] == 0
