"""The calibration of a camera as a site file states it, and the world it is stated in.

calibration:                          # exactly one form
  projection: [[...4], [...4], [...4]]
  # or K: [[...3], ...], R: [[...3], ...], t: [...3], dist: [k1, k2, p1, p2, k3]
  # or homography: [[...3], ...]
  world: {unit_m: 0.001, up: [0, 0, -1], ground: 0.0}   # optional; else the site's
"""

from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, FiniteFloat, model_validator

from data.config import Section
from data.errors import UserError
from data.geometry import CameraModel
from data.lens import LENGTHS

DoubleArray = NDArray[np.float64]

_Row3 = Annotated[list[FiniteFloat], Field(min_length=3, max_length=3)]
_Row4 = Annotated[list[FiniteFloat], Field(min_length=4, max_length=4)]
_Matrix33 = Annotated[list[_Row3], Field(min_length=3, max_length=3)]
_Matrix34 = Annotated[list[_Row4], Field(min_length=3, max_length=3)]
_LensList = Annotated[list[FiniteFloat], Field(min_length=min(LENGTHS), max_length=max(LENGTHS))]

_PLANE = np.ix_((0, 1, 3), (0, 1, 3))


class World(Section):
    """The world of the calibrations; everything behind the site file is in metres, z up, floor at z = 0."""

    unit_m: float = Field(1.0, gt=0, allow_inf_nan=False, description="metres in one unit of it: 0.001 for millimetres")
    up: _Row3 = Field([0.0, 0.0, 1.0], description="the direction away from the floor: [0, 0, -1] where z is down")
    ground: FiniteFloat = Field(0.0, description="where along `up` the floor lies, in units of it")

    @model_validator(mode="after")
    def _has_direction(self) -> Self:
        if not np.linalg.norm(self.up) > 0:
            raise ValueError("up must be a direction, e.g. [0, 0, 1], not 0 0 0")
        return self

    def turn(self) -> DoubleArray:
        """(3, 3) the smallest rotation that brings `up` to z; half a turn about x where z is down."""
        x, y, z = np.array(self.up) / np.linalg.norm(self.up)
        aside = x * x + y * y
        if z < 0 and aside < np.finfo(np.float64).tiny:
            return np.diag([1.0, -1.0, -1.0])
        # 1 + z loses all its digits where z is near -1; there it is taken from the other two.
        above = aside / (1 - z) if z < 0 else 1 + z
        return np.array([[1 - x * x / above, -x * y / above, -x], [-x * y / above, 1 - y * y / above, -y], [x, y, z]])

    def from_metres(self) -> DoubleArray:
        """(4, 4) from metres over the floor (x, y, z up, 1) to this world's coordinates."""
        turn = self.turn()
        result = np.eye(4)
        result[:3, :3] = turn.T / self.unit_m
        result[:3, 3] = turn[2] * self.ground
        return result


class Calibration(Section):
    """Exactly one of: projection; K, R and t (with or without dist); homography."""

    projection: _Matrix34 | None = Field(None, description="3x4, world to pixels")
    K: _Matrix33 | None = Field(None, description="3x3 camera matrix, pixels")
    R: _Matrix33 | None = Field(None, description="3x3 rotation, world to camera")
    t: _Row3 | None = Field(None, description="translation, world to camera, units of the world")
    dist: _LensList | None = Field(None, description="lens distortion as OpenCV's: k1 k2 p1 p2 [k3 ...]")
    homography: _Matrix33 | None = Field(
        None, description="3x3, floor to pixels; no heights: heads and bodies say nothing, feet alone are used"
    )
    world: World | None = Field(None, description="where it differs from the site's")
    origin: str | None = Field(None, description="where it comes from; read by people, not by the run")

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        parts = (self.K, self.R, self.t)
        forms = sum([self.projection is not None, self.homography is not None, any(part is not None for part in parts)])
        if forms != 1:
            raise ValueError("give exactly one of: projection; K, R and t; homography")
        if self.projection is None and self.homography is None and any(part is None for part in parts):
            raise ValueError("K, R and t belong together")
        if self.dist is not None and self.K is None:
            raise ValueError("dist needs K, R and t")
        if self.dist is not None and len(self.dist) not in LENGTHS:
            raise ValueError("dist must have 4, 5, 8, 12 or 14 coefficients: k1 k2 p1 p2 [k3 ...]")
        return self

    def model(self, size: tuple[int, int] | None, world: World) -> CameraModel:
        """The camera, in metres over the floor.

        Args:
            size: (width, height) of its frames, if known.
            world: of the site; used where the calibration has none of its own.

        Raises:
            UserError: when the matrices are of no camera.
        """
        own = self.world or world
        if self.projection is not None:
            return CameraModel.from_projection(np.array(self.projection) @ own.from_metres(), size)
        if self.homography is not None:
            turn = own.turn()
            if abs(turn[2, 2]) < 1 - 1e-9 or own.ground != 0:
                raise UserError("a homography knows its floor only: world.up must be along z and world.ground 0")
            return CameraModel.from_homography(np.array(self.homography) @ own.from_metres()[_PLANE], size)
        rotation = np.array(self.R)
        shift = own.unit_m * (np.array(self.t) + rotation @ own.turn()[2] * own.ground)
        return CameraModel.from_intrinsics(self.K, rotation @ own.turn().T, shift, self.dist)  # type: ignore[arg-type]
