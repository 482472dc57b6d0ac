"""Which frames are looked at: all where something happens, few where nothing does, and the same ones every time."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest

from data.errors import UserError
from data.formats.state import load_state, save_state
from data.records import Detections, FloatArray, Frame, Image, Poses
from data.runtime.stage_clock import StageClock
from pipeline.backends.config import PaceConfig
from pipeline.input.batching import Batching, TimedFrame, batches
from pipeline.input.perception import Perceived, perceive
from pipeline.input.schedule import Found, Schedule
from trackers.config import TrackerConfig

FPS = 10
SIZE = (256, 144)
Boxes = list[tuple[float, float, float, float]]
Finds = Callable[[Frame], Boxes]


def _empty(noise: float = 2.0, light: int = 110) -> Callable[[int], Image]:
    """A still room under a noisy sensor."""

    def image(index: int) -> Image:
        rng = np.random.default_rng(index)
        room = np.linspace(-30, 30, SIZE[0])[None, :, None] + light
        return np.clip(room + rng.normal(0, noise, (SIZE[1], SIZE[0], 3)), 0, 255).astype(np.uint8)

    return image


def _with_people(boxes: Callable[[int], Boxes], room: Callable[[int], Image] | None = None) -> Callable[[int], Image]:
    behind = room or _empty()

    def image(index: int) -> Image:
        picture = behind(index)
        for x1, y1, x2, y2 in boxes(index):
            picture[int(y1) : int(y2), max(int(x1), 0) : max(int(x2), 0)] = (180, 40, 40)
        return picture

    return image


def _frames(image: Callable[[int], Image], count: int, camera: str = "a", fps: float = FPS) -> list[Frame]:
    return [Frame(camera, index, index / fps, image(index)) for index in range(count)]


def _detections(boxes: Sequence[Sequence[float]]) -> Detections:
    corners: FloatArray = np.array(boxes, np.float32).reshape(-1, 4)
    return Detections.of_people(corners, np.full(len(corners), 0.9, np.float32))


def _looks(
    frames: Iterable[Frame], finds: Finds = lambda _: [], schedule: Schedule | None = None
) -> dict[str, list[int]]:
    """Numbers of the frames that are looked at, by camera."""
    schedule = schedule or Schedule(PaceConfig())
    looked: dict[str, list[int]] = {}
    for frame in frames:
        if schedule.due(frame):
            schedule.looked(frame, (_detections(finds(frame)), None))
            looked.setdefault(frame.camera, []).append(frame.index)
    return looked


@pytest.mark.parametrize("noise", [0.0, 2.0, 12.0])
def test_an_empty_room_is_looked_at_at_its_floor_rate_however_noisy_its_camera(noise: float) -> None:
    looks = np.array(_looks(_frames(_empty(noise), 120))["a"])
    learnt = looks[looks >= 50]
    assert np.diff(learnt).tolist() == [20] * (len(learnt) - 1)
    assert 3 <= len(learnt) <= 4


@pytest.mark.parametrize("fps", [0.5, 2.0, 7.0, 30.0])
def test_no_camera_waits_longer_than_the_floor_or_its_own_frames_allow(fps: float) -> None:
    times = np.array(_looks(_frames(_empty(), max(int(5 * fps), 10), fps=fps))["a"]) / fps
    assert np.diff(times).max() <= 2.0 + 1 / fps + 1e-9


def test_somebody_who_comes_in_slowly_at_the_border_is_looked_at_at_once() -> None:
    def boxes(index: int) -> Boxes:
        return [(-20 + (index - 43) * 3, 60, -20 + (index - 43) * 3 + 20, 110)] if index >= 43 else []

    looks = _looks(_frames(_with_people(boxes), 60), lambda frame: boxes(frame.index))["a"]
    assert set(range(46, 60)) & set(looks)
    first = next(index for index in looks if index > 40)
    assert first <= 46, "three pixels a frame at the border must be noticed"
    assert first + 1 in looks, "who has just appeared is looked at in every frame"


def test_a_cut_and_the_lights_are_looked_at_at_once_and_teach_no_noise() -> None:
    dark, bright = _empty(light=60), _empty(light=170)
    frames = _frames(lambda index: bright(index) if index >= 33 else dark(index), 60)
    looks = _looks(frames)["a"]
    assert 33 in looks
    walker = _with_people(lambda index: [(100, 50, 118, 100)] if index >= 37 else [], bright)
    later = _frames(lambda index: walker(index) if index >= 33 else dark(index), 60)
    assert 37 in _looks(later)["a"], "the change of light must not deafen the test"


def test_a_clock_burnt_into_the_picture_wakes_nobody_for_long() -> None:
    def image(index: int) -> Image:
        picture = _empty()(index)
        picture[4:14, 4:60] = 255 * ((np.arange(56) // 4 + index) % 2)[None, :, None]
        return picture

    looks = np.array(_looks(_frames(image, 300))["a"])
    assert (looks < 50).sum() > 10, "at first it may be somebody"
    assert (looks >= 150).sum() <= 30
    walker = _with_people(lambda index: [(100, 50, 118, 100)] if index >= 255 else [], image)
    assert 255 in _looks(_frames(walker, 300))["a"], "elsewhere in the picture everything still counts"


def test_a_mover_the_detector_does_not_find_yet_is_looked_at_again() -> None:
    def boxes(index: int) -> Boxes:
        return [(10 + 4 * (index - 23), 50, 28 + 4 * (index - 23), 100)] if index >= 23 else []

    finds: Finds = lambda frame: boxes(frame.index) if frame.index >= 30 else []  # noqa: E731
    looks = _looks(_frames(_with_people(boxes), 50), finds)["a"]
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

    looks = _looks(_frames(_with_people(boxes), 60), finds)["a"]
    late, again = missed
    assert late - 1 not in looks, "the look was a late one"
    assert again == late + 1
    assert set(range(late, again + 4)) <= set(looks)
    assert len([index for index in looks if index > again + 6]) < 12, "who was found again is carried again"


def test_people_who_walk_by_themselves_are_carried_and_those_who_meet_are_not() -> None:
    def apart(index: int) -> Boxes:
        return [(20 + 2 * index, 40, 40 + 2 * index, 100), (200 - index, 40, 220 - index, 100)]

    frames = _frames(_with_people(apart), 60)
    looks = _looks(frames, lambda frame: apart(frame.index))["a"]
    quiet = [index for index in looks if 10 < index < 40]
    assert len(quiet) <= 14
    boxes = {index: np.array(apart(index)) for index in range(60)}
    meeting = [index for index in range(60) if boxes[index][1, 0] - boxes[index][0, 0] < 12]
    assert meeting
    assert set(meeting[1:-3]) <= set(looks)


def test_people_who_stand_still_are_looked_at_at_the_floor_rate() -> None:
    boxes: Boxes = [(100, 50, 120, 110)]
    looks = _looks(_frames(_with_people(lambda _: boxes), 60), lambda _: boxes)["a"]
    assert set(np.diff([index for index in looks if index >= 6]).tolist()) == {9}


def _rest(boxes: Callable[[int], Boxes], count: int, finds: Finds | None = None, fps: float = 5) -> list[int]:
    """Looks at a camera that has rested from frame 100 on, 5 s after the last that stirs it."""
    schedule = Schedule(PaceConfig(rest_after_s=5.0))
    frames = _frames(_with_people(boxes), count, fps=fps)
    return _looks(frames, finds or (lambda frame: boxes(frame.index)), schedule)["a"]


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
    frames = _frames(_with_people(lambda _: boxes), int(12 * fps), fps=fps)
    looks = np.array(_looks(frames, lambda _: boxes, Schedule(PaceConfig(rest_after_s=2.0)))["a"]) / fps
    assert 1.4 < np.diff(looks).max() <= TrackerConfig().life.coast_s


def test_a_flash_elsewhere_is_looked_at_and_ends_no_rest() -> None:
    def image(index: int) -> Image:
        picture = _with_people(lambda _: [(100, 50, 120, 110)])(index)
        if index == 134:
            picture[10:20, 200:210] = 250
        return picture

    looks = _looks(_frames(image, 190, fps=5), lambda _: [(100, 50, 120, 110)], Schedule(PaceConfig(rest_after_s=5.0)))
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
    frames = _frames(image, count, fps=5)
    given: list[int] = []

    def look(batch: Sequence[TimedFrame]) -> list[Found]:
        given.extend(timed.frame.index for timed in batch)
        return [(_detections(finds(timed.frame)), poses) for timed in batch]

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
    items, given = _seen(_with_people(lambda _: boxes), 240, lambda _: boxes)
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
    items, _ = _seen(_with_people(lambda _: boxes), 120, lambda _: boxes, poses=poses)
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
    still, room = (100, 50, 120, 110), _with_people(lambda _: [(100, 50, 120, 110)], _empty(noise=0.5))
    _, given = _seen(_with_somebody_pale(room, 110), 150, lambda _: [still])
    _, without = _seen(room, 150, lambda _: [still])
    assert min(index for index in given if index >= 110) == 117, "the next that is due"
    assert min(index for index in without if index >= 110) == 133


def test_nobody_who_stirs_is_repeated() -> None:
    def boxes(index: int) -> Boxes:
        left = 100 + 2 * max(index - 134, 0)
        return [(left, 50, left + 20, 110)]

    items, _ = _seen(_with_people(boxes), 170, lambda frame: boxes(frame.index))
    assert any(item.repeated for item in items if item.view.frame_index < 134)
    assert not any(item.repeated for item in items if item.view.frame_index >= 136)


def test_nobody_who_has_just_appeared_is_repeated() -> None:
    boxes: Boxes = [(100, 50, 120, 110)]
    pace = PaceConfig(rest_after_s=0.0, alert_s=3.0)
    items, given = _seen(_with_people(lambda _: boxes), 120, lambda frame: boxes if frame.index > 8 else [], pace)
    first = min(index for index in given if index > 8)
    repeated = [item.view.frame_index for item in items if item.repeated]
    assert set(range(first, first + 16)) <= set(given)
    assert min(index for index in repeated if index > first) > first + 15


def test_a_group_is_repeated_only_where_all_its_pictures_are_the_same() -> None:
    room = _empty(noise=0.5)
    still, other = _frames(room, 120, "still", 5), _frames(_with_somebody_pale(room, 78), 120, "other", 5)
    pairs = [[TimedFrame(frame.time_s, frame) for frame in pair] for pair in zip(other, still, strict=True)]
    given: list[int] = []

    def look(batch: Sequence[TimedFrame]) -> list[Found]:
        given.extend(timed.frame.index for timed in batch)
        return [(_detections([]), None) for _ in batch]

    found = perceive([[pair] for pair in pairs], look, StageClock(), Schedule(PaceConfig(rest_after_s=5.0)))
    flags = [[item.repeated for item in instant] for batch in found for instant in batch.instants]
    assert all(len(set(instant)) == 1 for instant in flags)
    assert [True, True] in flags
    assert 0 < min(index for index in given if index >= 78) - 78 <= 10, "the next that are due"
    assert [True, True] in flags[60:78]
    assert all(given.count(index) == 2 for index in given)


def test_cameras_of_different_rates_do_not_disturb_one_another() -> None:
    slow = _frames(_empty(), 20, "slow", 2)
    fast = _frames(_with_people(lambda index: [(100, 50, 118, 100)] if index > 33 else []), 100, "fast", 10)
    alone = {**_looks(slow), **_looks(fast)}
    together = _looks(sorted([*slow, *fast], key=lambda frame: (frame.time_s, frame.camera)))
    assert together == alone


def test_the_same_frames_are_looked_at_whatever_the_batches() -> None:
    def boxes(index: int) -> Boxes:
        return [(4 * index - 60, 40, 4 * index - 40, 100)] if 15 < index < 60 else []

    frames = _frames(_with_people(boxes), 80)
    seen = []
    for size in (1, 3, 8):
        instants = iter([[TimedFrame(frame.time_s, frame)] for frame in frames])
        found = perceive(
            batches(instants, Batching(size, 5.0)),
            lambda batch: [(_detections(boxes(timed.frame.index)), None) for timed in batch],
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
    pictures = [_Undeveloped(_empty()(index)) for index in range(60)]
    instants = iter([[TimedFrame(n / FPS, Frame("a", n, n / FPS, picture))] for n, picture in enumerate(pictures)])
    found = perceive(
        batches(instants, Batching(8, 5.0)),
        lambda batch: [(_detections([]), None) for timed in batch if timed.frame.image.size],
        StageClock(),
        Schedule(PaceConfig()),
    )
    items = [item for batch in found for instant in batch.instants for item in instant]
    assert [picture.converted > 0 for picture in pictures] == [item.looked for item in items]
    assert [item.image is not None for item in items] == [item.looked for item in items]
    assert 0 < sum(item.looked for item in items) < 20
    assert {item.view.size for item in items} == {SIZE}


def test_cameras_of_a_group_are_looked_at_together() -> None:
    still = _frames(_empty(), 60, "still")
    busy = _frames(_with_people(lambda index: [(100, 50, 118, 100)] if index >= 25 else []), 60, "busy")
    pairs = [[TimedFrame(frame.time_s, frame) for frame in pair] for pair in zip(busy, still, strict=True)]
    found = perceive(
        [pairs], lambda batch: [(_detections([]), None) for _ in batch], StageClock(), Schedule(PaceConfig())
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

    cameras = {name: _frames(_with_people(busy), 20, name) for name in "abc"}
    cameras["slow"] = [Frame("slow", n, n / 5, np.zeros((48, 64, 3), np.uint8)) for n in range(10)]
    frames = sorted((frame for found in cameras.values() for frame in found), key=lambda frame: frame.time_s)
    seen: list[list[tuple[str, int]]] = []

    def look(batch: Sequence[TimedFrame]) -> list[Found]:
        seen.append([(timed.frame.camera, timed.frame.index) for timed in batch])
        return [(_detections(busy(timed.frame.index)), None) for timed in batch]

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

    frames, finds = _frames(_with_people(boxes), 80), lambda frame: boxes(frame.index)
    whole = _looks(frames, finds)["a"]
    for done in (7, 22, 41):
        first, second = Schedule(PaceConfig()), Schedule(PaceConfig())
        _looks(frames[:done], finds, first)
        save_state(tmp_path / "state.npz", {"perception": first.memory()})
        second.restore(load_state(tmp_path / "state.npz")["perception"])
        assert _looks(frames[done:], finds, second)["a"] == [index for index in whole if index >= done]


def test_a_schedule_that_gets_its_memory_back_repeats_as_before(tmp_path: Path) -> None:
    boxes: Boxes = [(100, 50, 120, 110)]
    poses = Poses(np.ones((1, 17, 3), np.float32), np.zeros((0, 17, 3), np.float32))
    frames = _frames(_with_people(lambda _: boxes), 150, fps=5)

    def walk(schedule: Schedule, some: Iterable[Frame]) -> list[tuple[int, list[Found] | None]]:
        told = []
        for frame in some:
            if schedule.due(frame):
                told.append((frame.index, schedule.repeat([frame])))
                if told[-1][1] is None:
                    schedule.looked(frame, (_detections(boxes), poses))
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


def test_a_run_that_began_before_pictures_could_rest_goes_on_as_just_stirred() -> None:
    first, second = Schedule(PaceConfig()), Schedule(PaceConfig())
    _looks(_frames(_empty(), 25), schedule=first)
    (tree,) = first.memory().values()
    del tree["stirred_s"], tree["seen_s"], tree["class_ids"], tree["poses"]
    second.restore({"a": tree})
    (again,) = second.memory().values()
    assert again["stirred_s"] == again["seen_s"] == again["looked_s"] == tree["looked_s"]


def test_the_memory_of_another_version_is_refused_in_a_line() -> None:
    schedule = Schedule(PaceConfig())
    _looks(_frames(_empty(), 5), schedule=schedule)
    memory = schedule.memory()
    del memory["a"]["alert_s"]
    with pytest.raises(UserError, match=r"'alert_s'.*another version of this program wrote it; resume with that"):
        Schedule(PaceConfig()).restore(memory)


def test_a_source_that_starts_again_or_changes_its_size_is_looked_at() -> None:
    schedule = Schedule(PaceConfig())
    _looks(_frames(_empty(), 25), schedule=schedule)
    assert schedule.due(Frame("a", 25, 0.0, _empty()(0)))
    other = np.full((200, 300, 3), 90, np.uint8)
    assert schedule.due(Frame("a", 25, 2.5, other))
    schedule.looked(Frame("a", 25, 2.5, other), (Detections.empty(), None))
    assert not schedule.due(Frame("a", 26, 2.6, other))
