"""The global order and the batches depend on timestamps only."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from data.records import Frame
from pipeline.input.batching import Batching, TimedFrame, batches, merge_by_time, rounds

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
    items = [TimedFrame(frame.time_s, frame) for frame in _frames("a", times)]
    cut = list(batches(iter(items), Batching(size, window_s)))
    assert [item for batch in cut for item in batch] == items
    for batch in cut:
        assert 1 <= len(batch) <= size
        assert batch[-1].common_s - batch[0].common_s <= window_s


@given(times=st.lists(st.floats(0, 100), min_size=2, max_size=60).map(sorted), size=st.integers(1, 9))
def test_batching_goes_on_alike_from_any_batch_boundary(times: list[float], size: int) -> None:
    """A resumed run starts at a batch boundary and must form the batches an unbroken run forms."""
    items = [TimedFrame(frame.time_s, frame) for frame in _frames("a", times)]
    whole = list(batches(iter(items), Batching(size, 5.0)))
    for done in range(1, len(whole)):
        rest = items[sum(len(batch) for batch in whole[:done]) :]
        assert list(batches(iter(rest), Batching(size, 5.0))) == whole[done:]


@given(cameras=st.lists(st.sampled_from("abcd"), max_size=30))
def test_rounds_take_each_scope_once_and_keep_its_order(cameras: list[str]) -> None:
    scope_of = {"a": 0, "b": 1, "c": 1, "d": 2}
    split = rounds(cameras, scope_of)
    assert sorted(row for group in split for row in group) == list(range(len(cameras)))
    for group in split:
        scopes = [scope_of[cameras[row]] for row in group]
        assert len(set(scopes)) == len(scopes)
    for scope in range(3):
        in_order = [row for group in split for row in group if scope_of[cameras[row]] == scope]
        assert in_order == sorted(in_order)
