import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from data.geometry import CameraModel
from data.site import Site
from data.skeleton_forms import LEFT_M, as_seen, body_lengths, flattened
from data.skeleton_sequences import JOINTS, Recording, centred, from_coco, resample
from pipeline.gait.lifting import along_path, plane_lift, triangulate
from pipeline.gait.recordings import LiftOptions, lift_tracklets, recording_of
from tests.walkers import camera_at, people, seen, site_of, walk

SIDE = camera_at((0, -6, 2.5), (0, 0, 1))
OTHER = camera_at((5, 5, 3), (0, 0, 1))
PERSON = people(1)[0]


@pytest.fixture
def site() -> Site:
    return site_of({"side": SIDE, "other": OTHER})


def model(site: Site, name: str) -> CameraModel:
    found = site.model(name)
    assert found is not None
    return found


def pixels(camera: CameraModel, joints: np.ndarray) -> np.ndarray:
    flat = camera.to_image(joints.reshape(-1, 3)).reshape(*joints.shape[:2], 2)
    return from_coco(flat.astype(np.float32))


def truth(joints: np.ndarray) -> np.ndarray:
    """Ahead, down, left about the hips, of a walk along x."""
    points = centred(from_coco(joints.astype(np.float32)))
    return np.stack([points[..., 0], -points[..., 2], points[..., 1]], axis=-1)


@pytest.mark.parametrize("name", ["side", "other"])
def test_a_walk_is_lifted_from_one_calibrated_view(site: Site, name: str) -> None:
    times, joints = walk(PERSON, 3)
    lifted = plane_lift(model(site, name), pixels(model(site, name), joints), times)
    middle = slice(8, -8)
    error = np.abs(lifted - truth(joints))[middle, :, :2]
    assert np.median(error) < 0.02
    assert error.max() < 0.15
    assert np.allclose(lifted[middle, :, 2], LEFT_M)


def test_height_is_that_of_the_person_in_every_view(site: Site) -> None:
    """The counterpart of what the flat form loses."""
    tall, small = replace(PERSON, height=1.9), replace(PERSON, height=1.6)
    heads = {}
    for person in (tall, small):
        for name in ("side", "other"):
            times, joints = walk(person, 3)
            lifted = plane_lift(model(site, name), pixels(model(site, name), joints), times)
            heads[person.height, name] = float(np.nanmedian(-lifted[:, JOINTS.index("head"), 1]))
    assert abs(heads[1.9, "side"] - heads[1.9, "other"]) < 0.03
    assert heads[1.9, "side"] - heads[1.6, "side"] > 0.08


def test_who_walks_towards_the_camera_is_not_lifted(site: Site) -> None:
    times, joints = walk(PERSON, 3, start=(0.0, 3.0), yaw=-np.pi / 2)
    assert np.isnan(plane_lift(model(site, "side"), pixels(model(site, "side"), joints), times)[..., 0]).all()


def test_who_stands_is_not_lifted(site: Site) -> None:
    times, joints = walk(PERSON, 3)
    still = np.repeat(joints[:1], len(times), axis=0)
    assert np.isnan(plane_lift(model(site, "side"), pixels(model(site, "side"), still), times)[..., 0]).all()


def test_two_views_triangulate(site: Site) -> None:
    _, joints = walk(PERSON, 1)
    cameras = [model(site, "side"), model(site, "other")]
    views = [pixels(camera, joints) for camera in cameras]
    wanted = from_coco(joints.astype(np.float32))
    found = triangulate(cameras, views)
    # The mean of projections is not quite the projection of a mean.
    limbs = slice(2, None)
    assert np.abs(found - wanted)[:, limbs].max() < 1e-3
    views[1][3, 5] = np.nan
    views[1][4, 6] += 200
    spoilt = triangulate(cameras, views)
    assert np.isnan(spoilt[3, 5]).all()
    assert np.isnan(spoilt[4, 6]).all()
    assert np.isfinite(spoilt[5]).all()


def test_the_walker_s_own_axes_do_not_depend_on_where_he_walks() -> None:
    times, joints = walk(PERSON, 3)
    _, turned = walk(PERSON, 3, start=(4, 1), yaw=2.0)
    found = [along_path(from_coco(each.astype(np.float32)), times) for each in (joints, turned)]
    assert np.nanmax(np.abs(found[0] - found[1])) < 1e-3
    assert np.nanmax(np.abs(found[0] - truth(joints))[8:-8]) < 0.05


def test_a_group_s_tracklets_become_one_recording() -> None:
    site = site_of({"side": SIDE, "other": OTHER}, group=True)
    times, joints = walk(PERSON, 3)
    members = [seen(name, 3, model(site, name), times, joints, group_id=7) for name in ("side", "other")]
    found = lift_tracklets(members, site, LiftOptions("full"), {members[0].key: 4})
    (recording,) = found.recordings
    assert (recording.person, recording.name) == (4, "side/3+other/3")
    even, wanted = resample(times, truth(joints), 10.0, 0.3)
    assert len(even) == len(recording.times_s)
    assert np.nanmedian(np.abs(recording.points - wanted)) < 0.02
    alone = lift_tracklets(members[:1], site, LiftOptions("full"))
    assert not alone.recordings
    assert alone.left_out == {"seen by one camera only": 1}


def test_what_cannot_be_lifted_is_said(site: Site) -> None:
    times, joints = walk(PERSON, 3)
    tracklet = seen("side", 0, model(site, "side"), times, joints)
    options = LiftOptions("plane")
    assert isinstance(recording_of(tracklet, site, options), Recording)
    assert recording_of(replace(tracklet, keypoints=None), site, options) == "no keypoints"
    assert recording_of(tracklet, Site.blank(["side"]), options) == "camera not calibrated"
    short, few = walk(PERSON, 0.4)
    assert recording_of(seen("side", 0, model(site, "side"), short, few), site, options) == "shorter than 0.5 s"
    assert tracklet.keypoints is not None
    unsure = tracklet.keypoints.copy()
    unsure[:, 15, 2] = 0.1
    assert recording_of(replace(tracklet, keypoints=unsure), site, options) == "never a whole skeleton"


def test_short_gaps_are_bridged_and_long_ones_not(site: Site) -> None:
    times, joints = walk(PERSON, 4)
    tracklet = seen("side", 0, model(site, "side"), times, joints)
    assert tracklet.keypoints is not None
    gappy = tracklet.keypoints.copy()
    gappy[20:22, 9, 2] = 0
    gappy[30:40, 9, 2] = 0
    found = recording_of(replace(tracklet, keypoints=gappy), site, LiftOptions("flat"))
    assert isinstance(found, Recording)
    unknown = found.times_s[np.isnan(found.points[:, JOINTS.index("left_wrist"), 0])]
    assert unknown.min() > times[28]
    assert unknown.max() < times[41]


def test_the_flat_form_knows_neither_distance_nor_height() -> None:
    _, joints = walk(PERSON, 2)
    points = truth(joints).astype(np.float32)
    near = flattened(points * 300, 10)
    assert np.allclose(near, flattened(points * 90, 10), atol=1e-5)
    assert not near[..., 2].any()
    assert np.nanmedian(body_lengths(near)) == pytest.approx(1, abs=0.03)
    points[:, JOINTS.index("neck")] = np.nan
    assert np.isnan(flattened(points, 10)).all()


def test_forms_of_full_skeletons() -> None:
    times, joints = walk(PERSON, 2)
    full = [Recording(truth(joints).astype(np.float32), times, 3, "nm", 90, "a")]
    assert as_seen(full, "full", 10)[0] is full[0]
    (plane,), (flat,) = as_seen(full, "plane", 10), as_seen(full, "flat", 10)
    assert np.array_equal(plane.points[..., :2], full[0].points[..., :2])
    assert np.allclose(plane.points[..., 2], LEFT_M)
    assert (flat.person, flat.name) == (3, "a")
    assert not flat.points[..., 2].any()


def test_a_track_of_hours_takes_the_memory_of_its_points_and_the_same_way_as_in_pieces() -> None:
    """Pairs of all instants would take 1.2 GB per table."""
    times = np.arange(12_000) / 25.0
    angle = times / 20
    walk = np.stack([30 * np.cos(angle), 30 * np.sin(angle), np.full(len(times), 0.9)], axis=1)
    points = (walk[:, None] + np.random.default_rng(0).normal(0, 0.02, (1, 14, 3))).astype(np.float32)
    tracemalloc.start()
    whole = along_path(points, times)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6
    assert np.isfinite(whole).all()
    piece = slice(5_000, 6_000)
    inner = slice(5_300, 5_700)
    assert np.allclose(along_path(points[piece], times[piece])[300:700], whole[inner], atol=1e-6)
