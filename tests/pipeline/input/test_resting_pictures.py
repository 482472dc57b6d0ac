"""Pictures that rest are looked at seldom, and one that stays the same is seldom given to the networks."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest

from data.formats.state import load_state, save_state
from data.records import Frame, Image, Poses
from data.runtime.stage_clock import StageClock
from pipeline.backends.config import PaceConfig
from pipeline.input.batching import Batching, TimedFrame, batches
from pipeline.input.perception import Perceived, perceive
from pipeline.input.schedule import Found, Schedule
from tests.pipeline.input.rooms import (
    Boxes,
    Finds,
    detections_of,
    empty_room,
    frames_of,
    looks_at,
    with_people,
)
from trackers.config import TrackerConfig


def _rest(boxes: Callable[[int], Boxes], count: int, finds: Finds | None = None, fps: float = 5) -> list[int]:
    """Looks at a camera that has rested from frame 100 on, 5 s after the last that stirs it."""
    schedule = Schedule(PaceConfig(rest_after_s=5.0))
    frames = frames_of(with_people(boxes), count, fps=fps)
    return looks_at(frames, finds or (lambda frame: boxes(frame.index)), schedule)["a"]


@pytest.mark.parametrize("boxes", [[(100, 50, 120, 110)], [(100, 50, 120, 110), (112, 50, 132, 110)]])
def test_people_who_have_not_moved_for_long_are_looked_at_seldom(boxes: Boxes) -> None:
    looks = np.array(_rest(lambda _: boxes, 200))
    before, after = looks[(looks > 2) & (looks < 20)], looks[looks >= 60]
    assert np.diff(before).max() <= 5, "alone every 0.9 s, touching in every frame"
    assert np.diff(after).tolist() == [8] * (len(after) - 1), "1.5 s, and what is left of a frame"
    assert len(after) > 10


@pytest.mark.parametrize("fps", [2.0, 7.0, 12.5, 29.97])
def test_who_rests_is_looked_after_before_his_track_could_be_lost(fps: float) -> None:
    boxes: Boxes = [(100, 50, 120, 110)]
    frames = frames_of(with_people(lambda _: boxes), int(12 * fps), fps=fps)
    looks = np.array(looks_at(frames, lambda _: boxes, Schedule(PaceConfig(rest_after_s=2.0)))["a"]) / fps
    assert 1.4 < np.diff(looks).max() <= TrackerConfig().life.coast_s


def test_a_flash_elsewhere_is_looked_at_and_ends_no_rest() -> None:
    def image(index: int) -> Image:
        picture = with_people(lambda _: [(100, 50, 120, 110)])(index)
        if index == 134:
            picture[10:20, 200:210] = 250
        return picture

    looks = looks_at(
        frames_of(image, 190, fps=5), lambda _: [(100, 50, 120, 110)], Schedule(PaceConfig(rest_after_s=5.0))
    )
    assert 134 in looks["a"]
    assert set(np.diff([index for index in looks["a"] if index >= 135]).tolist()) == {8}


def test_who_moves_after_a_rest_is_looked_at_and_ends_it() -> None:
    def boxes(index: int) -> Boxes:
        left = 100 + 3 * max(index - 134, 0)
        return [(left, 50, left + 20, 110)] if index < 150 else [(145, 50, 165, 110)]

    looks = _rest(boxes, 180)
    first = next(index for index in looks if index > 134)
    assert first <= 136
    assert np.diff([index for index in looks if index >= 155]).max() <= 5, "he has just moved"


def test_people_who_touch_are_looked_at_as_soon_as_one_of_them_moves() -> None:
    def boxes(index: int) -> Boxes:
        left = 112 + max(index - 134, 0)
        return [(100, 50, 120, 110), (left, 50, left + 20, 110)]

    looks = _rest(boxes, 150, fps=10)
    first = next(index for index in looks if index > 134)
    assert set(range(first, first + 3)) <= set(looks)


def test_whom_the_detector_finds_only_now_and_then_does_not_rest() -> None:
    shown: Boxes = [(100, 50, 120, 110)]
    looks = _rest(lambda _: shown, 300, lambda frame: shown if frame.index % 3 else [])
    late = [index for index in looks if index >= 100]
    assert np.diff(late).max() <= 5, "or his track would break"


def _seen(
    image: Callable[[int], Image], count: int, finds: Finds, pace: PaceConfig | None = None, poses: Poses | None = None
) -> tuple[list[Perceived], list[int]]:
    """What comes of a camera at 5 fps that rests after 5 s, and the frames that the networks saw."""
    frames = frames_of(image, count, fps=5)
    given: list[int] = []

    def look(batch: Sequence[TimedFrame]) -> list[Found]:
        given.extend(timed.frame.index for timed in batch)
        return [(detections_of(finds(timed.frame)), poses) for timed in batch]

    instants = iter([[TimedFrame(frame.time_s, frame)] for frame in frames])
    schedule = Schedule(pace or PaceConfig(rest_after_s=5.0))
    found = perceive(batches(instants, Batching(8, 5.0)), look, StageClock(), schedule)
    return [item for batch in found for instant in batch.instants for item in instant], given


def _boxes(item: Perceived) -> list[tuple[float, ...]]:
    return [tuple(box) for box in item.view.detections.boxes.tolist()]


@pytest.mark.parametrize(("boxes", "due", "networks"), [([], 10, 50), ([(100, 50, 120, 110)], 8, 56)])
def test_a_resting_picture_that_stays_the_same_is_seldom_given_to_the_networks(
    boxes: Boxes, due: int, networks: int
) -> None:
    items, given = _seen(with_people(lambda _: boxes), 240, lambda _: boxes)
    assert set(np.diff([index for index in given if index >= 60]).tolist()) == {networks}
    looked = [item.view.frame_index for item in items if item.looked]
    assert set(np.diff([index for index in looked if index >= 60]).tolist()) == {due}
    assert [item.view.frame_index for item in items if item.looked and not item.repeated] == given
    repeated = [item for item in items if item.repeated]
    assert len(repeated) > 8
    assert all(item.image is None and _boxes(item) == boxes for item in repeated)


def test_skeletons_of_the_detectors_own_pass_are_repeated_too() -> None:
    poses = Poses(np.ones((1, 17, 3), np.float32), np.zeros((0, 17, 3), np.float32))
    boxes: Boxes = [(100, 50, 120, 110)]
    items, _ = _seen(with_people(lambda _: boxes), 120, lambda _: boxes, poses=poses)
    assert all(item.view.poses is poses for item in items if item.repeated)
    assert any(item.repeated for item in items)


def _with_somebody_pale(room: Callable[[int], Image], first: int) -> Callable[[int], Image]:
    """Somebody of four grey levels more than the room stands there from a frame on."""

    def image(index: int) -> Image:
        picture = room(index)
        if index >= first:
            picture[40:100, 180:200] += 4
        return picture

    return image


def test_somebody_too_pale_to_wake_the_camera_is_looked_at_at_the_next_chance() -> None:
    still, room = (100, 50, 120, 110), with_people(lambda _: [(100, 50, 120, 110)], empty_room(noise=0.5))
    _, given = _seen(_with_somebody_pale(room, 110), 150, lambda _: [still])
    _, without = _seen(room, 150, lambda _: [still])
    assert min(index for index in given if index >= 110) == 117, "the next that is due"
    assert min(index for index in without if index >= 110) == 133


def test_nobody_who_stirs_is_repeated() -> None:
    def boxes(index: int) -> Boxes:
        left = 100 + 2 * max(index - 134, 0)
        return [(left, 50, left + 20, 110)]

    items, _ = _seen(with_people(boxes), 170, lambda frame: boxes(frame.index))
    assert any(item.repeated for item in items if item.view.frame_index < 134)
    assert not any(item.repeated for item in items if item.view.frame_index >= 136)


def test_nobody_who_has_just_appeared_is_repeated() -> None:
    boxes: Boxes = [(100, 50, 120, 110)]
    pace = PaceConfig(rest_after_s=0.0, alert_s=3.0)
    items, given = _seen(with_people(lambda _: boxes), 120, lambda frame: boxes if frame.index > 8 else [], pace)
    first = min(index for index in given if index > 8)
    repeated = [item.view.frame_index for item in items if item.repeated]
    assert set(range(first, first + 16)) <= set(given)
    assert min(index for index in repeated if index > first) > first + 15


def test_a_group_is_repeated_only_where_all_its_pictures_are_the_same() -> None:
    room = empty_room(noise=0.5)
    still, other = frames_of(room, 120, "still", 5), frames_of(_with_somebody_pale(room, 78), 120, "other", 5)
    pairs = [[TimedFrame(frame.time_s, frame) for frame in pair] for pair in zip(other, still, strict=True)]
    given: list[int] = []

    def look(batch: Sequence[TimedFrame]) -> list[Found]:
        given.extend(timed.frame.index for timed in batch)
        return [(detections_of([]), None) for _ in batch]

    found = perceive([[pair] for pair in pairs], look, StageClock(), Schedule(PaceConfig(rest_after_s=5.0)))
    flags = [[item.repeated for item in instant] for batch in found for instant in batch.instants]
    assert all(len(set(instant)) == 1 for instant in flags)
    assert [True, True] in flags
    assert 0 < min(index for index in given if index >= 78) - 78 <= 10, "the next that are due"
    assert [True, True] in flags[60:78]
    assert all(given.count(index) == 2 for index in given)


def test_a_schedule_that_gets_its_memory_back_repeats_as_before(tmp_path: Path) -> None:
    boxes: Boxes = [(100, 50, 120, 110)]
    poses = Poses(np.ones((1, 17, 3), np.float32), np.zeros((0, 17, 3), np.float32))
    frames = frames_of(with_people(lambda _: boxes), 150, fps=5)

    def walk(schedule: Schedule, some: Iterable[Frame]) -> list[tuple[int, list[Found] | None]]:
        told = []
        for frame in some:
            if schedule.due(frame):
                told.append((frame.index, schedule.repeat([frame])))
                if told[-1][1] is None:
                    schedule.looked(frame, (detections_of(boxes), poses))
        return told

    pace = PaceConfig(rest_after_s=5.0)
    whole = walk(Schedule(pace), frames)
    assert sum(found is not None for _, found in whole) > 5
    first, second = Schedule(pace), Schedule(pace)
    walk(first, frames[:75])
    save_state(tmp_path / "state.npz", {"perception": first.memory()})
    second.restore(load_state(tmp_path / "state.npz")["perception"])
    later = [told for told in whole if told[0] >= 75]
    assert repr(walk(second, frames[75:])) == repr(later)
