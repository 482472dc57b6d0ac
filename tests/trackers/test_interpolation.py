"""Filling gaps of finished tracklets."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.records import Tracklet
from trackers.interpolation import interpolate, smooth


def straight(frames: list[int], fps: float = 10.0) -> Tracklet:
    """Someone who walks 2 px a frame to the right."""
    index = np.array(frames, np.int64)
    left = 2.0 * index
    boxes = np.stack([left, np.full(len(index), 10.0), left + 20, np.full(len(index), 60.0)], axis=1)
    return Tracklet("hall", 3, index / fps, index, boxes.astype(np.float32), np.full(len(index), 0.8, np.float32))


def test_missed_frames_lie_on_the_line() -> None:
    filled = interpolate(straight([4, 5, 6, 9, 10, 12]), max_gap_s=1.0)
    whole = straight(list(range(4, 13)))
    np.testing.assert_array_equal(filled.frames, whole.frames)
    np.testing.assert_allclose(filled.times_s, whole.times_s)
    np.testing.assert_allclose(filled.boxes, whole.boxes, atol=1e-4)
    np.testing.assert_array_equal(filled.scores == 0, np.isin(whole.frames, [7, 8, 11]))
    assert filled.boxes.dtype == np.float32
    assert filled.frames.dtype == np.int64


def test_a_long_gap_stays_open() -> None:
    filled = interpolate(straight([0, 1, 3, 14, 15]), max_gap_s=1.0)
    np.testing.assert_array_equal(filled.frames, [0, 1, 2, 3, 14, 15])


def test_frames_that_were_never_looked_at_are_not_filled() -> None:
    filled = interpolate(straight([0, 3, 6, 12, 15]), max_gap_s=1.0)
    np.testing.assert_array_equal(filled.frames, [0, 3, 6, 9, 12, 15])


@pytest.mark.parametrize("frames", [[], [7], [7, 30], [1, 2, 3]])
def test_nothing_to_fill(frames: list[int]) -> None:
    tracklet = straight(frames)
    assert interpolate(tracklet, 5.0, smooth_s=0) is tracklet
    filled = interpolate(tracklet, 5.0)
    np.testing.assert_array_equal(filled.frames, tracklet.frames)
    np.testing.assert_allclose(filled.boxes, tracklet.boxes, atol=1e-3)


def test_who_stood_in_one_place_was_there_in_a_longer_gap_too() -> None:
    frames = [0, 1, 22, 23]
    still = replace(straight(frames), boxes=np.tile(np.array([5, 10, 25, 60], np.float32), (4, 1)))
    assert interpolate(still, 1.0).frames.tolist() == list(range(24))
    assert interpolate(still, 0.0).frames.tolist() == frames
    assert interpolate(straight(frames), 1.0).frames.tolist() == frames, "who walked may have been elsewhere"
    longer = replace(still, times_s=still.times_s * 2)
    assert interpolate(longer, 1.0).frames.tolist() == frames


def test_zero_seconds_fill_nothing() -> None:
    assert interpolate(straight([1, 2, 4]), 0.0).frames.tolist() == [1, 2, 4]


def test_smoothing_keeps_straight_lines_to_the_very_ends() -> None:
    tracklet = straight(list(range(40)))
    np.testing.assert_allclose(smooth(tracklet.boxes, tracklet.times_s, 0.3), tracklet.boxes, atol=1e-3)


def test_smoothing_takes_jitter_away() -> None:
    tracklet = straight(list(range(200)), fps=25)
    noise = np.random.default_rng(0).normal(0, 3, tracklet.boxes.shape).astype(np.float32)
    smoothed = smooth(tracklet.boxes + noise, tracklet.times_s, 0.25)
    assert np.abs(smoothed - tracklet.boxes).mean() < 0.5 * np.abs(noise).mean()


def test_smoothing_is_the_weighted_line_fit_of_numpy() -> None:
    rng = np.random.default_rng(1)
    times = np.cumsum(rng.uniform(0.02, 0.2, 30))
    boxes = straight(list(range(30))).boxes + rng.normal(0, 2, (30, 4)).astype(np.float32)
    smoothed = smooth(boxes, times, 0.25)
    for row in (0, 11, 29):
        near = np.abs(times - times[row]) <= 0.75
        weight = np.exp(-0.5 * ((times[near] - times[row]) / 0.25) ** 2)
        left = np.polyfit(times[near] - times[row], boxes[near, 0], 1, w=np.sqrt(weight))[1]
        assert smoothed[row, 0] == pytest.approx(left, abs=1e-3)


def test_rows_beyond_a_gap_have_no_say_and_lonely_rows_stay() -> None:
    tracklet = straight([0, 1, 2, 3, 50, 100, 101, 102])
    moved = tracklet.boxes.copy()
    moved[5:] += 500
    smoothed = smooth(moved, tracklet.times_s, 0.25)
    np.testing.assert_allclose(smoothed, moved, atol=1e-3)


def test_other_columns_follow() -> None:
    tracklet = straight([0, 1, 3])
    keypoints = np.ones((3, 17, 3), np.float32)
    world = np.array([[0, 0], [1, 0], [3, 2]], np.float32)
    tracklet = replace(tracklet, keypoints=keypoints, world_xy=world, prototype_rows=np.array([0, 2]))
    filled = interpolate(tracklet, 1.0)
    assert filled.keypoints is not None
    assert filled.keypoints[2].max() == 0
    assert filled.keypoints[[0, 1, 3]].min() == 1
    assert filled.world_xy is not None
    np.testing.assert_allclose(filled.world_xy[2], [2, 1])
    np.testing.assert_array_equal(filled.prototype_rows, [0, 3])


@given(st.sets(st.integers(0, 60), min_size=2, max_size=30), st.floats(0, 3))
def test_seen_rows_stay_and_frames_rise(frames: set[int], gap: float) -> None:
    tracklet = straight(sorted(frames))
    filled = interpolate(tracklet, gap)
    assert (np.diff(filled.frames) > 0).all()
    assert (np.diff(filled.times_s) > 0).all()
    seen = filled.scores > 0
    np.testing.assert_array_equal(filled.frames[seen], tracklet.frames)
    np.testing.assert_allclose(filled.boxes[seen], tracklet.boxes, atol=1e-3)
