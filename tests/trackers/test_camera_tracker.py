"""What a camera's tracker does with people who walk, cross, hide and come back."""

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from data.records import CONFIRMED, LOST, STATE_NAMES, Detections, Poses, View
from trackers.camera import CameraTracker
from trackers.config import TrackerConfig

FPS = 10.0
Make = Callable[..., Any]


def patched(**changes: Any) -> TrackerConfig:
    """The default configuration with some leaves changed: ``life__coast_s=1``."""
    tree = TrackerConfig().model_dump()
    for path, value in changes.items():
        *sections, key = path.split("__")
        inner = tree
        for section in sections:
            inner = inner[section]
        inner[key] = value
    return TrackerConfig.model_validate(tree)


def id_at(tracklets: list[Any], frame: int, x: float) -> int:
    """Local id of the tracklet that stands at x in a frame."""
    found = [
        tracklet.local_id
        for tracklet in tracklets
        if (tracklet.frames == frame).any() and abs(tracklet.boxes[tracklet.frames == frame][0, [0, 2]].mean() - x) < 1
    ]
    assert len(found) == 1, f"frame {frame}, x {x}: {found}"
    return int(found[0])


def test_two_people_who_walk_keep_their_ids(film: Make, person: Make) -> None:
    scene = film()
    for step in range(40):
        scene.show(step / FPS, [person(100 + 6 * step), person(900 - 6 * step, 300)])
    first, second = scene.end()
    assert (first.local_id, second.local_id) == (0, 1)
    assert len(first) == len(second) == 40, "rows before confirmation belong to the tracklet"
    np.testing.assert_array_equal(first.frames, np.arange(40))
    np.testing.assert_allclose(first.times_s, np.arange(40) / FPS)
    assert first.frame_size == (1000, 600)


def turn_back(film: Make, person: Make, looks: Make, with_looks: bool) -> tuple[int, int]:
    """Two people meet, one hides behind the other for a second, and both go back: ids of the two on the left."""
    scene = film()
    frame = 0

    def show(people: list[int], places: list[float]) -> None:
        nonlocal frame
        boxes = [person(x, 400 + 4 * who, 120 + 4 * who) for who, x in zip(people, places, strict=True)]
        scene.show(frame / FPS, boxes, looks=looks(people, 0.1, frame) if with_looks else None)
        frame += 1

    for step in range(30):
        show([0, 1], [300 + 6 * step, 700 - 6 * step])
    for _ in range(10):
        show([1], [500])
    for step in range(30):
        show([0, 1], [480 - 6 * step, 520 + 6 * step])
    tracklets = scene.end()
    return id_at(tracklets, 5, 330), id_at(tracklets, frame - 1, 480 - 6 * 29)


def test_appearance_saves_the_ids_of_people_who_turn_back(film: Make, person: Make, looks: Make) -> None:
    before, after = turn_back(film, person, looks, with_looks=True)
    assert before == after


def test_without_appearance_they_are_confused(film: Make, person: Make, looks: Make) -> None:
    before, after = turn_back(film, person, looks, with_looks=False)
    assert before != after, "the scene above proves nothing if motion alone solves it"


def show_nobody(scene: Any, start_s: float, seconds: float) -> None:
    for step in range(int(seconds * FPS)):
        scene.show(start_s + step / FPS, [])


@pytest.mark.parametrize(
    ("seconds", "shift", "who", "seen", "pieces"),
    [
        (1.0, 10, 0, False, 1),
        (5.0, 60, 0, True, 1),
        (5.0, 60, 0, False, 2),
        (5.0, 60, 3, True, 2),
        (3.0, 800, 0, True, 2),
        (9.0, 10, 0, True, 2),
    ],
    ids=["short gap", "long gap", "long gap, no looks", "somebody else", "too far away", "gone for too long"],
)
def test_who_hides_is_found_again(
    film: Make, person: Make, looks: Make, seconds: float, shift: float, who: int, seen: bool, pieces: int
) -> None:
    scene = film()
    for step in range(20):
        scene.show(step / FPS, [person(150)], looks=looks([0], 0.05, step) if seen else None)
    show_nobody(scene, 2.0, seconds)
    for step in range(20):
        now = 2 + seconds + step / FPS
        scene.show(now, [person(150 + shift)], looks=looks([who], 0.05, step) if seen else None)
    tracklets = scene.end()
    assert len(tracklets) == pieces
    assert sum(len(tracklet) for tracklet in tracklets) == 40, "rows from before the recognition are handed over"
    for tracklet in tracklets:
        assert (np.diff(tracklet.times_s) > 0).all()
        assert tracklet.prototypes is None or tracklet.prototype_rows.max() < len(tracklet)


def test_low_scores_keep_a_track_but_never_start_one(film: Make, person: Make) -> None:
    kept, cut = film(), film(patched(association__score_low=0.3))
    for step in range(40):
        scores = [0.2 if 10 <= step < 30 else 0.9, 0.2]
        for scene in (kept, cut):
            scene.show(step / FPS, [person(200 + 6 * step), person(200 + 6 * step, 150)], scores)
    (tracklet,) = kept.end()
    assert len(tracklet) == 40
    assert sum(len(tracklet) for tracklet in cut.end()) == 20


@pytest.mark.parametrize(("score", "rows"), [(0.45, 10), (0.9, 11)])
def test_a_doubtful_box_continues_only_whom_it_fits_well(film: Make, person: Make, score: float, rows: int) -> None:
    """Clutter that stands where somebody vanished beside it is not him; a sure box there may be."""
    beside, fitting = film(), film()
    for step in range(11):
        there = step < 10
        beside.show(step / FPS, [person(300 if there else 325)], [0.9 if there else score])
        fitting.show(step / FPS, [person(300 if there else 305)], [0.9 if there else score])
    assert [len(tracklet) for tracklet in beside.end()] == [rows]
    assert [len(tracklet) for tracklet in fitting.end()] == [11]


def test_a_box_of_no_score_at_all_breaks_nothing(film: Make, person: Make) -> None:
    scene = film(patched(association__score_low=0.0, association__score_high=0.0))
    for step in range(10):
        scene.show(step / FPS, [person(300), person(700)], [0.9, 0.9 if step < 5 else 0.0])
    assert sorted(len(tracklet) for tracklet in scene.end()) == [5, 10]


def test_rows_without_evidence_are_as_if_there_were_no_appearance(film: Make, person: Make, looks: Make) -> None:
    blind, none = film(), film()
    rng = np.random.default_rng(3)
    for step in range(60):
        boxes = [person(300 + 5 * step, 400), person(600 - 5 * step, 410), person(450, 420)]
        kept = rng.uniform(size=3) < 0.9
        boxes = [box for box, keep in zip(boxes, kept, strict=True) if keep]
        a = blind.show(step / FPS, boxes, looks=looks([-1] * len(boxes)))
        b = none.show(step / FPS, boxes)
        np.testing.assert_array_equal(a.track_ids, b.track_ids)
        np.testing.assert_array_equal(a.det_index, b.det_index)
    assert all((tracklet.prototypes is not None and len(tracklet.prototypes) == 0) or tracklet.prototypes is None
               for tracklet in blind.end())  # fmt: skip


def test_ids_are_never_used_twice_and_reset_starts_again(film: Make, person: Make) -> None:
    scene = film()
    for visit in range(6):
        for step in range(10):
            scene.show(visit * 20 + step / FPS, [person(300 + 100 * visit)])
    ids = [tracklet.local_id for tracklet in scene.end()]
    assert ids == [0, 1, 2, 3, 4, 5]
    scene.tracker.reset()
    for step in range(10):
        tracks = scene.show(step / FPS, [person(500)])
    assert tracks.track_ids.tolist() == [0]


def test_trackers_do_not_share_ids(film: Make, person: Make) -> None:
    scenes = [film(camera="hall"), film(camera="door")]
    for step in range(10):
        found = [scene.show(step / FPS, [person(500)]) for scene in scenes]
    assert [tracks.track_ids.tolist() for tracks in found] == [[0], [0]]


def test_a_track_is_shown_from_its_confirmation_on(film: Make, person: Make) -> None:
    scene = film(patched(life__confirm_s=0.25))
    shown = [len(scene.show(step / FPS, [person(500)])) for step in range(6)]
    assert shown == [0, 0, 0, 1, 1, 1]
    (opened,) = [event for event in scene.events if event.kind == "opened"]
    assert len(opened.tracklet) == 4


def test_who_is_seen_once_leaves_no_trace(film: Make, person: Make) -> None:
    scene = film()
    for step in range(10):
        scene.show(step / FPS, [person(500)] if step % 3 == 0 else [])
    assert scene.end() == []
    assert scene.events == []


def test_lost_tracks_are_reported_where_they_are_predicted(film: Make, person: Make) -> None:
    scene = film(patched(show_lost_s=0.35))
    for step in range(20):
        scene.show(step / FPS, [person(200 + 10 * step)])
    for step in range(20, 26):
        scene.show(step / FPS, [])
    states = [[STATE_NAMES[state] for state in tracks.state] for tracks in scene.tracks[19:]]
    assert states == [["confirmed"], ["lost"], ["lost"], ["lost"], [], [], []]
    coasting = scene.tracks[21]
    assert coasting.det_index.tolist() == [-1]
    assert coasting.scores.tolist() == [0]
    assert abs(coasting.boxes[0, [0, 2]].mean() - 410) < 6
    assert CONFIRMED == 1
    assert LOST == 2


def test_who_walks_out_of_the_picture_is_closed_at_once(film: Make, person: Make) -> None:
    scene = film()
    for step in range(30):
        x = 860 + 6 * step
        scene.show(step / FPS, [person(x)] if x < 1000 else [])
    assert [event.kind for event in scene.events if event.kind == "closed"] == ["closed"]


def test_a_second_box_round_one_person_starts_no_track(film: Make, person: Make) -> None:
    scene = film()
    for step in range(20):
        x = 300 + 5 * step
        scene.show(step / FPS, [person(x), person(x + 2, 402), person(x, 400, 124)], [0.9, 0.8, 0.7])
    (tracklet,) = scene.end()
    np.testing.assert_allclose(tracklet.scores, 0.9)


def test_a_gap_between_frames_closes_all_tracks(film: Make, person: Make) -> None:
    scene = film(patched(max_gap_s=1.0, lost_s=30.0))
    for step in range(10):
        scene.show(step / FPS, [person(500)])
    for step in range(10):
        scene.show(3 + step / FPS, [person(500)])
    assert [tracklet.local_id for tracklet in scene.end()] == [0, 1]


def test_time_that_stands_still_is_left_out_with_one_warning(
    film: Make, person: Make, caplog: pytest.LogCaptureFixture
) -> None:
    scene = film()
    with caplog.at_level(logging.WARNING):
        for time_s in (0.0, 0.1, 0.2, 0.2, 0.15, 0.3, 0.3, 0.4):
            scene.show(time_s, [person(500)])
    assert scene.tracker.skipped == 3
    assert len(caplog.records) == 1
    assert "'hall'" in caplog.text
    (tracklet,) = scene.end()
    np.testing.assert_allclose(tracklet.times_s, [0, 0.1, 0.2, 0.3, 0.4])


def test_a_source_that_starts_again_closes_all_tracks(film: Make, person: Make) -> None:
    scene = film()
    for start_s in (1000.0, 0.0):
        for step in range(10):
            scene.show(start_s + step / FPS, [person(500)])
    first, second = scene.end()
    assert first.times_s[0] == 1000
    assert second.times_s[0] == 0


def test_views_of_other_cameras_and_stale_proposals_are_refused(person: Make) -> None:
    tracker = CameraTracker("hall", TrackerConfig())
    view = View("hall", 0, 0.0, (1000, 600), Detections.empty())
    with pytest.raises(ValueError, match="'hall'"):
        tracker.propose([view, view])
    with pytest.raises(ValueError, match="door"):
        tracker.propose([View("door", 0, 0.0, (1000, 600), Detections.empty())])
    early = tracker.propose([view])
    tracker.commit(tracker.propose([view]), [None])
    with pytest.raises(ValueError, match="out of date"):
        tracker.commit(early, [None])


def test_boxes_that_are_no_boxes_are_not_used(film: Make, person: Make) -> None:
    scene = film()
    broken = [[10, 10, 10, 50], [30, 50, 20, 90], [np.nan, 0, 10, 10], [0, 0, np.inf, 10]]
    for step in range(10):
        tracks = scene.show(step / FPS, [*broken, person(500)], [0.9, 0.9, 0.9, 0.9, 0.8])
        assert np.isfinite(tracks.boxes).all()
    assert tracks.det_index.tolist() == [4]
    scene.show(1.0, [person(500)], [np.nan])
    (tracklet,) = scene.end()
    assert len(tracklet) == 10


def test_embeddings_of_two_models_are_refused(film: Make, person: Make, looks: Make) -> None:
    from dataclasses import replace

    scene = film()
    scene.show(0.0, [person(500)], looks=looks([0]))
    with pytest.raises(ValueError, match="models"):
        scene.show(0.1, [person(500)], looks=replace(looks([0]), model_id="other"))


def test_skeletons_tell_apart_whom_boxes_do_not(film: Make, person: Make) -> None:
    def poses(figures: list[float]) -> Poses:
        keypoints = np.ones((len(figures), 17, 3), np.float32)
        keypoints[..., 0] = np.array(figures)[:, None] + np.linspace(-10, 10, 17)
        keypoints[..., 1] = np.linspace(290, 395, 17)
        return Poses(keypoints, np.zeros((0, 17, 3), np.float32))

    swapped = []
    for weight in (0.0, 0.8):
        scene = film(patched(association__pose_weight=weight, association__appearance_weight=0.0))
        for step in range(20):
            scene.show(step / FPS, [person(300), person(330)], poses=poses([290, 340]))
        # The boxes jump to one another's place, the skeletons stay with their owners.
        tracks = scene.show(2.0, [person(332), person(298)], poses=poses([290, 340]))
        swapped.append(tracks.det_index[np.argsort(tracks.track_ids)].tolist() == [1, 0])
    assert swapped == [True, False]
    tracklet = scene.end()[0]
    assert tracklet.keypoints is not None
    assert tracklet.keypoints.shape == (21, 17, 3)


def test_who_is_unseen_for_just_as_long_as_he_may_be_is_found_by_his_place(film: Make, person: Make) -> None:
    scene = film(patched(life__coast_s=2.0))
    for step in range(142):
        scene.show(step / FPS, [person(500)])
    assert 161 / FPS - 141 / FPS > 2.0, "rounding"
    scene.show(161 / FPS, [person(500)])
    assert scene.tracks[-1].track_ids.tolist() == scene.tracks[-2].track_ids.tolist()


class TestAppearanceOnDemand:
    def test_plain_people_are_asked_for_now_and_then(self, film: Make, person: Make, looks: Make) -> None:
        scene = film(patched(looks__stale_s=0.5))
        for step in range(40):
            scene.show(step / FPS, [person(200 + 3 * step), person(800)], looks=looks([0, 1]))
        assert scene.wanted[:4] == [[0, 1]] * 4, "new and tentative tracks"
        later = [len(rows) for rows in scene.wanted[5:]]
        assert 0 < sum(later) <= 2 * 35 / 5 + 2

    def test_ambiguous_people_are_always_asked_for(self, film: Make, person: Make, looks: Make) -> None:
        scene = film()
        for step in range(20):
            scene.show(step / FPS, [person(500), person(515, 405), person(900)], looks=looks([0, 1, 2]))
        assert all({0, 1} <= set(rows) for rows in scene.wanted)
        assert not all(2 in rows for rows in scene.wanted)

    def test_weak_boxes_are_not_asked_for_and_always_means_all(self, film: Make, person: Make) -> None:
        scores = [0.9, 0.2, 0.05]
        boxes = [person(200), person(500), person(800)]
        on_demand, always = film(), film(patched(appearance="always"))
        for scene in (on_demand, always):
            scene.show(0.0, boxes, scores)
        assert on_demand.wanted == [[0]]
        assert always.wanted == [[0, 1]]

    def test_what_neither_continues_nor_starts_a_track_is_not_asked_for(
        self, film: Make, person: Make, looks: Make
    ) -> None:
        scene = film(patched(looks__stale_s=0.05))
        for step in range(20):
            scene.show(step / FPS, [person(200), person(800)], [0.9, 0.5], looks=looks([0, 1]))
        assert scene.wanted == [[0]] * 20
        scene.show(2.0, [person(200), person(800)], [0.5, 0.7], looks=looks([0, 1]))
        scene.show(2.1, [person(200), person(800)], [0.5, 0.5], looks=looks([0, 1]))
        assert scene.wanted[20:] == [[0, 1]] * 2, "weak boxes of people who are known, and one sure enough to be new"

    def test_a_weak_box_that_may_be_somebody_lost_is_asked_for(self, film: Make, person: Make, looks: Make) -> None:
        scene = film()
        for step in range(20):
            scene.show(step / FPS, [person(500)], looks=looks([0]))
        for step in range(20, 50):
            scene.show(step / FPS, [])
        scene.show(5.0, [person(780)], [0.5], looks=looks([0]))
        assert scene.wanted[-1] == [0], "too far to be him by its place alone"
        assert len(scene.tracks[-1]) == 1, "his looks brought him back"

    def test_after_a_cut_the_next_piece_gets_a_look(self, film: Make, person: Make, looks: Make) -> None:
        scene = film(patched(max_tracklet_s=2.0, looks__stale_s=100.0))
        for step in range(60):
            scene.show(step / FPS, [person(500)], looks=looks([0]))
        assert [step for step, rows in enumerate(scene.wanted) if rows and step > 5] == [21, 41]
        assert all(tracklet.prototypes is not None and len(tracklet.prototypes) for tracklet in scene.end())
