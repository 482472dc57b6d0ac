"""Calibrations that cannot be are refused in one line that says how to mend the site file."""

import numpy as np
import pytest
from pydantic import ValidationError

from data.site import Site

K = np.array([[500.0, 0, 320], [0, 500, 240], [0, 0, 1]])
SIZE = (640, 480)


def looking(position: tuple[float, float, float], yaw_deg: float, pitch_deg: float = 25.0) -> tuple:
    """R and t."""
    pitch, yaw = np.radians(pitch_deg), np.radians(yaw_deg)
    ahead = np.array([np.cos(yaw) * np.cos(pitch), np.sin(yaw) * np.cos(pitch), -np.sin(pitch)])
    right = np.array([np.sin(yaw), -np.cos(yaw), 0.0])
    rotation = np.stack([right, np.cross(ahead, right), ahead])
    return rotation, -rotation @ np.array(position)


SOUTH, EAST = looking((2, -3, 4), 90), looking((8, 4, 3), 180)


def stated(rotation: np.ndarray, shift: np.ndarray, form: str = "intrinsics") -> dict:
    matrix = K @ np.column_stack([rotation, shift])
    return {
        "intrinsics": {"K": K.tolist(), "R": rotation.tolist(), "t": shift.tolist()},
        "projection": {"projection": matrix.tolist()},
        "homography": {"homography": matrix[:, [0, 1, 3]].tolist()},
    }[form]


def site(*calibrations: dict, grouped: bool = False, **more: object) -> Site:
    names = [f"c{number}" for number in range(len(calibrations))]
    cameras = {
        name: {"size": SIZE, "clock": {"status": "common"}, "calibration": calibration}
        for name, calibration in zip(names, calibrations)
    }
    groups = [{"name": "hall", "cameras": names}] if grouped else []
    return Site.model_validate({"cameras": cameras, "groups": groups, **more})


def refusal(*calibrations: dict, **more: object) -> str:
    with pytest.raises(ValidationError) as caught:
        site(*calibrations, **more)
    message = caught.value.errors()[0]["msg"]
    assert "\n" not in message
    return message


@pytest.mark.parametrize("form", ["intrinsics", "projection", "homography"])
@pytest.mark.parametrize("height", [0.5, 2.0, 4.0, 30.0])
@pytest.mark.parametrize("pitch", [5.0, 25.0, 60.0, 89.9])
def test_sensible_cameras_pass(form, height, pitch):
    site(stated(*looking((0, 0, height), 30, pitch), form), stated(*looking((5, 1, height), 80, pitch), form))


@pytest.mark.parametrize("form", ["intrinsics", "projection"])
@pytest.mark.parametrize(("unit", "name"), [(0.001, "millimetres"), (0.01, "centimetres")])
def test_another_unit_is_told_with_the_cure(form, unit, name):
    rotation, shift = SOUTH
    calibration = stated(rotation, shift / unit, form)
    message = refusal(calibration)
    assert f"world: {{unit_m: {unit:g}}}" in message
    assert name in message
    cured = site(calibration, world={"unit_m": unit})
    np.testing.assert_allclose(cured.model("c0").centre, (2, -3, 4), atol=1e-9)


def test_a_homography_in_millimetres_is_told_with_the_cure():
    matrix = np.array(stated(*SOUTH, "homography")["homography"]) @ np.diag([0.001, 0.001, 1])
    assert "unit_m: 0.001" in refusal({"homography": matrix.tolist()})
    site({"homography": matrix.tolist()}, world={"unit_m": 0.001})


def test_kilometres():
    rotation, shift = SOUTH
    assert "unit_m" in refusal(stated(rotation, shift / 1000))


@pytest.mark.parametrize("form", ["intrinsics", "projection"])
def test_z_down_is_told_with_the_cure(form):
    rotation, shift = SOUTH
    calibration = stated(rotation @ np.diag([1.0, -1, -1]), shift, form)
    assert "up: [0, 0, -1]" in refusal(calibration)
    np.testing.assert_allclose(site(calibration, world={"up": [0, 0, -1]}).model("c0").centre, (2, -3, 4), atol=1e-9)


def test_a_floor_above_the_camera():
    calibration = stated(*SOUTH)
    assert "ground" in refusal(calibration, world={"ground": 5.0})
    assert "0.05 m over the floor" in refusal(calibration, world={"ground": 3.95})


def test_feet_behind_the_camera():
    rotation, shift = looking((0, 0, 4), 30, -40)
    assert "behind the camera or above the horizon" in refusal(stated(rotation, shift))


def test_camera_axes_of_another_convention():
    rotation, shift = SOUTH
    opengl = np.diag([1.0, -1, -1])
    assert "x must point right" in refusal(stated(opengl @ rotation, opengl @ shift))


@pytest.mark.parametrize("form", ["projection", "homography"])
def test_a_mirrored_camera_in_a_group(form):
    mirror = np.diag([1.0, -1, 1, 1])
    plain, mirrored = [stated(*SOUTH, form), stated(*EAST, form)], []
    for calibration in plain:
        (matrix,) = calibration.values()
        flip = mirror if form == "projection" else mirror[np.ix_((0, 1, 3), (0, 1, 3))]
        mirrored.append({form: (np.array(matrix) @ flip).tolist()})
    site(*plain, grouped=True)
    site(*mirrored, grouped=True)
    message = refusal(plain[0], mirrored[1], grouped=True)
    assert "group 'hall'" in message
    assert "mirrored" in message


def test_cameras_of_different_places_are_no_group():
    near, far = stated(*SOUTH), stated(*looking((900, 0, 3), 180))
    site(near, far)
    assert "camera 'c0' sees no floor that another" in refusal(near, far, grouped=True)
