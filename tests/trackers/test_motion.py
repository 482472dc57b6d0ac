"""The batched filter against filterpy, and what it promises about time."""

import numpy as np
import pytest
from filterpy.kalman import KalmanFilter
from hypothesis import given, settings
from hypothesis import strategies as st

from trackers.config import MotionConfig
from trackers.motion import MotionModel, MotionState, measurements

TRACKS = 7


def random_boxes(rng: np.random.Generator, count: int) -> np.ndarray:
    corner = rng.uniform(-50, 900, (count, 2))
    sides = rng.uniform((10, 30), (120, 300), (count, 2))
    return np.concatenate([corner, corner + sides], axis=1).astype(np.float32)


def oracle(model: MotionModel, state: MotionState, row: int) -> KalmanFilter:
    """An 8-state filterpy filter that believes what row ``row`` of the batch believes."""
    kalman = KalmanFilter(dim_x=8, dim_z=4)
    kalman.H = np.hstack([np.eye(4), np.zeros((4, 4))])
    kalman.x = np.concatenate([state.mean[row, :, 0], state.mean[row, :, 1]])[:, None]
    kalman.P = blocks(state.cov[row])
    return kalman


def blocks(cov: np.ndarray) -> np.ndarray:
    value, cross, speed = (np.diag(cov[:, column]) for column in range(3))
    return np.block([[value, cross], [cross, speed]])


def test_equals_filterpy_on_random_sequences() -> None:
    rng = np.random.default_rng(0)
    model = MotionModel(MotionConfig())
    boxes = random_boxes(rng, TRACKS)
    state = model.start(boxes, rng.uniform(0, 1, TRACKS).astype(np.float32))
    oracles = [oracle(model, state, row) for row in range(TRACKS)]
    for _ in range(40):
        dt = float(rng.uniform(0, 2))
        onto_value, decay = model.transition(dt)
        noise = model.process_noise(dt)
        state_scale = state.scale.copy()
        state = model.predict(state, dt)
        boxes = boxes + rng.normal(0, 8, boxes.shape).astype(np.float32)
        scores = rng.uniform(0, 1, TRACKS).astype(np.float32)
        variance = model.measurement_variance(state_scale, scores)
        predicted, state = state, model.update(state, boxes, scores)
        for row, kalman in enumerate(oracles):
            transition = np.block([[np.eye(4), np.diag(onto_value)], [np.zeros((4, 4)), np.diag(decay)]])
            kalman.predict(F=transition, Q=blocks(noise) * state_scale[row] ** 2)
            np.testing.assert_allclose(predicted.mean[row].T.ravel(), kalman.x[:, 0], rtol=1e-9, atol=1e-7)
            np.testing.assert_allclose(blocks(predicted.cov[row]), kalman.P, rtol=1e-9, atol=1e-7)
            kalman.update(measurements(boxes[row : row + 1]).T, R=np.diag(variance[row]))
            np.testing.assert_allclose(state.mean[row].T.ravel(), kalman.x[:, 0], rtol=1e-9, atol=1e-7)
            np.testing.assert_allclose(blocks(state.cov[row]), kalman.P, rtol=1e-9, atol=1e-7)


def test_gating_distance_equals_filterpy() -> None:
    rng = np.random.default_rng(1)
    model = MotionModel(MotionConfig())
    state = model.predict(model.start(random_boxes(rng, TRACKS), np.ones(TRACKS, np.float32)), 0.4)
    boxes = random_boxes(rng, 5)
    found = model.gating_distance(state, boxes)
    variance = model.measurement_variance(state.scale, np.ones(TRACKS, np.float32))
    for row in range(TRACKS):
        kalman = KalmanFilter(dim_x=8, dim_z=2)
        kalman.H = np.eye(2, 8)
        kalman.x, kalman.P = oracle(model, state, row).x, oracle(model, state, row).P
        for column in range(5):
            kalman.update(measurements(boxes[column : column + 1])[:, :2].T, R=np.diag(variance[row, :2]))
            assert found[row, column] == pytest.approx(kalman.mahalanobis**2, rel=1e-9)
            kalman.x, kalman.P = oracle(model, state, row).x, oracle(model, state, row).P


@settings(max_examples=50)
@given(dt=st.floats(1e-4, 5), parts=st.integers(2, 9), memory=st.floats(0.05, 1e4), speed=st.floats(0.05, 3))
def test_many_short_steps_equal_one_long_step(dt: float, parts: int, memory: float, speed: float) -> None:
    model = MotionModel(MotionConfig(speed=speed, speed_memory_s=memory))
    start = model.start(np.array([[10, 20, 60, 170]], np.float32), np.ones(1, np.float32))
    start.mean[0, :, 1] = [30, -12, 3, -4]
    once = model.predict(start, dt)
    state = start
    for _ in range(parts):
        state = model.predict(state, dt / parts)
    np.testing.assert_allclose(state.mean, once.mean, rtol=1e-7)
    np.testing.assert_allclose(state.cov, once.cov, rtol=1e-5)


def test_a_long_memory_is_the_constant_velocity_model() -> None:
    model = MotionModel(MotionConfig(speed=1, speed_memory_s=1e5))
    onto_value, decay = model.transition(0.5)
    assert onto_value[0] == pytest.approx(0.5, rel=1e-5)
    assert decay[0] == pytest.approx(1, rel=1e-5)
    density = 2 / 1e5
    np.testing.assert_allclose(
        model.process_noise(0.5)[0], density * np.array([0.5**3 / 3, 0.5**2 / 2, 0.5]), rtol=1e-4
    )


def test_an_unseen_person_stops_and_the_gate_widens() -> None:
    model = MotionModel(MotionConfig())
    state = model.start(np.array([[0, 0, 40, 100]], np.float32), np.ones(1, np.float32))
    state.mean[0, 0, 1] = 100
    far, farther = model.predict(state, 20), model.predict(state, 40)
    assert farther.mean[0, 0, 0] - far.mean[0, 0, 0] < 5
    assert farther.position_std()[0] > far.position_std()[0] > state.position_std()[0]


def test_a_low_score_moves_the_track_less() -> None:
    model = MotionModel(MotionConfig(score_noise=1))
    state = model.predict(model.start(np.array([[0, 0, 40, 100]] * 2, np.float32), np.ones(2, np.float32)), 0.1)
    moved = model.update(state, np.array([[9, 0, 49, 100]] * 2, np.float32), np.array([1, 0.1], np.float32))
    assert moved.mean[0, 0, 0] > moved.mean[1, 0, 0] > state.mean[0, 0, 0]


def test_covariances_stay_positive_over_a_long_track() -> None:
    rng = np.random.default_rng(2)
    model = MotionModel(MotionConfig())
    state = model.start(random_boxes(rng, 3), np.ones(3, np.float32))
    for step in range(1500):
        state = model.update(model.predict(state, 0.04), random_boxes(rng, 3), np.ones(3, np.float32))
        if step % 300 == 0:
            assert all((np.linalg.eigvalsh(blocks(cov)) > 0).all() for cov in state.cov)


def test_no_tracks() -> None:
    model = MotionModel(MotionConfig())
    state = model.predict(model.start(np.zeros((0, 4), np.float32), np.zeros(0, np.float32)), 1.0)
    assert len(state) == 0
    assert state.boxes().shape == (0, 4)
    assert model.gating_distance(state, random_boxes(np.random.default_rng(0), 2)).shape == (0, 2)
