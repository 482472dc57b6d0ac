import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from data.calibration import Calibration, World
from data.errors import UserError

K = np.array([[500.0, 0, 320], [0, 500, 240], [0, 0, 1]])
PITCH = np.radians(25)
R = np.array([[1.0, 0, 0], [0, -np.sin(PITCH), -np.cos(PITCH)], [0, np.cos(PITCH), -np.sin(PITCH)]])
CENTRE = np.array([2.0, -3.0, 4.0])
DIST = (-0.2, 0.05, 0.001, 0.0, 0.0)
METRES = World()
POINTS = np.array([[2.0, 4, 0], [0.5, 7, 1.7], [4, 9, 0.9]])


def in_world(world: World) -> tuple[np.ndarray, np.ndarray]:
    """R and t of the same camera, as somebody states them whose world is ``world``."""
    back = world.from_metres()
    rotation = R @ world.turn()
    return rotation, -rotation @ (back @ np.append(CENTRE, 1))[:3]


WORLDS = {
    "metres": World(),
    "millimetres": World(unit_m=0.001),
    "centimetres, z down": World(unit_m=0.01, up=[0, 0, -1]),
    "y up": World(up=[0, 1, 0]),
    "floor at -1.2": World(ground=-1.2),
    "feet, sloping, floor at 7": World(unit_m=0.3048, up=[0.1, -0.2, 3], ground=7),
}


@pytest.mark.parametrize("name", list(WORLDS))
def test_a_camera_is_the_same_in_any_world(name):
    world = WORLDS[name]
    rotation, shift = in_world(world)
    want = Calibration(K=K.tolist(), R=R.tolist(), t=(-R @ CENTRE).tolist()).model(None, METRES).to_image(POINTS)
    whole = Calibration(K=K.tolist(), R=rotation.tolist(), t=shift.tolist())
    projection = Calibration(projection=(-2.5 * K @ np.column_stack([rotation, shift])).tolist())
    for calibration in (whole, projection):
        model = calibration.model((640, 480), world)
        np.testing.assert_allclose(model.to_image(POINTS), want, atol=1e-7)
        np.testing.assert_allclose(model.centre, CENTRE, atol=1e-9)
        np.testing.assert_allclose(model.to_ground(want[:1]), POINTS[:1, :2], atol=1e-8)
        assert not model.mirrored


def test_a_camera_s_own_world_wins():
    rotation, shift = in_world(WORLDS["millimetres"])
    own = Calibration(K=K.tolist(), R=rotation.tolist(), t=shift.tolist(), world=WORLDS["millimetres"])
    np.testing.assert_allclose(own.model(None, WORLDS["y up"]).centre, CENTRE, atol=1e-9)


@pytest.mark.parametrize(("unit", "up"), [(1.0, 1), (0.001, 1), (0.01, -1)])
def test_a_homography_in_another_unit(unit, up):
    plain = K @ np.column_stack([R, -R @ CENTRE])[:, [0, 1, 3]]
    stated = plain @ np.diag([unit, unit * up, 1])
    model = Calibration(homography=stated.tolist()).model((640, 480), World(unit_m=unit, up=[0, 0, up]))
    seen = model.to_image(POINTS[:, :2])
    np.testing.assert_allclose(model.to_ground(seen), POINTS[:, :2], atol=1e-9)
    assert model.centre is None


@pytest.mark.parametrize("world", [World(up=[0, 1, 0]), World(ground=0.5)])
def test_a_homography_knows_its_floor_only(world):
    with pytest.raises(UserError, match="knows its floor only"):
        Calibration(homography=np.eye(3).tolist()).model(None, world)


@pytest.mark.parametrize("count", [4, 5, 8, 12, 14])
def test_every_lens_of_opencv_goes_there_and_back(count):
    dist = [-0.2, 0.05, 0.001, -0.001, 0.01, 0.02, 0.01, 0.003, 1e-3, 0, 1e-3, 0, 0.01, 0.01][:count]
    model = Calibration(K=K.tolist(), R=R.tolist(), t=(-R @ CENTRE).tolist(), dist=dist).model(None, METRES)
    np.testing.assert_allclose(model.to_ground(model.to_image(POINTS[:, :2])), POINTS[:, :2], atol=1e-6)


def test_a_lens_of_six_coefficients_is_refused():
    with pytest.raises(ValidationError, match="4, 5, 8, 12 or 14"):
        Calibration(K=K.tolist(), R=R.tolist(), t=[0, 0, 1], dist=[0.1] * 6)


@pytest.mark.parametrize("wrong", [{"up": [0, 0, 0]}, {"unit_m": 0}, {"unit_m": float("inf")}, {"unit": 1}])
def test_worlds_that_are_none(wrong):
    with pytest.raises(ValidationError):
        World(**wrong)


@example((0.0, 1e-5, -1.0))
@example((1e-161, 3e-161, -1.0))
@settings(max_examples=40)
@given(st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda up: np.linalg.norm(up) > 0.1))
def test_turning_brings_up_to_z_and_keeps_hands(up):
    turn = World(up=list(up)).turn()
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(turn) == pytest.approx(1)
    np.testing.assert_allclose(turn @ up / np.linalg.norm(up), [0, 0, 1], atol=1e-9)
