"""Cameras are found from the people they see, and refused where people do not tell."""

import numpy as np
import pytest

from data.clock import Clock
from data.errors import UserError
from data.site import CameraSite, Site, load_site, save_site
from pipeline.site_calibration.estimate import estimate, site_with
from pipeline.site_calibration.sightings import whole_people
from tests.pipeline.site_calibration.scenes import CORNERS, SIZE, scene


def sightings(boxes: dict) -> dict:
    return {name: whole_people(times, found, SIZE) for name, (times, found) in boxes.items()}


def similarity(a: np.ndarray, b: np.ndarray) -> tuple[float, float, np.ndarray]:
    """Scale, turn and rest of the map of b onto a that leaves the least."""
    p, q = a - a.mean(axis=0), b - b.mean(axis=0)
    turn = np.arctan2((q[:, 0] * p[:, 1] - q[:, 1] * p[:, 0]).sum(), (p * q).sum())
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    turned = q @ rotation.T
    scale = float((p * turned).sum() / (turned**2).sum())
    return scale, float(turn), p - scale * turned


def floor_error(result, truth) -> tuple[float, float, float]:
    """Scale, median and largest difference of floor places under the estimated and the true cameras, metres."""
    estimated, true = [], []
    grid = np.stack(np.meshgrid(np.linspace(-5, 5, 11), np.linspace(-5, 5, 11)), -1).reshape(-1, 2)
    for name, pinhole in zip(result.cameras, result.pinholes):
        pixels = truth[name].model.to_image(grid)
        inside = ((pixels > 0) & (pixels < SIZE)).all(axis=1)
        estimated.append(pinhole.model.to_ground(pixels[inside]))
        true.append(grid[inside])
    scale, _, rest = similarity(np.concatenate(true), np.concatenate(estimated))
    off = np.linalg.norm(rest, axis=1)
    return scale, float(np.median(off)), float(off.max())


def test_three_cameras_are_found(tmp_path):
    result = estimate(sightings(scene(CORNERS)), 1.7)
    assert result.cameras == ("south", "east", "north")
    assert not result.left_out
    scale, middle, largest = floor_error(result, CORNERS)
    assert middle < 0.15
    assert largest < 0.6
    assert abs(scale - 1) < 0.06
    assert result.error_m < 0.25
    for name, pinhole in zip(result.cameras, result.pinholes):
        assert abs(np.log(pinhole.focal / CORNERS[name].focal)) < 0.15
        assert abs(pinhole.tilt - CORNERS[name].tilt) < np.radians(4)
    first = result.pinholes[0]
    assert (first.x_m, first.y_m) == pytest.approx((0, 0), abs=1e-9)
    assert first.yaw == pytest.approx(np.pi / 2)
    site = Site(cameras={name: CameraSite(clock=Clock(status="common")) for name in CORNERS})
    path = tmp_path / "site.yaml"
    save_site(site_with(result, site, 1.7, "hall"), path)
    written = load_site(path)
    assert written.groups[0].cameras == ["south", "east", "north"]
    assert "1.7 m mean height" in written.cameras["east"].calibration.origin
    np.testing.assert_allclose(written.model("east").centre, result.pinholes[1].model.centre, atol=1e-6)


def test_the_assumed_height_sets_the_scale():
    two = {name: CORNERS[name] for name in ("south", "east")}
    seen = sightings(scene(two, seconds=60))
    small, large = (floor_error(estimate(seen, height), two)[0] for height in (1.6, 1.8))
    assert small / large == pytest.approx(1.8 / 1.6, rel=0.03)


def test_same_input_same_cameras():
    two = {name: CORNERS[name] for name in ("south", "east")}
    seen = sightings(scene(two, seconds=60))
    assert estimate(seen, 1.7).pinholes == estimate(seen, 1.7).pinholes


def test_a_camera_of_another_place_is_left_out():
    boxes = scene(CORNERS)
    boxes["cellar"] = scene({"cellar": CORNERS["east"]}, together=False)["cellar"]
    result = estimate(sightings(boxes), 1.7)
    assert result.cameras == ("south", "east", "north")
    assert "shares too few people" in result.left_out["cellar"]


def test_one_camera():
    with pytest.raises(UserError, match="at least two cameras"):
        estimate(sightings(scene({"south": CORNERS["south"]})), 1.7)


def test_too_few_people():
    with pytest.raises(UserError, match=r"too few people.*camera 'south': only \d+ whole"):
        estimate(sightings(scene(CORNERS, people=1, seconds=10)), 1.7)


def test_people_who_do_not_walk_together():
    with pytest.raises(UserError, match="no two cameras see the same people walk at the same time"):
        estimate(sightings(scene(CORNERS, together=False)), 1.7)


def test_people_on_one_line():
    with pytest.raises(UserError, match="keep to one line"):
        estimate(sightings(scene(CORNERS, line=True, people=4, seconds=60)), 1.7)


def test_one_view_twice():
    boxes = scene({"south": CORNERS["south"], "again": CORNERS["south"]})
    with pytest.raises(UserError, match="show the same view"):
        estimate(sightings(boxes), 1.7)
