import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from data.instants import Instants, instant_numbers


def split(frames: list[tuple[float, str]], cameras: str, tolerance_s: float) -> list[list[str]]:
    """Cameras of each instant, frames given as (time, camera) in order."""
    instants = Instants(cameras, tolerance_s)
    found: list[list[str]] = []
    for time_s, camera in sorted(frames):
        if instants.begins(camera, time_s):
            found.append([])
        found[-1].append(camera)
    return found


def test_cameras_that_tick_together() -> None:
    frames = [(number / 60 + late, camera) for number in range(3) for camera, late in zip("abc", (0, 0.001, 0.002))]
    assert split(frames, "abc", 0.05) == [["a", "b", "c"]] * 3, "the tolerance spans three frames, an instant one"


def test_a_dropped_frame_and_a_slower_camera_are_absent() -> None:
    frames = [(0.0, "a"), (0.0, "b"), (0.1, "a"), (0.2, "a"), (0.2, "b"), (0.3, "b")]
    assert split(frames, "ab", 0.02) == [["a", "b"], ["a"], ["a", "b"], ["b"]]


def test_an_offset_beyond_the_tolerance_makes_instants_of_one_view() -> None:
    frames = [(number / 4, "a") for number in range(3)] + [(number / 4 + 0.125, "b") for number in range(3)]
    assert split(frames, "ab", 0.05) == [["a"], ["b"]] * 3
    assert split(frames, "ab", 0.125) == [["a", "b"]] * 3


def test_a_dead_camera_delays_nobody() -> None:
    instants = Instants("ab", 0.05)
    assert instants.begins("a", 0.0)
    assert instants.covers(0.05)
    assert not instants.covers(0.0501)
    instants.begins("b", 0.01)
    assert instants.full
    assert not instants.covers(0.02)


@given(
    st.lists(st.tuples(st.integers(0, 60), st.sampled_from("abc")), min_size=1, max_size=40, unique=True),
    st.integers(0, 5),
)
def test_instants_are_short_and_hold_a_camera_once_wherever_one_starts(
    frames: list[tuple[int, str]], tolerance: int
) -> None:
    ordered = sorted(frames)
    found = split([(float(time), camera) for time, camera in frames], "abc", tolerance)
    assert [camera for instant in found for camera in instant] == [camera for _, camera in ordered]
    done = 0
    for instant in found:
        times = [time for time, _ in ordered[done : done + len(instant)]]
        assert times[-1] - times[0] <= tolerance
        assert len(set(instant)) == len(instant)
        rest = [(float(time), camera) for time, camera in ordered[done:]]
        assert split(rest, "abc", tolerance)[0] == instant, "what came before has no say"
        done += len(instant)


def test_rows_of_one_frame_have_one_number() -> None:
    times = np.array([0.5, 0.0, 0.01, 0.0, 0.5])
    cameras = np.array([1, 0, 1, 0, 1])
    assert instant_numbers(times, cameras, 0.05).tolist() == [1, 0, 0, 0, 1]
    assert instant_numbers(np.zeros(0), np.zeros(0, np.int64), 0.05).tolist() == []
