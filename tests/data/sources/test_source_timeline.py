from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.config import SourcesConfig
from data.sources.select import FrameSelector
from data.sources.timeline import Timeline, rises, usual_rate


def times(stamps: list[float | None], fps: float = 10, origin: float | None = 0.0) -> tuple[list[float], list[int]]:
    timeline = Timeline(fps, origin)
    return [timeline.time(index, stamp) for index, stamp in enumerate(stamps)], timeline.mended


def test_rises():
    assert rises([])
    assert rises([0.0, 0.1, 5.0])
    assert not rises([0.0, 0.1, 0.1])
    assert not rises([0.0, 0.2, 0.1])
    assert not rises([0.0, None, 0.1])


def test_usual_rate_is_that_of_the_median_step():
    assert usual_rate([0, 0.1, 0.2, 5.0, 5.1]) == pytest.approx(10)
    assert usual_rate([1.0]) is None


def test_without_timestamps_time_is_index_over_rate():
    assert times([None, 7.0, 3.0], origin=None) == ([0, 0.1, 0.2], [])


def test_rising_stamps_are_kept_exactly():
    assert times([5.0, 5.3, 9.0], origin=5.0) == ([0, pytest.approx(0.3), 4.0], [])


def test_one_wrong_stamp_moves_its_own_frame_only():
    got, mended = times([0.0, 0.1, 0.4, 0.3, 0.5, 0.6])
    assert got == pytest.approx([0, 0.1, 0.4, 0.41, 0.5, 0.6])
    assert mended == [3]


def test_a_new_time_base_goes_on_one_step_later():
    got, mended = times([100.0, 100.1, 100.2, 3.0, 3.1, 3.3], origin=100.0)
    assert got == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.6])
    assert mended == [3]


def test_a_missing_stamp_is_one_step_later():
    assert times([0.0, None, 0.3])[0] == pytest.approx([0, 0.1, 0.3])


@given(st.lists(st.none() | st.floats(-1e6, 1e6), max_size=60), st.floats(1, 120))
def test_times_always_rise(stamps, fps):
    got, _ = times(stamps, fps, origin=0.0)
    assert all(a < b for a, b in pairwise(got))
    if got:
        assert got[0] >= -1


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
