"""The global order and the batches depend on timestamps only."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.records import Frame
from data.site import Site
from pipeline.input.batching import Batching, TimedFrame, batches, by_instant, merge_by_time, rounds

_PIXEL = np.zeros((1, 1, 3), np.uint8)


def _frames(camera: str, times: list[float]) -> list[Frame]:
    return [Frame(camera, index, time_s, _PIXEL) for index, time_s in enumerate(times)]


def test_cameras_of_different_rates_merge_by_common_time() -> None:
    streams = {"b": iter(_frames("b", [0.0, 0.5, 1.0])), "a": iter(_frames("a", [0.0, 0.1, 0.2]))}
    offsets = {"a": 0.45, "b": 0.0}
    merged = merge_by_time(streams, lambda camera, time_s: time_s + offsets[camera])
    assert [(item.frame.camera, item.frame.index) for item in merged] == [
        ("b", 0), ("a", 0), ("b", 1), ("a", 1), ("a", 2), ("b", 2),
    ]  # fmt: skip


def test_equal_times_are_ordered_by_camera_name() -> None:
    streams = {"z": iter(_frames("z", [0.0, 1.0])), "a": iter(_frames("a", [0.0, 1.0]))}
    merged = [item.frame.camera for item in merge_by_time(streams, lambda _, time_s: time_s)]
    assert merged == ["a", "z", "a", "z"]


@given(
    times=st.lists(st.floats(0, 100), min_size=0, max_size=60).map(sorted),
    size=st.integers(1, 9),
    window_s=st.floats(0.01, 50),
)
def test_batches_keep_every_frame_once_and_respect_both_limits(times: list[float], size: int, window_s: float) -> None:
    items = [[TimedFrame(frame.time_s, frame)] for frame in _frames("a", times)]
    cut = list(batches(iter(items), Batching(size, window_s)))
    assert [item for batch in cut for item in batch] == items
    for batch in cut:
        assert 1 <= len(batch) <= size
        assert batch[-1][0].common_s - batch[0][0].common_s <= window_s


@given(
    times=st.lists(st.floats(0, 100), min_size=2, max_size=60).map(sorted),
    size=st.integers(1, 9),
    at_once=st.booleans(),
)
def test_batching_goes_on_alike_from_any_batch_boundary(times: list[float], size: int, at_once: bool) -> None:
    """A resumed run starts at a batch boundary and must form the batches an unbroken run forms."""
    items = [[TimedFrame(frame.time_s, frame)] for frame in _frames("a", times)]
    whole = list(batches(iter(items), Batching(size, 5.0), at_once=at_once))
    for done in range(1, len(whole)):
        rest = items[sum(len(batch) for batch in whole[:done]) :]
        assert list(batches(iter(rest), Batching(size, 5.0))) == whole[done:]


@pytest.mark.parametrize("at_once", [False, True])
def test_the_first_instant_may_come_by_itself(at_once: bool) -> None:
    items = [[TimedFrame(frame.time_s, frame)] for frame in _frames("a", [0.0, 0.1, 0.2, 0.3])]
    sizes = [len(batch) for batch in batches(iter(items), Batching(3, 5.0), at_once=at_once)]
    assert sizes == ([1, 3] if at_once else [3, 1])
    assert list(batches(iter([]), Batching(3, 5.0), at_once=at_once)) == []


def _site(tolerance_s: float) -> Site:
    known = {"calibration": {"homography": np.eye(3).tolist()}, "clock": {"status": "common"}}
    groups = [
        {"name": "one", "cameras": ["a", "b", "c"], "sync_tolerance_s": tolerance_s},
        {"name": "two", "cameras": ["d", "e"], "sync_tolerance_s": 2 * tolerance_s},
    ]
    return Site.model_validate({"cameras": dict.fromkeys("abcde", known) | {"f": {}}, "groups": groups})


def _instants(frames: list[tuple[int, str]], tolerance_s: float) -> list[list[tuple[float, str]]]:
    """Times and cameras of each instant of frames given as (time, camera), in the global order."""
    merged = (TimedFrame(float(time), Frame(camera, time, time, _PIXEL)) for time, camera in sorted(frames))
    found = by_instant(merged, _site(tolerance_s).scopes("abcdef"))
    return [[(timed.common_s, timed.frame.camera) for timed in instant] for instant in found]


def test_frames_of_a_group_come_together_in_the_order_of_their_first() -> None:
    frames = [(0, "a"), (1, "f"), (2, "b"), (3, "f"), (9, "c"), (10, "f"), (10, "a"), (11, "d")]
    assert _instants(frames, 4) == [
        [(0, "a"), (2, "b")], [(1, "f")], [(3, "f")], [(9, "c"), (10, "a")], [(10, "f")], [(11, "d")],
    ]  # fmt: skip


_some_frames = st.lists(st.tuples(st.integers(0, 60), st.sampled_from("abcdef")), min_size=1, max_size=50, unique=True)


@given(frames=_some_frames, tolerance_s=st.integers(0, 6))
def test_every_frame_is_in_one_instant_of_its_scope(frames: list[tuple[int, str]], tolerance_s: int) -> None:
    found = _instants(frames, tolerance_s)
    assert sorted(frame for instant in found for frame in instant) == sorted((float(t), c) for t, c in frames)
    assert [instant[0] for instant in found] == sorted(instant[0] for instant in found)
    for instant in found:
        cameras = {camera for _, camera in instant}
        assert len(cameras) == len(instant)
        assert any(cameras <= set(scope) for scope in ("abc", "de", "f"))
        assert instant[-1][0] - instant[0][0] <= tolerance_s * (2 if cameras <= set("de") else 1)


@given(frames=_some_frames, tolerance_s=st.integers(0, 6), done=st.integers(1, 20))
def test_instants_go_on_alike_after_any_of_them(frames: list[tuple[int, str]], tolerance_s: int, done: int) -> None:
    """A resumed run reads each camera from its last processed frame on."""
    whole = _instants(frames, tolerance_s)
    read = {frame for instant in whole[:done] for frame in instant}
    rest = [(int(time), camera) for time, camera in frames if (float(time), camera) not in read]
    assert _instants(rest, tolerance_s) == whole[done:]


def test_an_instant_is_not_held_back_longer_than_the_tolerance() -> None:
    """Live cameras: one that died must not stop the others."""
    read: list[int] = []

    def frames() -> Iterator[TimedFrame]:
        for time in range(0, 100, 10):
            read.append(time)
            yield TimedFrame(float(time), Frame("a", time, time, _PIXEL))

    instants = by_instant(frames(), _site(4).scopes("abc"))
    for time in range(0, 50, 10):
        assert next(instants)[0].common_s == time
        assert read[-1] <= time + 10


@given(scopes=st.lists(st.integers(0, 2), max_size=30))
def test_rounds_take_each_scope_once_and_keep_its_order(scopes: list[int]) -> None:
    split = rounds(scopes)
    assert sorted(row for group in split for row in group) == list(range(len(scopes)))
    for group in split:
        found = [scopes[row] for row in group]
        assert len(set(found)) == len(found)
    for scope in range(3):
        in_order = [row for group in split for row in group if scopes[row] == scope]
        assert in_order == sorted(in_order)
