"""Batched Kalman motion of boxes, in seconds and box heights.

State of one track: centre x, centre y, width, height, each with its velocity. The four coordinates are driven and
measured independently, so the 8x8 covariance is four 2x2 blocks and every step is a few array operations over all
tracks, with no matrix to invert.

Velocities follow an Ornstein-Uhlenbeck process (Singer's manoeuvre model, IEEE TAES 1970, one order lower): white noise
drives them and they forget with a time constant. Over times shorter than the constant this is the constant-velocity
model; a person unseen for longer is expected to have stopped or turned, not to have walked on for ever. The noise is
integrated over dt in closed form, so two steps of dt/2 give the same as one of dt.

Noises are in heights of the track's last measured box, so that near and far people are treated alike.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.records import DoubleArray, FloatArray, Rows
from trackers.config import MotionConfig

SCALE_FLOOR_PX = 4.0


@dataclass(frozen=True, slots=True)
class MotionState:
    """Beliefs about T tracks.

    Attributes:
        mean: (T, 4, 2) float64: centre x, centre y, width, height; each value (px) and velocity (px/s).
        cov: (T, 4, 3) float64: variance of the value, covariance with the velocity, variance of the velocity.
        scale: (T,) float64 height in px of the last measured box: the unit of the noises.
    """

    mean: DoubleArray
    cov: DoubleArray
    scale: DoubleArray

    def __len__(self) -> int:
        return len(self.mean)

    def select(self, rows: Rows) -> "MotionState":
        """Keep some tracks."""
        return MotionState(self.mean[rows], self.cov[rows], self.scale[rows])

    def put(self, rows: Rows, other: "MotionState") -> None:
        """Overwrite some tracks."""
        self.mean[rows], self.cov[rows], self.scale[rows] = other.mean, other.cov, other.scale

    def append(self, other: "MotionState") -> "MotionState":
        """These tracks, then the others."""
        return MotionState(
            np.concatenate([self.mean, other.mean]),
            np.concatenate([self.cov, other.cov]),
            np.concatenate([self.scale, other.scale]),
        )

    def boxes(self) -> FloatArray:
        """(T, 4) float32 xyxy px; sides are never negative."""
        centre = self.mean[:, :2, 0]
        half = np.maximum(self.mean[:, 2:, 0], 0) / 2
        return np.concatenate([centre - half, centre + half], axis=1).astype(np.float32)

    def position_std(self) -> DoubleArray:
        """(T,) standard deviation of the centre in px, mean of both directions."""
        return np.sqrt(self.cov[:, :2, 0].mean(axis=1))


def measurements(boxes: FloatArray) -> DoubleArray:
    """(N, 4) xyxy -> (N, 4) float64 centre x, centre y, width, height."""
    wide = boxes.astype(np.float64)
    return np.concatenate([(wide[:, :2] + wide[:, 2:]) / 2, wide[:, 2:] - wide[:, :2]], axis=1)


class MotionModel:
    """Predicts, gates and updates all tracks at once."""

    def __init__(self, config: MotionConfig) -> None:
        self._config = config
        self._speed = np.array([config.speed, config.speed, config.growth, config.growth])
        self._memory_s = np.array([config.speed_memory_s] * 2 + [config.growth_memory_s] * 2)

    def start(self, boxes: FloatArray, scores: FloatArray) -> MotionState:
        """Begin tracks at boxes (N, 4) xyxy px; the velocity is unknown, with the spread people have at random."""
        measured = measurements(boxes)
        scale = np.maximum(measured[:, 3], SCALE_FLOOR_PX)
        mean = np.stack([measured, np.zeros_like(measured)], axis=2)
        cov = np.zeros((len(boxes), 4, 3))
        cov[:, :, 0] = self.measurement_variance(scale, scores)
        cov[:, :, 2] = (self._speed * scale[:, None]) ** 2
        return MotionState(mean, cov, scale)

    def transition(self, dt: float) -> tuple[DoubleArray, DoubleArray]:
        """Effect of a velocity on its value and on itself after dt seconds, (4,) each: F = [[1, a], [0, b]]."""
        decay = np.exp(-dt / self._memory_s)
        return -self._memory_s * np.expm1(-dt / self._memory_s), decay

    def process_noise(self, dt: float) -> DoubleArray:
        """(4, 3) variance, covariance and velocity variance gained in dt seconds, for a scale of one pixel.

        Integral of F(s) diag(0, q) F(s)^T over 0..dt, with q chosen so that the velocity's stationary deviation is
        ``speed`` (``growth`` for the sides): q = 2 speed^2 / memory.
        """
        memory = self._memory_s
        gone, gone_twice = -np.expm1(-dt / memory), -np.expm1(-2 * dt / memory)
        q = 2 * self._speed**2 / memory
        value = memory**2 * (dt - 2 * memory * gone + memory / 2 * gone_twice)
        return q[:, None] * np.stack([value, memory**2 / 2 * gone**2, memory / 2 * gone_twice], axis=1)

    def measurement_variance(self, scale: DoubleArray, scores: FloatArray) -> DoubleArray:
        """(N, 4) variance of measured values, px^2; larger for low scores (NSA Kalman, Du et al., ICCVW 2021)."""
        doubt = 1 + self._config.score_noise * (1 - np.clip(scores.astype(np.float64), 0, 1))
        std = self._config.noise * (scale * doubt)[:, None]
        return np.broadcast_to(std**2, (len(scale), 4))

    def predict(self, state: MotionState, dt: float) -> MotionState:
        """Move all tracks dt >= 0 seconds on."""
        onto_value, decay = self.transition(dt)
        mean, cov = state.mean, state.cov
        noise = self.process_noise(dt)[None] * (state.scale**2)[:, None, None]
        moved = np.stack([mean[..., 0] + onto_value * mean[..., 1], decay * mean[..., 1]], axis=2)
        value = cov[..., 0] + onto_value * (2 * cov[..., 1] + onto_value * cov[..., 2])
        cross = decay * (cov[..., 1] + onto_value * cov[..., 2])
        spread = np.stack([value, cross, decay**2 * cov[..., 2]], axis=2) + noise
        return MotionState(moved, spread, state.scale)

    def update(self, state: MotionState, boxes: FloatArray, scores: FloatArray) -> MotionState:
        """Correct tracks with row-aligned boxes (T, 4) xyxy px. Covariances in Joseph form, so they stay positive."""
        measured = measurements(boxes)
        variance = self.measurement_variance(state.scale, scores)
        value, cross, speed = state.cov[..., 0], state.cov[..., 1], state.cov[..., 2]
        innovation = measured - state.mean[..., 0]
        total = value + variance
        gain, gain_speed = value / total, cross / total
        mean = state.mean + np.stack([gain, gain_speed], axis=2) * innovation[..., None]
        kept = 1 - gain
        cov = np.stack(
            [
                kept**2 * value + gain**2 * variance,
                kept * (cross - gain_speed * value) + gain * gain_speed * variance,
                speed - 2 * gain_speed * cross + gain_speed**2 * total,
            ],
            axis=2,
        )
        return MotionState(mean, cov, np.maximum(measured[:, 3], SCALE_FLOOR_PX))

    def gating_distance(self, state: MotionState, boxes: FloatArray) -> DoubleArray:
        """Squared Mahalanobis distance between predicted and measured centres.

        Args:
            state: T predicted tracks.
            boxes: (N, 4) xyxy px.

        Returns:
            (T, N) float64; chi-square with 2 degrees of freedom where track and box are the same person.
        """
        centres = measurements(boxes)[:, :2]
        nominal = self.measurement_variance(state.scale, np.ones(len(state), np.float32))[:, :2]
        spread = state.cov[:, :2, 0] + nominal
        offset = centres[None] - state.mean[:, None, :2, 0]
        distance: NDArray[np.float64] = (offset**2 / spread[:, None]).sum(-1)
        return distance
