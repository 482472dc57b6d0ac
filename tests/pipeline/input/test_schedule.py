"""Which frames are looked at: all where something happens, few where nothing does, and the same ones every time."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from data.errors import UserError
from data.formats.state import load_state, save_state
from data.records import Detections, Frame, Image
from data.runtime.stage_clock import StageClock
from pipeline.backends.config import PaceConfig
from pipeline.input.batching import Batching, TimedFrame, batches
from pipeline.input.perception import perceive
from pipeline.input.schedule import Found, Schedule
from tests.pipeline.input.rooms import (
    FPS,
    SIZE,
    Boxes,
    Finds,
    detections_of,
    empty_room,
    frames_of,
    looks_at,
    with_people,
)


@pytest.mark.parametrize("noise", [0.0, 2.0, 12.0])
def test_an_empty_room_is_looked_at_at_its_floor_rate_however_noisy_its_camera(noise: float) -> None:
    looks = np.array(looks_at(frames_of(empty_room(noise), 120))["a"])
    learnt = looks[looks >= 50]
    assert np.diff(learnt).tolist() == [20] * (len(learnt) - 1)
    assert 3 <= len(learnt) <= 4


@pytest.mark.parametrize("fps", [0.5, 2.0, 7.0, 30.0])
def test_no_camera_waits_longer_than_the_floor_or_its_own_frames_allow(fps: float) -> None:
    times = np.array(looks_at(frames_of(empty_room(), max(int(5 * fps), 10), fps=fps))["a"]) / fps
    assert np.diff(times).max() <= 2.0 + 1 / fps + 1e-9


def test_somebody_who_comes_in_slowly_at_the_border_is_looked_at_at_once() -> None:
    def boxes(index: int) -> Boxes:
        return [(-20 + (index - 43) * 3, 60, -20 + (index - 43) * 3 + 20, 110)] if index >= 43 else []

    looks = looks_at(frames_of(with_people(boxes), 60), lambda frame: boxes(frame.index))["a"]
    assert set(range(46, 60)) & set(looks)
    first = next(index for index in looks if index > 40)
    assert first <= 46, "three pixels a frame at the border must be noticed"
    assert first + 1 in looks, "who has just appeared is looked at in every frame"


def test_a_cut_and_the_lights_are_looked_at_at_once_and_teach_no_noise() -> None:
    dark, bright = empty_room(light=60), empty_room(light=170)
    frames = frames_of(lambda index: bright(index) if index >= 33 else dark(index), 60)
    looks = looks_at(frames)["a"]
    assert 33 in looks
    walker = with_people(lambda index: [(100, 50, 118, 100)] if index >= 37 else [], bright)
    later = frames_of(lambda index: walker(index) if index >= 33 else dark(index), 60)
    assert 37 in looks_at(later)["a"], "the change of light must not deafen the test"


def test_a_clock_burnt_into_the_picture_wakes_nobody_for_long() -> None:
    def image(index: int) -> Image:
        picture = empty_room()(index)
        picture[4:14, 4:60] = 255 * ((np.arange(56) // 4 + index) % 2)[None, :, None]
        return picture

    looks = np.array(looks_at(frames_of(image, 300))["a"])
    assert (looks < 50).sum() > 10, "at first it may be somebody"
    assert (looks >= 150).sum() <= 30
    walker = with_people(lambda index: [(100, 50, 118, 100)] if index >= 255 else [], image)
    assert 255 in looks_at(frames_of(walker, 300))["a"], "elsewhere in the picture everything still counts"


def test_a_mover_the_detector_does_not_find_yet_is_looked_at_again() -> None:
    def boxes(index: int) -> Boxes:
        return [(10 + 4 * (index - 23), 50, 28 + 4 * (index - 23), 100)] if index >= 23 else []

    finds: Finds = lambda frame: boxes(frame.index) if frame.index >= 30 else []  # noqa: E731
    looks = looks_at(frames_of(with_people(boxes), 50), finds)["a"]
    assert set(range(23, 31)) <= set(looks)


def test_who_is_missed_by_a_late_look_is_looked_for_in_every_frame() -> None:
    missed: list[int] = []

    def boxes(index: int) -> Boxes:
        return [(20 + 2 * index, 40, 40 + 2 * index, 100)]

    def finds(frame: Frame) -> Boxes:
        if frame.index >= 30 and len(missed) < 2:
            missed.append(frame.index)
            return []
        return boxes(frame.index)

    looks = looks_at(frames_of(with_people(boxes), 60), finds)["a"]
    late, again = missed
    assert late - 1 not in looks, "the look was a late one"
    assert again == late + 1
    assert set(range(late, again + 4)) <= set(looks)
    assert len([index for index in looks if index > again + 6]) < 12, "who was found again is carried again"


def test_people_who_walk_by_themselves_are_carried_and_those_who_meet_are_not() -> None:
    def apart(index: int) -> Boxes:
        return [(20 + 2 * index, 40, 40 + 2 * index, 100), (200 - index, 40, 220 - index, 100)]

    frames = frames_of(with_people(apart), 60)
    looks = looks_at(frames, lambda frame: apart(frame.index))["a"]
    quiet = [index for index in looks if 10 < index < 40]
    assert len(quiet) <= 14
    boxes = {index: np.array(apart(index)) for index in range(60)}
    meeting = [index for index in range(60) if boxes[index][1, 0] - boxes[index][0, 0] < 12]
    assert meeting
    assert set(meeting[1:-3]) <= set(looks)


def test_people_who_stand_still_are_looked_at_at_the_floor_rate() -> None:
    boxes: Boxes = [(100, 50, 120, 110)]
    looks = looks_at(frames_of(with_people(lambda _: boxes), 60), lambda _: boxes)["a"]
    assert set(np.diff([index for index in looks if index >= 6]).tolist()) == {9}


def test_cameras_of_different_rates_do_not_disturb_one_another() -> None:
    slow = frames_of(empty_room(), 20, "slow", 2)
    fast = frames_of(with_people(lambda index: [(100, 50, 118, 100)] if index > 33 else []), 100, "fast", 10)
    alone = {**looks_at(slow), **looks_at(fast)}
    together = looks_at(sorted([*slow, *fast], key=lambda frame: (frame.time_s, frame.camera)))
    assert together == alone


def test_the_same_frames_are_looked_at_whatever_the_batches() -> None:
    def boxes(index: int) -> Boxes:
        return [(4 * index - 60, 40, 4 * index - 40, 100)] if 15 < index < 60 else []

    frames = frames_of(with_people(boxes), 80)
    seen = []
    for size in (1, 3, 8):
        instants = iter([[TimedFrame(frame.time_s, frame)] for frame in frames])
        found = perceive(
            batches(instants, Batching(size, 5.0)),
            lambda batch: [(detections_of(boxes(timed.frame.index)), None) for timed in batch],
            StageClock(),
            Schedule(PaceConfig()),
        )
        seen.append([item.looked for batch in found for instant in batch.instants for item in instant])
    assert seen[0] == seen[1] == seen[2]
    assert 0 < sum(seen[0]) < len(frames)


class _Undeveloped:
    """A picture that counts how often it was converted."""

    size = SIZE

    def __init__(self, image: Image) -> None:
        self._image, self.converted = image, 0

    def rgb(self) -> Image:
        self.converted += 1
        return self._image

    def sampled(self, width: int, height: int) -> Image:
        return Frame("a", 0, 0.0, self._image).sampled(width, height)


def test_frames_that_nobody_looks_at_are_not_converted() -> None:
    pictures = [_Undeveloped(empty_room()(index)) for index in range(60)]
    instants = iter([[TimedFrame(n / FPS, Frame("a", n, n / FPS, picture))] for n, picture in enumerate(pictures)])
    found = perceive(
        batches(instants, Batching(8, 5.0)),
        lambda batch: [(detections_of([]), None) for timed in batch if timed.frame.image.size],
        StageClock(),
        Schedule(PaceConfig()),
    )
    items = [item for batch in found for instant in batch.instants for item in instant]
    assert [picture.converted > 0 for picture in pictures] == [item.looked for item in items]
    assert [item.image is not None for item in items] == [item.looked for item in items]
    assert 0 < sum(item.looked for item in items) < 20
    assert {item.view.size for item in items} == {SIZE}


def test_cameras_of_a_group_are_looked_at_together() -> None:
    still = frames_of(empty_room(), 60, "still")
    busy = frames_of(with_people(lambda index: [(100, 50, 118, 100)] if index >= 25 else []), 60, "busy")
    pairs = [[TimedFrame(frame.time_s, frame) for frame in pair] for pair in zip(busy, still, strict=True)]
    found = perceive(
        [pairs], lambda batch: [(detections_of([]), None) for _ in batch], StageClock(), Schedule(PaceConfig())
    )
    looked = [[item.looked for item in instant] for batch in found for instant in batch.instants]
    assert looked[25] == [True, True]
    assert all(len(set(instant)) == 1 for instant in looked)
    assert [False, False] in looked


@pytest.mark.parametrize("scheduled", [False, True])
def test_pictures_of_several_cameras_come_to_the_networks_together(scheduled: bool) -> None:
    """One camera of another size and half the rate among four; a schedule sees to one picture of a camera at once."""

    def busy(index: int) -> Boxes:
        return [(100, 50 + index % 5, 118, 100)]

    cameras = {name: frames_of(with_people(busy), 20, name) for name in "abc"}
    cameras["slow"] = [Frame("slow", n, n / 5, np.zeros((48, 64, 3), np.uint8)) for n in range(10)]
    frames = sorted((frame for found in cameras.values() for frame in found), key=lambda frame: frame.time_s)
    seen: list[list[tuple[str, int]]] = []

    def look(batch: Sequence[TimedFrame]) -> list[Found]:
        seen.append([(timed.frame.camera, timed.frame.index) for timed in batch])
        return [(detections_of(busy(timed.frame.index)), None) for timed in batch]

    clock = StageClock()
    instants = iter([[TimedFrame(frame.time_s, frame)] for frame in frames])
    schedule = Schedule(PaceConfig(carry_s=0.05, rest_s=0.05)) if scheduled else None
    for _ in perceive(batches(instants, Batching(8, 5.0)), look, clock, schedule):
        pass
    together = [len(batch) for batch in seen]
    if scheduled:
        assert max(together) == 4
        assert all(len({camera for camera, _ in batch}) == len(batch) for batch in seen)
    else:
        assert together == [8] * 8 + [6]
    told = clock.summary()["look"]
    assert (told["items"], told["calls"]) == (sum(together), len(together))


def test_a_schedule_that_gets_its_memory_back_decides_as_before(tmp_path: Path) -> None:
    def boxes(index: int) -> Boxes:
        return [(4 * index - 60, 40, 4 * index - 40, 100)] if 15 < index < 60 else []

    frames, finds = frames_of(with_people(boxes), 80), lambda frame: boxes(frame.index)
    whole = looks_at(frames, finds)["a"]
    for done in (7, 22, 41):
        first, second = Schedule(PaceConfig()), Schedule(PaceConfig())
        looks_at(frames[:done], finds, first)
        save_state(tmp_path / "state.npz", {"perception": first.memory()})
        second.restore(load_state(tmp_path / "state.npz")["perception"])
        assert looks_at(frames[done:], finds, second)["a"] == [index for index in whole if index >= done]


def test_a_run_that_began_before_pictures_could_rest_goes_on_as_just_stirred() -> None:
    first, second = Schedule(PaceConfig()), Schedule(PaceConfig())
    looks_at(frames_of(empty_room(), 25), schedule=first)
    (tree,) = first.memory().values()
    del tree["stirred_s"], tree["seen_s"], tree["class_ids"], tree["poses"]
    second.restore({"a": tree})
    (again,) = second.memory().values()
    assert again["stirred_s"] == again["seen_s"] == again["looked_s"] == tree["looked_s"]


def test_the_memory_of_another_version_is_refused_in_a_line() -> None:
    schedule = Schedule(PaceConfig())
    looks_at(frames_of(empty_room(), 5), schedule=schedule)
    memory = schedule.memory()
    del memory["a"]["alert_s"]
    with pytest.raises(UserError, match=r"'alert_s'.*another version of this program wrote it; resume with that"):
        Schedule(PaceConfig()).restore(memory)


def test_a_source_that_starts_again_or_changes_its_size_is_looked_at() -> None:
    schedule = Schedule(PaceConfig())
    looks_at(frames_of(empty_room(), 25), schedule=schedule)
    assert schedule.due(Frame("a", 25, 0.0, empty_room()(0)))
    other = np.full((200, 300, 3), 90, np.uint8)
    assert schedule.due(Frame("a", 25, 2.5, other))
    schedule.looked(Frame("a", 25, 2.5, other), (Detections.empty(), None))
    assert not schedule.due(Frame("a", 26, 2.6, other))
