"""What must not change a tracker's answer, and what must not grow."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.formats.state import load_state, save_state
from data.records import Detections, FloatArray, PartEmbeddings, Tracklet, TrackletEvent, View
from trackers.camera import CameraTracker
from trackers.config import LooksConfig, TrackerConfig

Make = Callable[..., Any]


def crowd(frames: int, people: int, fps: float, seed: int, dim: int = 8) -> Iterator[tuple[View, PartEmbeddings]]:
    """People who walk to and fro, are missed now and then, jitter, and look like themselves, more or less."""
    rng = np.random.default_rng(seed)
    start, speed = rng.uniform(0, 1900, people), rng.uniform(-90, 90, people)
    feet, heights = rng.uniform(300, 1000, people), rng.uniform(100, 260, people)
    faces = rng.normal(size=(people, 3, dim))
    for frame in range(frames):
        now = frame / fps
        x = np.abs((start + speed * now) % 3840 - 1920)
        seen = rng.uniform(size=people) < 0.9
        boxes = np.stack([x - heights / 5, feet - heights, x + heights / 5, feet], axis=1)[seen]
        boxes = boxes + rng.normal(0, 2, boxes.shape)
        scores = rng.uniform(0.05, 1, len(boxes))
        vectors = faces[seen] + rng.normal(0, 0.3, (len(boxes), 3, dim))
        vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
        visibility = (rng.uniform(size=(len(boxes), 3)) < 0.8).astype(np.float32)
        looks = PartEmbeddings(
            (vectors * visibility[..., None]).astype(np.float32),
            visibility, ("all", "upper", "lower"), ("holistic", "part", "part"), "drawn",
        )  # fmt: skip
        detections = Detections(boxes.astype(np.float32), scores.astype(np.float32), np.zeros(len(boxes), np.int64))
        yield View("hall", frame, now, (1920, 1080), detections), looks


def ask(tracker: CameraTracker, view: View, looks: PartEmbeddings | None) -> tuple[Any, list[TrackletEvent]]:
    proposal = tracker.propose([view])
    rows = proposal.wanted[0]
    if looks is not None:
        looks = looks.select(rows).scatter(rows, len(view.detections))
    (tracks,), events = tracker.commit(proposal, [looks])
    return tracks, events


def content(tracklet: Tracklet) -> tuple[Any, ...]:
    """Everything in a tracklet, as comparable bytes."""
    looks = tracklet.prototypes
    return (
        tracklet.key, tracklet.continues, tracklet.frames.tobytes(), tracklet.times_s.tobytes(),
        tracklet.boxes.tobytes(), tracklet.scores.tobytes(), tracklet.prototype_rows.tobytes(),
        None if looks is None else (looks.vectors.tobytes(), looks.visibility.tobytes()),
    )  # fmt: skip


def story(config: TrackerConfig, frames: int, seed: int, order: int | None = None) -> list[tuple[Any, ...]]:
    """All a tracker says about a crowd; ``order`` seeds a shuffle of the detections of every frame."""
    tracker = CameraTracker("hall", config)
    told: list[tuple[Any, ...]] = []
    rng = None if order is None else np.random.default_rng(order)
    for view, looks in crowd(frames, 12, 10.0, seed):
        shuffle = np.arange(len(looks)) if rng is None else rng.permutation(len(looks))
        mixed = View(view.camera, view.frame_index, view.time_s, view.size, view.detections.select(shuffle))
        tracks, events = ask(tracker, mixed, looks.select(shuffle))
        told.append((tracks.track_ids.tobytes(), tracks.boxes.tobytes(), shuffle[tracks.det_index].tobytes()))
        told += [(event.kind, content(event.tracklet)) for event in events]
    return told + [(event.kind, content(event.tracklet)) for event in tracker.flush()]


def brief() -> TrackerConfig:
    """Short pieces and frequent snapshots."""
    return TrackerConfig(max_tracklet_s=4.0, emit_s=1.0, lost_s=3.0, looks=LooksConfig(prototypes=4))


def test_the_same_input_gives_the_same_bytes() -> None:
    assert story(brief(), 80, 0) == story(brief(), 80, 0)


@settings(max_examples=5)
@given(seed=st.integers(0, 1000), order=st.integers(0, 1000))
def test_the_order_of_the_detections_does_not_matter(seed: int, order: int) -> None:
    assert story(brief(), 30, seed, order) == story(brief(), 30, seed)


def test_equal_scores_and_boxes_do_not_break_the_order(film: Make, person: Make) -> None:
    a, b = film(), film()
    for step in range(10):
        boxes = [person(200), person(500), person(800)]
        first = a.show(step / 10, boxes, [0.9, 0.9, 0.9])
        second = b.show(step / 10, boxes[::-1], [0.9, 0.9, 0.9])
    np.testing.assert_array_equal(first.boxes, second.boxes)
    np.testing.assert_array_equal(first.track_ids, second.track_ids)


@pytest.mark.parametrize("fps", [5.0, 10.0, 15.0])
def test_dropping_frames_does_not_change_who_is_who(fps: float) -> None:
    def people(rate: float) -> dict[tuple[int, float], int]:
        """(local id, x of the feet) of everybody at whole seconds."""
        tracker = CameraTracker("hall", TrackerConfig())
        events: list[TrackletEvent] = []
        for frame in range(int(8 * rate)):
            now = frame / rate
            x = np.array([100 + 60 * now, 1700 - 70 * now, 300, 900 + 40 * now])
            boxes = np.stack([x - 30, 300 + 20 * np.arange(4), x + 30, 450 + 30 * np.arange(4)], axis=1)
            detections = Detections(boxes.astype(np.float32), np.full(4, 0.9, np.float32), np.zeros(4, np.int64))
            events += ask(tracker, View("hall", frame, now, (1920, 1080), detections), None)[1]
        events += tracker.flush()
        found = {}
        for event in events:
            if event.kind == "closed":
                for time_s, box in zip(event.tracklet.times_s, event.tracklet.boxes, strict=True):
                    if abs(time_s - round(time_s)) < 1e-9:
                        found[round(time_s), round(float(box[[0, 2]].mean()), 2)] = event.tracklet.local_id
        return found

    assert people(fps) == people(30.0)


def test_a_checkpoint_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    config = brief()
    whole, first = CameraTracker("hall", config), CameraTracker("hall", config)
    said: dict[str, list[Any]] = {"whole": [], "resumed": []}
    for number, (view, looks) in enumerate(crowd(70, 12, 10.0, 4)):
        if number == 37:
            save_state(tmp_path / "state.npz", first.state())
            first = CameraTracker("hall", config)
            first.restore(load_state(tmp_path / "state.npz"))
        for name, tracker in (("whole", whole), ("resumed", first)):
            tracks, events = ask(tracker, view, looks)
            said[name].append((tracks.track_ids.tobytes(), tracks.boxes.tobytes()))
            said[name] += [(event.kind, content(event.tracklet)) for event in events]
    assert said["whole"] == said["resumed"]
    assert [content(event.tracklet) for event in whole.flush()] == [content(event.tracklet) for event in first.flush()]


def test_a_fresh_tracker_can_be_saved_too(tmp_path: Path) -> None:
    save_state(tmp_path / "state.npz", CameraTracker("hall", TrackerConfig()).state())
    tracker = CameraTracker("hall", TrackerConfig())
    tracker.restore(load_state(tmp_path / "state.npz"))
    assert tracker.flush() == []


def test_proposing_changes_nothing() -> None:
    asked, plain = CameraTracker("hall", brief()), CameraTracker("hall", brief())
    for view, looks in crowd(40, 12, 10.0, 5):
        asked.propose([view])
        np.testing.assert_array_equal(ask(asked, view, looks)[0].boxes, ask(plain, view, looks)[0].boxes)
    assert [content(event.tracklet) for event in asked.flush()] == [content(event.tracklet) for event in plain.flush()]


def test_memory_follows_what_is_alive_not_the_length_of_the_video() -> None:
    config = TrackerConfig(lost_s=1.0, max_tracklet_s=5.0)
    tracker = CameraTracker("hall", config)
    capacity = []
    for view, looks in crowd(500, 8, 10.0, 6):
        ask(tracker, view, looks)
        state = tracker.state()["builder"]
        capacity.append((len(state["pieces"]["serial"]), tracker.row_capacity, len(state["bank"]["owner"])))
    early, late = np.array(capacity[100:250]).max(axis=0), np.array(capacity[250:]).max(axis=0)
    assert (late <= 2 * early).all()
    assert late[0] < 60


@pytest.mark.parametrize("count", [0, 1, 300])
def test_any_number_of_people(count: int) -> None:
    tracker = CameraTracker("hall", TrackerConfig())
    column, row = np.arange(count) % 25, np.arange(count) // 25
    corner = np.stack([75.0 * column, 85.0 * row], axis=1)
    for frame in range(8):
        boxes = np.concatenate([corner, corner + np.array([40, 80])], axis=1) + 1.5 * frame
        detections = Detections(boxes.astype(np.float32), np.full(count, 0.9, np.float32), np.zeros(count, np.int64))
        looks = None
        if count:
            vectors = np.random.default_rng(0).normal(size=(count, 1, 16)).astype(np.float32)
            vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
            looks = PartEmbeddings(vectors, np.ones((count, 1), np.float32), ("all",), ("holistic",), "drawn")
        tracks, _ = ask(tracker, View("hall", frame, frame / 10, (1920, 1080), detections), looks)
        assert np.isfinite(tracks.boxes).all()
    assert len(tracks) == count
    assert len(set(tracks.track_ids.tolist())) == count
    np.testing.assert_array_equal(np.sort(tracks.det_index), np.arange(count))
    assert (len(tracker.flush())) == count


@settings(max_examples=30)
@given(data=st.data())
def test_anything_at_all_gives_valid_tracks(data: st.DataObject) -> None:
    tracker = CameraTracker("hall", brief())
    time_s = 0.0
    live_ids: set[int] = set()
    coordinate = st.floats(-1e4, 1e4, width=32) | st.just(float("nan"))
    for frame in range(data.draw(st.integers(1, 12))):
        time_s += data.draw(st.floats(-5, 5))
        boxes: FloatArray = np.array(data.draw(st.lists(st.tuples(*[coordinate] * 4), max_size=6)), np.float32).reshape(
            -1, 4
        )
        boxes[:, 2:] += np.abs(boxes[:, :2])
        scores = np.array([data.draw(st.floats(0, 1, width=32)) for _ in boxes], np.float32)
        detections = Detections(boxes, scores, np.zeros(len(boxes), np.int64))
        tracks, events = ask(tracker, View("hall", frame, time_s, (640, 480), detections), None)
        assert np.isfinite(tracks.boxes).all()
        assert len(set(tracks.track_ids.tolist())) == len(tracks)
        matched = tracks.det_index[tracks.det_index >= 0]
        assert len(set(matched.tolist())) == len(matched)
        for event in events:
            assert (np.diff(event.tracklet.times_s) > 0).all()
            assert np.isfinite(event.tracklet.boxes).all()
            if event.kind == "opened":
                assert event.tracklet.local_id not in live_ids
                live_ids.add(event.tracklet.local_id)
