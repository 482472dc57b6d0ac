"""Tracklet events: order, snapshots, cuts, and what a tracklet carries."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from data.records import Detections, TrackletEvent, View
from trackers.config import TrackerConfig
from trackers.tracklets import TrackletBuilder

Make = Callable[..., Any]
FPS = 10.0


def add(builder: TrackletBuilder, frame: int, serials: list[int]) -> None:
    """One row for each serial: a box at x = 10 * serial + frame."""
    left = 10.0 * np.array(serials) + frame
    boxes = np.stack([left, left * 0, left + 5, left * 0 + 20], axis=1).astype(np.float32)
    count = len(serials)
    builder.add(
        np.array(serials, np.int64),
        View("hall", frame, frame / FPS, (640, 480), Detections.empty()),
        boxes,
        np.full(count, 0.5, np.float32),
        None,
        None,
        np.ones(count, np.float32),
    )


def told(events: list[TrackletEvent]) -> list[tuple[str, int, int]]:
    return [(event.kind, event.tracklet.local_id, len(event.tracklet)) for event in events]


def test_ids_come_with_confirmation_and_have_no_holes() -> None:
    builder = TrackletBuilder("hall", TrackerConfig())
    builder.begin(np.array([4, 5, 9]), 0.0)
    add(builder, 0, [4, 5, 9])
    assert builder.local_ids(np.array([4, 5, 9])).tolist() == [-1, -1, -1]
    assert builder.events(0.0) == []
    builder.end(np.array([4]))
    builder.open(np.array([9]))
    add(builder, 1, [5, 9])
    assert told(builder.events(0.1)) == [("opened", 0, 2)]
    builder.open(np.array([5]))
    assert told(builder.events(0.1)) == [("opened", 1, 2)]
    builder.end(np.array([5, 9]))
    events = builder.events(0.1)
    assert told(events) == [("closed", 0, 2), ("closed", 1, 2)]
    np.testing.assert_array_equal(events[1].tracklet.boxes[:, 0], [50, 51])


def test_snapshots_come_every_emit_s_and_only_when_something_was_added() -> None:
    builder = TrackletBuilder("hall", TrackerConfig(emit_s=1.0))
    builder.begin(np.array([0]), 0.0)
    updates = []
    for frame in range(60):
        if frame == 0 or frame < 30 or frame >= 50:
            add(builder, frame, [0])
        if frame == 0:
            builder.open(np.array([0]))
        updates += [(frame, len(event.tracklet)) for event in builder.events(frame / FPS) if event.kind == "updated"]
    assert updates == [(10, 11), (20, 21), (30, 30), (50, 31)]


def test_events_of_one_frame_are_in_a_fixed_order() -> None:
    builder = TrackletBuilder("hall", TrackerConfig(emit_s=0.5, max_tracklet_s=1.0))
    builder.begin(np.array([0, 1, 2]), 0.0)
    add(builder, 0, [0, 1, 2])
    builder.open(np.array([2, 0]))
    builder.events(0.0)
    builder.begin(np.array([3]), 1.0)
    assert builder.cut(np.array([0]), 1.0).tolist() == [0]
    add(builder, 10, [0, 2, 3])
    builder.open(np.array([3]))
    builder.end(np.array([1]))
    events = builder.events(1.0)
    assert told(events) == [("closed", 1, 1), ("opened", 2, 1), ("opened", 3, 1), ("updated", 0, 2)]
    assert events[1].tracklet.continues == 1


def test_a_tracklet_is_cut_at_its_longest_and_continued(film: Make, person: Make, looks: Make) -> None:
    scene = film(TrackerConfig(max_tracklet_s=2.0, emit_s=0.5))
    shown = []
    for step in range(75):
        tracks = scene.show(step / FPS, [person(200 + 5 * step), person(900)], looks=looks([0, 1]))
        shown.append(tracks.track_ids.tolist())
    tracklets = scene.end()
    chains = [[tracklet for tracklet in tracklets if tracklet.local_id % 2 == side] for side in (0, 1)]
    for side, chain in enumerate(chains):
        assert [tracklet.continues for tracklet in chain] == [-1, *[tracklet.local_id for tracklet in chain[:-1]]]
        np.testing.assert_array_equal(np.concatenate([tracklet.frames for tracklet in chain]), np.arange(75))
        assert all(tracklet.times_s[-1] - tracklet.times_s[0] < 2.0 for tracklet in chain)
        assert [ids[side] for ids in shown[3:]] == np.repeat(
            [tracklet.local_id for tracklet in chain], [len(tracklet) for tracklet in chain]
        ).tolist()[3:]
        for tracklet in chain:
            assert tracklet.prototypes is not None
            assert 0 < len(tracklet.prototypes) <= 16
            assert (tracklet.prototype_rows < len(tracklet)).all()
    opened = [event.tracklet.local_id for event in scene.events if event.kind == "opened"]
    assert opened == sorted(opened) == list(range(len(tracklets)))


def test_absorbing_hands_rows_over() -> None:
    builder = TrackletBuilder("hall", TrackerConfig())
    builder.begin(np.array([0]), 0.0)
    add(builder, 0, [0])
    builder.open(np.array([0]))
    builder.events(0.0)
    builder.begin(np.array([1]), 0.3)
    for frame in (3, 4):
        add(builder, frame, [1])
    builder.absorb(np.array([1]), np.array([0]))
    add(builder, 5, [0])
    builder.end(np.array([0]))
    (event,) = builder.events(0.5)
    assert event.tracklet.frames.tolist() == [0, 3, 4, 5]
    assert event.tracklet.boxes[:, 0].tolist() == [0, 13, 14, 5]


@pytest.mark.parametrize("serials", [[], [3]])
def test_nothing_to_do(serials: list[int]) -> None:
    builder = TrackletBuilder("hall", TrackerConfig())
    builder.begin(np.array(serials, np.int64), 0.0)
    add(builder, 0, serials)
    builder.end(np.array(serials, np.int64))
    assert builder.events(0.0) == []
