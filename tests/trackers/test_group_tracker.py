"""The tracker of a calibrated group: people on the ground, one id over all cameras."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.formats.state import load_state, save_state
from data.geometry import CameraModel
from data.records import Detections, View
from tests.trackers.ground_world import CORNERS, SIZE, Hall, Watched, WorldRows, camera, ids_along, walk, watch
from trackers.config import GroupConfig, LifeConfig, TrackerConfig
from trackers.group.bodies import SharedError
from trackers.group.fusion import exchanged
from trackers.group.tracker import GroupTracker

CROSSING = [
    walk((1, 1), (7, 7), steps=50),
    walk((7, 2.2), (1, 6.5), steps=50),
    walk((1, 5.2), (7, 5.2), steps=50),
    walk((6.5, 6.6), (2, 1.5), steps=50),
]


def config(**group: object) -> TrackerConfig:
    return TrackerConfig(group=GroupConfig(**group))  # type: ignore[arg-type]


def same(a: Watched, b: Watched) -> bool:
    """Whether two runs settled the same rows, bit by bit."""
    arrays = [
        (x, y)
        for name in ("time_s", "group_id", "xy", "cov")
        for x, y in [(getattr(a.world, name), getattr(b.world, name))]
    ]
    arrays += [(s.boxes, t.boxes) for s, t in zip(a.closed, b.closed, strict=True)]
    keys = [t.key for t in a.closed] == [t.key for t in b.closed]
    return keys and all(x.tobytes() == y.tobytes() for x, y in arrays)


def test_people_who_cross_keep_one_id_over_all_cameras() -> None:
    seen = watch(Hall(CROSSING, miss=0.1, clutter=0.5, noise=0.015))
    own = [ids_along(seen.world, path, 5.0) for path in CROSSING]
    usual = [max(set(ids), key=ids.count) for ids in own]
    assert len(set(usual)) == len(CROSSING)
    assert all(ids.count(who) >= 45 for ids, who in zip(own, usual, strict=True))


def test_places_are_right_and_their_covariance_honest() -> None:
    path = walk((1, 2), (7, 6), steps=40)
    world = watch(Hall([path], noise=0.02)).world
    frames = np.round(world.time_s * 5).astype(int)
    offset = world.xy - path[frames]
    assert np.linalg.norm(offset, axis=1).mean() < 0.1
    distance = np.einsum("ni,nij,nj->n", offset, np.linalg.inv(world.cov), offset)
    assert np.median(distance) < 6.0
    assert abs(world.height.mean() - 1.7) < 0.08


def test_tracklets_carry_group_and_place() -> None:
    seen = watch(Hall([walk((1, 2), (7, 6), steps=30)]))
    assert {t.camera for t in seen.closed} == set(CORNERS)
    assert {t.group_id for t in seen.closed} == {0}
    for tracklet in seen.closed:
        assert tracklet.world_xy is not None
        assert tracklet.world_cov is not None
        assert tracklet.world_xy.shape == (len(tracklet), 2)
        assert tracklet.world_cov.shape == (len(tracklet), 2, 2)
        assert (np.diff(tracklet.times_s) > 0).all()


def test_neither_the_order_of_views_nor_of_detections_matters() -> None:
    hall = Hall(CROSSING, miss=0.1, clutter=0.5)

    class Shuffled(Hall):
        def views(self, frame: int) -> list[View]:
            rng = np.random.default_rng(frame)
            views = []
            for view in super().views(frame):
                order = rng.permutation(len(view.detections))
                views.append(replace(view, detections=view.detections.select(order)))
            return [views[i] for i in rng.permutation(len(views))]

    assert same(watch(hall), watch(Shuffled(**{name: getattr(hall, name) for name in ("paths", "miss", "clutter")})))


def test_a_run_that_goes_on_from_a_checkpoint_gives_the_same_bytes(tmp_path: Path) -> None:
    hall = Hall(CROSSING, miss=0.1, clutter=0.5)
    whole = watch(hall)
    tracker = GroupTracker("hall", hall.cameras, TrackerConfig())
    closed = []
    for frame in range(len(hall)):
        if frame == 33:
            save_state(tmp_path / "state.npz", tracker.state())
            tracker = GroupTracker("hall", hall.cameras, TrackerConfig())
            tracker.restore(load_state(tmp_path / "state.npz"))
        _, events = tracker.commit(tracker.propose(hall.views(frame)), [None] * 4)
        closed += [event.tracklet for event in events if event.kind == "closed"]
    closed += [event.tracklet for event in tracker.flush() if event.kind == "closed"]
    assert same(whole, Watched([], closed))


@pytest.mark.parametrize("occlusion", [True, False])
def test_a_person_hidden_from_the_only_camera_is_waited_for(occlusion: bool) -> None:
    """The one behind stands still while another stands before him for a while; without occlusion he is given up."""
    steps = 60
    behind = np.tile([4.0, 6.5], (steps, 1))
    before = np.concatenate(
        [walk((1, 4), (4, 4), steps=25), np.tile([4.0, 4.0], (7, 1)), walk((4, 4), (7, 4), steps=28)]
    )
    hall = Hall([behind, before], cameras={"south": CORNERS["south"]}, hides=0.45)
    # Nobody who was lost comes back, so that a new id tells.
    life = LifeConfig(coast_s=5.0)
    seen = watch(hall, TrackerConfig(lost_s=0.1, life=life, group=GroupConfig(occlusion=occlusion)))
    ids = {who for who in ids_along(seen.world, behind, 5.0) if who >= 0}
    assert (len(ids) == 1) == occlusion


def test_the_error_all_boxes_of_a_camera_share_is_learnt_apart() -> None:
    hall = Hall(CROSSING[:2], shared={"east": SharedError(0.0, 0.08, 0.0, 0.36)})
    for first_guess, least, most in ((0.05, 0.06, 0.1), (0.0, 0.0, 0.0)):
        tracker = GroupTracker("hall", hall.cameras, config(shared_error=first_guess))
        watch(hall, tracker=tracker)
        learnt = tracker.state()["senses"]["shared"]
        assert least <= learnt[0, 1] <= most
        assert np.abs(np.delete(learnt, 1, axis=1)).max() < 0.03


@pytest.mark.parametrize("crossed", [True, False])
def test_points_of_all_cameras_are_assigned_anew(crossed: bool) -> None:
    """Boxes of two people who were taken crosswise by all cameras go to whom the motion expects there."""
    place = np.array([[0.0, 0.0, 0.5], [1.0, 0.0, 0.5]])
    cov = np.tile(np.eye(3) * 0.1, (2, 1, 1))
    matrix = np.tile(np.eye(3) * 100.0, (2, 1, 1))
    value = 100.0 * (place[::-1] if crossed else place)
    taker = exchanged(place, cov, np.zeros(2), matrix, value)
    assert taker.tolist() == ([1, 0] if crossed else [0, 1])


def test_nobody_is_born_twice_at_one_place() -> None:
    seen = watch(Hall([np.tile([4.0, 4.0], (30, 1))], noise=0.02))
    assert set(seen.world.group_id.tolist()) == {0}


def test_one_camera_alone_sees_people_after_several_frames() -> None:
    seen = watch(Hall([walk((2, 3), (6, 5), steps=30)], cameras={"south": CORNERS["south"]}))
    assert set(seen.world.group_id.tolist()) == {0}
    assert len(seen.world) >= 28


def test_clutter_that_other_cameras_deny_is_nobody() -> None:
    seen = watch(Hall([np.full((40, 2), np.nan)], clutter=1.0))
    assert len(seen.world) == 0


def test_a_camera_that_dies_or_is_slower_is_absent() -> None:
    path = walk((1, 2), (7, 6), steps=40)

    class Patchy(Hall):
        def views(self, frame: int) -> list[View]:
            views = super().views(frame)
            return [
                view
                for view in views
                if (view.camera != "north" or frame < 15) and (view.camera != "east" or frame % 3 == 0)
            ]

    hall = Patchy([path])
    tracker = GroupTracker("hall", hall.cameras, TrackerConfig())
    closed = []
    for frame in range(len(hall)):
        views = hall.views(frame)
        _, events = tracker.commit(tracker.propose(views), [None] * len(views))
        closed += [event.tracklet for event in events if event.kind == "closed"]
    closed += [event.tracklet for event in tracker.flush() if event.kind == "closed"]
    ids = ids_along(WorldRows.of(closed), path, 5.0)
    assert set(ids) == {0}


def test_homographies_give_places_without_heights() -> None:
    path = walk((1, 2), (7, 6), steps=40)
    hall = Hall([path])
    flat = {name: CameraModel.from_homography(model.homography, SIZE) for name, model in CORNERS.items()}
    seen = watch(hall, tracker=GroupTracker("hall", flat, TrackerConfig()))
    assert set(ids_along(seen.world, path, 5.0)) == {0}
    assert np.isnan(seen.world.height).all(), "tops say nothing"


def test_a_box_cut_by_the_frame_says_nothing_of_its_feet() -> None:
    near = camera((4.0, -1.0, 1.6), (4.0, 4.0, 1.2))
    cameras = {"near": near, "north": CORNERS["north"], "west": CORNERS["west"]}
    path = walk((3, 1.2), (5, 1.2), steps=30)
    hall = Hall([path], cameras=cameras)
    assert any((view.detections.boxes[:, 3] >= SIZE[1] - 1).any() for view in hall.views(10) if view.camera == "near")
    world = watch(hall).world
    frames = np.round(world.time_s * 5).astype(int)
    assert np.linalg.norm(world.xy - path[frames], axis=1).max() < 0.3


def test_people_outside_the_area_are_followed_but_not_written() -> None:
    hall = Hall([walk((1, 4), (7, 4), steps=40)])
    tracker = GroupTracker("hall", hall.cameras, TrackerConfig(), area=[[4, 0], [8, 0], [8, 8], [4, 8]])
    world = watch(hall, tracker=tracker).world
    assert set(world.group_id.tolist()) == {0}
    assert world.xy[:, 0].min() >= 4.0


def test_a_thousand_people_do_not_explode() -> None:
    grid = np.stack(np.meshgrid(np.linspace(0, 40, 40), np.linspace(0, 25, 25)), axis=-1).reshape(-1, 1, 2)
    hall = Hall(
        [np.tile(place, (2, 1)) for place in grid], cameras={"high": camera((20.0, -14.0, 22.0), (20.0, 12.0, 0.0))}
    )
    assert len(hall.views(0)[0].detections) > 600
    seen = watch(hall)
    assert max(len(tracks) for frame in seen.tracks for tracks in frame) <= 1000


def test_views_of_strangers_or_the_same_camera_twice_are_refused() -> None:
    tracker = GroupTracker("hall", CORNERS, TrackerConfig())
    view = View("attic", 0, 0.0, SIZE, Detections.empty())
    with pytest.raises(ValueError, match="group 'hall'"):
        tracker.propose([view])
    with pytest.raises(ValueError, match="one view of each"):
        tracker.propose([replace(view, camera="east"), replace(view, camera="east")])


def test_an_instant_that_is_not_later_is_left_out() -> None:
    hall = Hall([walk((1, 2), (7, 6), steps=10)])
    tracker = GroupTracker("hall", hall.cameras, TrackerConfig())
    for frame in (0, 1, 1, 2):
        tracker.commit(tracker.propose(hall.views(frame)), [None] * 4)
    assert tracker.skipped == 1
