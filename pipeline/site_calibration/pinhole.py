"""A camera as seven numbers: square pixels, the axis through the middle of the frame, no distortion."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from data.geometry import CameraModel

DoubleArray = NDArray[np.float64]

PARAMETERS = 7


@dataclass(frozen=True)
class Pinhole:
    """Where a camera stands and how it looks.

    Attributes:
        size: (width, height) of the frame, pixels.
        focal: focal length in units of the frame's longer side.
        tilt: angle of the axis below the level, radians.
        roll: turn about the axis, radians; positive turns the picture's right side down.
        height_m: over the floor.
        x_m, y_m: place over the floor.
        yaw: direction of the axis over the floor, from x towards y, radians.
    """

    size: tuple[int, int]
    focal: float
    tilt: float
    roll: float
    height_m: float
    x_m: float = 0.0
    y_m: float = 0.0
    yaw: float = np.pi / 2

    @property
    def intrinsics(self) -> DoubleArray:
        """(3, 3) K."""
        focal = self.focal * max(self.size)
        return np.array([[focal, 0, self.size[0] / 2], [0, focal, self.size[1] / 2], [0, 0, 1.0]])

    @property
    def rotation(self) -> DoubleArray:
        """(3, 3) R, world to camera."""
        ahead = np.array(
            [np.cos(self.yaw) * np.cos(self.tilt), np.sin(self.yaw) * np.cos(self.tilt), -np.sin(self.tilt)]
        )
        right = np.array([np.sin(self.yaw), -np.cos(self.yaw), 0.0])
        down = np.cross(ahead, right)
        cos, sin = np.cos(self.roll), np.sin(self.roll)
        return np.stack([cos * right + sin * down, cos * down - sin * right, ahead])

    @property
    def shift(self) -> DoubleArray:
        """(3,) t, world to camera, metres."""
        return np.asarray(-self.rotation @ (self.x_m, self.y_m, self.height_m), np.float64)

    @cached_property
    def model(self) -> CameraModel:
        """The camera."""
        return CameraModel.from_intrinsics(self.intrinsics, self.rotation, self.shift)

    def vector(self) -> DoubleArray:
        """(7,) unbounded parameters: log focal, tilt, roll, log height, x, y, yaw."""
        return np.array([np.log(self.focal), self.tilt, self.roll, np.log(self.height_m), self.x_m, self.y_m, self.yaw])

    @staticmethod
    def of(vector: DoubleArray, size: tuple[int, int]) -> "Pinhole":
        """From ``vector``."""
        log_focal, tilt, roll, log_height, x, y, yaw = (float(value) for value in vector)
        return Pinhole(size, float(np.exp(log_focal)), tilt, roll, float(np.exp(log_height)), x, y, yaw)

    def moved(self, turn: float, shift: DoubleArray, scale: float = 1.0) -> "Pinhole":
        """The same camera after a similarity of the floor: turn about the origin, scale, then shift.

        Args:
            turn: radians, from x towards y.
            shift: (2,) metres.
            scale: factor of all lengths, the camera's height included.
        """
        cos, sin = np.cos(turn), np.sin(turn)
        x, y = scale * np.array([cos * self.x_m - sin * self.y_m, sin * self.x_m + cos * self.y_m]) + shift
        return replace(self, x_m=float(x), y_m=float(y), yaw=self.yaw + turn, height_m=self.height_m * scale)
