from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.config import SourcesConfig
from data.sources.rate import nominal_rate, usual_rate
from data.sources.select import FrameSelector, selected_count
from data.sources.timeline import Timeline, mostly_rises


def times(
    stamps: list[float | None], fps: float = 10, *, stamped: bool = True, start_s: float | None = None
) -> tuple[list[float], Timeline]:
    timeline = Timeline(fps, stamped, start_s)
    got = list(timeline.times((index, stamp, f"picture {index}") for index, stamp in enumerate(stamps)))
    assert [(index, stamp, picture) for index, _, stamp, picture in got] == [
        (index, stamp, f"picture {index}") for index, stamp in enumerate(stamps)
    ]
    return [time_s for _, time_s, _, _ in got], timeline


def steady(count: int, start_s: float = 0.0, fps: float = 10) -> list[float]:
    return [start_s + number / fps for number in range(count)]


def test_stamps_count_as_rising_while_few_are_wrong():
    assert mostly_rises([0.0, 0.1, 5.0])
    assert mostly_rises([0.0, 0.1, 0.1])
    assert mostly_rises([*steady(20), 0.3, None])
    assert not mostly_rises([])
    assert not mostly_rises([None, None, None])
    assert not mostly_rises([0.1, 0.4, 0.3, 0.5, 0.2, 0.8, 0.7])


def test_without_timestamps_time_is_slot_over_rate():
    assert times([None, 7.0, 3.0], stamped=False)[0] == [0, 0.1, 0.2]
    lossy = Timeline(10, False).times(iter([(0, None, "a"), (4, None, "b")]))
    assert [(index, time_s) for index, time_s, _, _ in lossy] == [(0, 0), (1, 0.4)]


def test_rising_stamps_are_kept_exactly_and_count_from_the_first():
    got, timeline = times([5.0, 5.3, 5.9])
    assert got == [0, pytest.approx(0.3), pytest.approx(0.9)]
    assert timeline.mended == timeline.new_bases == []


def test_frames_missing_at_the_start_keep_their_time():
    assert times([5.3, 5.4], start_s=5.0)[0] == pytest.approx([0.3, 0.4])
    assert times([5.3, 5.4], start_s=99.0)[0] == pytest.approx([0.0, 0.1])


@pytest.mark.parametrize("at", [1, 5, 20, 38])
def test_a_doubled_stamp_moves_its_own_frame_only(at):
    stamps = steady(40)
    stamps[at] = stamps[at - 1]
    got, timeline = times(stamps)
    assert got == pytest.approx(steady(40))
    assert timeline.mended == [at]


@pytest.mark.parametrize("wrong", [37_600.0, -37_600.0, 12.0, None])
@pytest.mark.parametrize("at", [0, 1, 2, 20, 37])
@pytest.mark.parametrize("many", [1, 2, 5])
def test_wild_backward_and_missing_stamps_are_mended_wherever_they_are(wrong, at, many):
    stamps: list[float | None] = list(steady(50))
    for index in range(at, at + many):
        stamps[index] = None if wrong is None else stamps[index] + wrong
    if at == 0 and wrong is not None and wrong < 0:
        return  # A recording that begins long before the rest: indistinguishable from a pause.
    got, timeline = times(stamps)
    assert got == pytest.approx(steady(50))
    assert timeline.mended == list(range(at, at + many))
    assert timeline.new_bases == []


def test_the_last_stamp_may_be_wrong():
    got, timeline = times([*steady(10), 0.4])
    assert got[:10] == pytest.approx(steady(10))
    assert got[10] == pytest.approx(1.0)
    assert timeline.new_bases == [10]


@pytest.mark.parametrize("at", [1, 2, 20, 39])
@pytest.mark.parametrize("pause_s", [1.5, 30.0, 43_200.0])
def test_real_pauses_are_kept(at, pause_s):
    stamps = steady(at) + steady(40 - at, at / 10 + pause_s)
    got, timeline = times(stamps)
    assert got == pytest.approx(stamps)
    assert timeline.mended == timeline.new_bases == []


def test_a_wrong_stamp_beside_a_real_pause_moves_itself_only():
    stamps = steady(10) + steady(10, 31.0)
    wild = [*stamps[:10], 5_000.0, *stamps[11:]]
    got, timeline = times(wild)
    assert got[:10] + got[11:] == pytest.approx(stamps[:10] + stamps[11:])
    assert 0.9 < got[10] < 31.1
    assert timeline.mended == [10]
    backward = [*stamps[:11], 5.0, *stamps[12:]]
    assert times(backward)[0] == pytest.approx(stamps)


def test_two_stamps_in_the_wrong_order_stay_between_their_neighbours():
    got, timeline = times([0.0, 0.1, 0.4, 0.3, 0.5, 0.6])
    assert got == pytest.approx([0, 0.1, 0.4, 0.45, 0.5, 0.6])
    assert timeline.mended == [3]


def test_a_new_time_base_goes_on_one_step_later():
    got, timeline = times([*steady(30, 100.0), 3.0, 3.1, 3.3])
    assert got == pytest.approx([*steady(30), 3.0, 3.1, 3.3])
    assert timeline.mended == []
    assert timeline.new_bases == [30]
    assert times([100.0, 100.1, 100.2, 3.0, 3.1, 3.3, 3.4])[0] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.7])


def test_parts_that_overlap_are_squeezed_and_later_times_stay():
    stamps = steady(20) + steady(20, 1.5)
    got, timeline = times(stamps)
    assert got[:20] + got[25:] == pytest.approx(stamps[:20] + stamps[25:])
    assert timeline.mended == list(range(20, 25))


def test_pictures_far_apart_are_no_pauses():
    stamps = [60.0 * number for number in range(10)]
    assert times(stamps, fps=1 / 60)[0] == stamps


@given(st.lists(st.none() | st.floats(-1e6, 1e6), max_size=60), st.floats(1, 120))
def test_times_always_rise(stamps, fps):
    got, _ = times(stamps, fps)
    assert len(got) == len(stamps)
    assert all(a < b for a, b in pairwise(got))
    assert not got or got[0] >= -1e-9
    again, _ = times(stamps, fps)
    assert got == again


def test_usual_rate_leaves_pauses_and_wrong_stamps_out():
    assert usual_rate([0, 0.1, 0.2, 5.0, 5.1]) == pytest.approx(10)
    assert usual_rate([0, 0.1, 0.1, 0.3, 0.4, None, 0.6, 0.7, 40_000.0, 0.9]) == pytest.approx(10)
    assert usual_rate([number * 33 // 1 / 1000 for number in range(3)]) == pytest.approx(30.3, abs=0.1)
    assert usual_rate([round(number / 30, 3) for number in range(31)]) == pytest.approx(30)
    assert usual_rate([1.0]) is None
    assert usual_rate([]) is None
    assert usual_rate([0, 1e-5, 2e-5]) is None


@pytest.mark.parametrize(
    ("said", "fps", "expected"),
    [
        ([0.0109, 10.0], 10, 10.0),
        ([9.9951, 10.0], 10, 10.0),
        ([29.97, 30.0, 59.94], 30000 / 1001, 29.97),
        ([25.0, 50.0], 25, 25.0),
        ([90_000.0, None, 0.0], 12, 12.0),
        ([25.0, 1000.0], 4, 4.0),
    ],
)
def test_the_rate_of_the_header_that_the_stamps_show_is_believed(said, fps, expected):
    stamps = [number / fps for number in range(20)]
    assert nominal_rate(said, stamps) == pytest.approx(expected, rel=1e-3)


def test_without_stamps_the_first_sensible_rate_counts():
    assert nominal_rate([None, 0.0, 90_000.0, 15.0, 25.0], []) == 15.0
    assert nominal_rate([None], []) is None


@given(st.floats(1, 60), st.floats(0.5, 80), st.floats(0, 3), st.integers(0, 200))
def test_a_selection_from_the_middle_is_the_tail_of_the_whole(fps, max_fps, start_s, start):
    config = SourcesConfig(max_fps=max_fps, start_s=start_s)
    whole, tail = FrameSelector(config), FrameSelector(config, start)
    every = [(index, index / fps) for index in range(200)]
    kept = [index for index, time_s in every if whole.wants(index, time_s)]
    assert [index for index, time_s in every if tail.wants(index, time_s)] == [
        index for index in kept if index >= start
    ]
    seconds = 200 / fps - start_s
    if seconds > 0:
        assert len(kept) <= seconds * max_fps + 2


@pytest.mark.parametrize("digits", [9, 3])
@pytest.mark.parametrize(("fps", "max_fps", "step"), [(30, 15, 2), (30, 10, 3), (25, 5, 5), (60, 20, 3)])
def test_whole_ratios_keep_every_nth_frame_also_with_times_in_milliseconds(fps, max_fps, step, digits):
    selector = FrameSelector(SourcesConfig(max_fps=max_fps))
    kept = [index for index in range(600) if selector.wants(index, round(index / fps, digits))]
    assert kept == list(range(0, 600, step))


@given(st.floats(1, 60), st.none() | st.floats(0.5, 80), st.floats(0, 12), st.integers(0, 300))
def test_the_count_told_beforehand_is_that_of_the_selection(fps, max_fps, start_s, count):
    config = SourcesConfig(max_fps=max_fps, start_s=start_s)
    selector = FrameSelector(config)
    assert selected_count(config, count, fps) == sum(selector.wants(index, index / fps) for index in range(count))


def test_a_wild_count_of_a_header_costs_nothing() -> None:
    assert selected_count(SourcesConfig(max_fps=5), 10**15, 25) == 2 * 10**14
