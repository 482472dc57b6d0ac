"""Cameras: from pixels to the ground plane and back, with the uncertainty that goes along.

World units are metres, the ground is the plane z = 0, pixels are those of the full frame as recorded (distorted).
Formulas: Hartley and Zisserman, "Multiple View Geometry" (2nd ed.), sections 6.2 and 8.1; lens distortion after Brown
(1966) in OpenCV's parametrisation k1 k2 p1 p2 k3.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data.errors import UserError

DoubleArray = NDArray[np.float64]

_GROUND_COLUMNS = (0, 1, 3)
_NEWTON_STEPS = 20
_CONVERGED = 1e-9


@dataclass(frozen=True, slots=True)
class Lens:
    """Brown's lens distortion.

    Attributes:
        intrinsics: (3, 3) camera matrix K.
        coefficients: k1 k2 p1 p2 k3.
        fold: squared distance from the axis, in units of the focal length, at which the radial part turns back on
            itself; nothing beyond it is a real image point.
    """

    intrinsics: DoubleArray
    coefficients: tuple[float, float, float, float, float]
    fold: float

    @staticmethod
    def make(intrinsics: DoubleArray, coefficients: ArrayLike) -> "Lens":
        """Build from K and k1 k2 p1 p2 k3."""
        k1, k2, p1, p2, k3 = (float(value) for value in np.asarray(coefficients, np.float64).ravel())
        roots = np.roots([7 * k3, 5 * k2, 3 * k1, 1.0])
        real = roots.real[(np.abs(roots.imag) < 1e-9) & (roots.real > 0)]
        return Lens(intrinsics, (k1, k2, p1, p2, k3), float(real.min(initial=np.inf)))

    def distort(self, points: DoubleArray) -> tuple[DoubleArray, DoubleArray]:
        """Where ideal points fall.

        Args:
            points: (N, 2) ideal points in units of the focal length, from the axis.

        Returns:
            (N, 2) distorted points in the same units, and (N, 2, 2) their derivatives.
        """
        k1, k2, p1, p2, k3 = self.coefficients
        x, y = points[:, 0], points[:, 1]
        square = x * x + y * y
        radial = 1 + square * (k1 + square * (k2 + square * k3))
        slope = k1 + square * (2 * k2 + square * 3 * k3)
        moved = np.stack(
            [
                x * radial + 2 * p1 * x * y + p2 * (square + 2 * x * x),
                y * radial + p1 * (square + 2 * y * y) + 2 * p2 * x * y,
            ],
            axis=1,
        )
        across = 2 * x * y * slope + 2 * p1 * x + 2 * p2 * y
        derivative = np.empty((len(points), 2, 2))
        derivative[:, 0, 0] = radial + 2 * x * x * slope + 2 * p1 * y + 6 * p2 * x
        derivative[:, 0, 1] = derivative[:, 1, 0] = across
        derivative[:, 1, 1] = radial + 2 * y * y * slope + 6 * p1 * y + 2 * p2 * x
        return moved, derivative

    def ideal_pixels(self, pixels: DoubleArray) -> tuple[DoubleArray, DoubleArray]:
        """Undistort by Newton's method.

        Returns:
            (N, 2) ideal pixels and (N, 2, 2) their derivatives by the recorded ones; NaN where no ideal point exists.
        """
        target = self._normalise(pixels)
        points = target.copy()
        for _ in range(_NEWTON_STEPS):
            moved, derivative = self.distort(points)
            points = points - _solve(derivative, moved - target)
        moved, derivative = self.distort(points)
        with np.errstate(invalid="ignore"):
            good = (np.abs(moved - target).max(axis=1) < _CONVERGED) & ((points**2).sum(axis=1) < self.fold)
        points[~good] = np.nan
        scale = self.intrinsics[:2, :2]
        inverse = np.full_like(derivative, np.nan)
        inverse[good] = np.linalg.inv(derivative[good])
        return points @ scale.T + self.intrinsics[:2, 2], scale @ inverse @ np.linalg.inv(scale)

    def recorded_pixels(self, pixels: DoubleArray) -> DoubleArray:
        """Distort: (N, 2) ideal pixels -> (N, 2) recorded ones, NaN beyond the fold."""
        points = self._normalise(pixels)
        moved, _ = self.distort(points)
        with np.errstate(invalid="ignore"):
            moved[~((points**2).sum(axis=1) < self.fold)] = np.nan
        return moved @ self.intrinsics[:2, :2].T + self.intrinsics[:2, 2]

    def _normalise(self, pixels: DoubleArray) -> DoubleArray:
        return (pixels - self.intrinsics[:2, 2]) @ np.linalg.inv(self.intrinsics[:2, :2]).T


@dataclass(frozen=True, slots=True)
class CameraModel:
    """A calibrated camera.

    Attributes:
        homography: (3, 3) from ground metres (x, y, 1) to ideal pixels; its third row gives a positive depth for what
            is in front of the camera.
        projection: (3, 4) from world metres to ideal pixels with the same sign, or None when only the ground is known.
        lens: distortion, or None for an ideal lens.
    """

    homography: DoubleArray
    projection: DoubleArray | None = None
    lens: Lens | None = None

    @staticmethod
    def from_projection(projection: ArrayLike, size: tuple[int, int] | None = None) -> "CameraModel":
        """From a 3x4 projection matrix of any scale and sign.

        Args:
            projection: (3, 4), world metres to pixels.
            size: (width, height) of the frame: its bottom edge sees the ground in front of the camera, which settles
                the sign. Without it the world is taken to be right-handed.

        Raises:
            UserError: when the matrix does not map the ground to an area.
        """
        matrix = np.asarray(projection, np.float64).reshape(3, 4)
        homography = matrix[:, _GROUND_COLUMNS]
        fallback = float(np.sign(np.linalg.det(matrix[:, :3])))
        sign = _sign(_inverse(homography), size, fallback)
        return CameraModel(homography * sign, matrix * sign)

    @staticmethod
    def from_intrinsics(
        intrinsics: ArrayLike, rotation: ArrayLike, translation: ArrayLike, distortion: ArrayLike | None = None
    ) -> "CameraModel":
        """From K, R, t and distortion: pixel ~ K (R X + t).

        Args:
            intrinsics: (3, 3) K.
            rotation: (3, 3) R, world to camera.
            translation: (3,) t, metres.
            distortion: k1 k2 p1 p2 k3, or None.

        Raises:
            UserError: when R is no rotation, K is singular or the ground is seen edge-on.
        """
        camera = np.asarray(intrinsics, np.float64).reshape(3, 3)
        turn = np.asarray(rotation, np.float64).reshape(3, 3)
        if not np.allclose(turn @ turn.T, np.eye(3), atol=1e-3) or np.linalg.det(turn) < 0:
            raise UserError("R is not a rotation matrix (R times its transpose must be the identity, determinant 1)")
        if abs(np.linalg.det(camera)) < 1e-9 or not np.allclose(camera[2], (0, 0, 1)):
            raise UserError("K is not a camera matrix (invertible, last row 0 0 1)")
        matrix = camera @ np.column_stack([turn, np.asarray(translation, np.float64).reshape(3)])
        _inverse(matrix[:, _GROUND_COLUMNS])
        lens = None if distortion is None or not np.any(distortion) else Lens.make(camera, distortion)
        return CameraModel(matrix[:, _GROUND_COLUMNS], matrix, lens)

    @staticmethod
    def from_homography(homography: ArrayLike, size: tuple[int, int] | None = None) -> "CameraModel":
        """From a 3x3 homography of ground metres to pixels, of any scale and sign.

        Args:
            homography: (3, 3).
            size: (width, height) of the frame: its bottom edge sees the ground in front of the camera. Without it,
                whatever lies far below in the picture does.

        Raises:
            UserError: when the matrix is singular.
        """
        matrix = np.asarray(homography, np.float64).reshape(3, 3)
        inverse = _inverse(matrix)
        below = inverse[2, 1] if abs(inverse[2, 1]) > 1e-12 * np.abs(inverse[2]).max() else inverse[2, 2]
        return CameraModel(matrix * _sign(inverse, size, float(np.sign(below))))

    def to_ground(self, pixels: ArrayLike) -> DoubleArray:
        """Where the ray through each pixel meets the ground.

        Args:
            pixels: (N, 2).

        Returns:
            (N, 2) float64 metres; NaN for pixels on or above the horizon.
        """
        ideal, _ = self._ideal(np.asarray(pixels, np.float64).reshape(-1, 2), False)
        return self._ground(ideal)[0]

    def to_image(self, points: ArrayLike) -> DoubleArray:
        """Project points.

        Args:
            points: (N, 3) world metres, or (N, 2) on the ground.

        Returns:
            (N, 2) float64 pixels, also outside the frame; NaN behind the camera.

        Raises:
            UserError: for (N, 3) points when only a ground homography is known.
        """
        world = np.asarray(points, np.float64)
        matrix = self.homography if world.shape[1] == 2 else self.projection
        if matrix is None:
            raise UserError("points above the ground need a projection matrix or K, R, t; a homography has no heights")
        image = world @ matrix[:, :-1].T + matrix[:, -1]
        in_front = image[:, 2:] > 0
        pixels = np.divide(image[:, :2], image[:, 2:], out=np.full((len(world), 2), np.nan), where=in_front)
        return pixels if self.lens is None else self.lens.recorded_pixels(pixels)

    def ground_covariance(self, pixels: ArrayLike, pixel_covariance: ArrayLike) -> DoubleArray:
        """Uncertainty of ``to_ground``, to first order: J C J^T.

        Args:
            pixels: (N, 2).
            pixel_covariance: (2, 2) for all or (N, 2, 2), square pixels.

        Returns:
            (N, 2, 2) float64 square metres; NaN where ``to_ground`` is.
        """
        ideal, lens_derivative = self._ideal(np.asarray(pixels, np.float64).reshape(-1, 2), True)
        ground, inverse, inverse_depth = self._ground(ideal)
        derivative = (inverse[None, :2, :2] - ground[:, :, None] * inverse[None, 2:, :2]) / inverse_depth[:, None, None]
        if lens_derivative is not None:
            derivative = derivative @ lens_derivative
        return derivative @ np.asarray(pixel_covariance, np.float64) @ derivative.transpose(0, 2, 1)

    def _ideal(self, pixels: DoubleArray, want_derivative: bool) -> tuple[DoubleArray, DoubleArray | None]:
        if self.lens is None:
            return pixels, None
        ideal, derivative = self.lens.ideal_pixels(pixels)
        return ideal, derivative if want_derivative else None

    def _ground(self, ideal: DoubleArray) -> tuple[DoubleArray, DoubleArray, DoubleArray]:
        """Ground points, the inverse homography, and 1 / depth of each point (NaN on and above the horizon)."""
        inverse = np.linalg.inv(self.homography)
        rays = ideal @ inverse[:, :2].T + inverse[:, 2]
        # Positive in front of the camera, 0 on the horizon.
        inverse_depth: DoubleArray = np.where(rays[:, 2] > 0, rays[:, 2], np.nan)
        return rays[:, :2] / inverse_depth[:, None], np.asarray(inverse, np.float64), inverse_depth


def _inverse(homography: DoubleArray) -> DoubleArray:
    if not np.isfinite(homography).all():
        raise UserError("a calibration matrix holds NaN or infinite numbers")
    scaled = homography / max(float(np.abs(homography).max()), 1e-300)
    if np.linalg.cond(scaled) > 1e12:
        raise UserError("the calibration maps the ground to a line or a point (its matrix is singular)")
    return np.asarray(np.linalg.inv(homography), np.float64)


def _sign(inverse: DoubleArray, size: tuple[int, int] | None, fallback: float) -> float:
    """Factor of a homography that makes what the bottom edge of the frame sees lie in front of the camera."""
    if size is None:
        return fallback or 1.0
    bottom = float(inverse[2] @ (size[0] / 2, size[1], 1.0))
    return float(np.sign(bottom)) or fallback or 1.0


def _solve(matrices: DoubleArray, values: DoubleArray) -> DoubleArray:
    """Solve (N, 2, 2) systems by Cramer's rule; non-finite where singular."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        determinant = matrices[:, 0, 0] * matrices[:, 1, 1] - matrices[:, 0, 1] * matrices[:, 1, 0]
        first = matrices[:, 1, 1] * values[:, 0] - matrices[:, 0, 1] * values[:, 1]
        second = matrices[:, 0, 0] * values[:, 1] - matrices[:, 1, 0] * values[:, 0]
        return np.stack([first, second], axis=1) / determinant[:, None]
