"""Lens distortion, both ways, in OpenCV's parametrisation (Brown 1966; the rational and thin-prism models included)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data.errors import UserError

DoubleArray = NDArray[np.float64]

LENGTHS = (4, 5, 8, 12, 14)

_NEWTON_STEPS = 20
_CONVERGED = 1e-9
_FIRST_SHIFT = 3


@dataclass(frozen=True, slots=True)
class Lens:
    """A lens as OpenCV describes it.

    Attributes:
        intrinsics: (3, 3) camera matrix K.
        coefficients: k1 k2 p1 p2 [k3 [k4 k5 k6 [s1 s2 s3 s4 [tx ty]]]].
        fold: squared distance from the axis, in units of the focal length, at which the radial part turns back on
            itself; nothing beyond it is a real image point.
    """

    intrinsics: DoubleArray
    coefficients: tuple[float, ...]
    fold: float

    @staticmethod
    def make(intrinsics: DoubleArray, coefficients: ArrayLike) -> "Lens":
        """Build from K and OpenCV's coefficients.

        Raises:
            UserError: when there are not 4, 5, 8, 12 or 14 of them.
        """
        values = np.asarray(coefficients, np.float64).ravel()
        if len(values) not in LENGTHS:
            raise UserError(
                f"dist has {len(values)} coefficients; OpenCV's models have 4, 5, 8, 12 or 14: k1 k2 p1 p2 [k3 ...]"
            )
        k1, k2, _, _, k3, k4, k5, k6 = np.concatenate([values, np.zeros(8)])[:8]
        above, below = np.array([k3, k2, k1, 1.0]), np.array([k6, k5, k4, 1.0])
        # The image moves outwards with r while d/dr of r above(r^2) / below(r^2) is positive.
        bend: DoubleArray = np.polysub(np.polymul(np.polyder(above), below), np.polymul(above, np.polyder(below)))
        turning = np.polyadd(np.polymul(above, below), np.polymul([2.0, 0.0], bend))
        roots = np.concatenate([np.roots(turning), np.roots(below)])
        real = roots.real[(np.abs(roots.imag) < 1e-9) & (roots.real > 0)]
        return Lens(intrinsics, tuple(values.tolist()), float(real.min(initial=np.inf)))

    def distort(self, points: DoubleArray) -> tuple[DoubleArray, DoubleArray]:
        """Where ideal points fall.

        Args:
            points: (N, 2) ideal points in units of the focal length, from the axis.

        Returns:
            (N, 2) distorted points in the same units, and (N, 2, 2) their derivatives.
        """
        if not len(points):
            return np.zeros((0, 2)), np.zeros((0, 2, 2))
        import cv2

        zero = np.zeros(3)
        ahead = np.column_stack([points, np.ones(len(points))])
        moved, jacobian = cv2.projectPoints(ahead, zero, zero, np.eye(3), np.array(self.coefficients))
        # One unit away, a step of the camera sideways is a step of the ideal point.
        derivative = jacobian[:, _FIRST_SHIFT : _FIRST_SHIFT + 2].reshape(-1, 2, 2)
        return np.asarray(moved, np.float64).reshape(-1, 2), np.asarray(derivative, np.float64)

    def ideal_pixels(self, pixels: DoubleArray) -> tuple[DoubleArray, DoubleArray]:
        """Undistort by Newton's method.

        Returns:
            (N, 2) ideal pixels and (N, 2, 2) their derivatives by the recorded ones; NaN where no ideal point exists.
        """
        target = self._normalise(pixels)
        points = target.copy()
        moved, derivative = self.distort(points)
        for _ in range(_NEWTON_STEPS):
            points = points - _solve(derivative, moved - target)
            moved, derivative = self.distort(points)
            if not (np.abs(moved - target) > 1e-3 * _CONVERGED).any():
                break
        with np.errstate(invalid="ignore"):
            good = (np.abs(moved - target).max(axis=1) < _CONVERGED) & ((points**2).sum(axis=1) < self.fold)
        points[~good] = np.nan
        scale = self.intrinsics[:2, :2]
        inverse = np.full_like(derivative, np.nan)
        inverse[good] = np.linalg.inv(derivative[good])
        return points @ scale.T + self.intrinsics[:2, 2], scale @ inverse @ np.linalg.inv(scale)

    def recorded_pixels(self, pixels: DoubleArray) -> tuple[DoubleArray, DoubleArray]:
        """Distort.

        Args:
            pixels: (N, 2) ideal pixels.

        Returns:
            (N, 2) recorded pixels and (N, 2, 2) their derivatives by the ideal ones; NaN beyond the fold.
        """
        points = self._normalise(pixels)
        moved, derivative = self.distort(points)
        with np.errstate(invalid="ignore"):
            lost = ~((points**2).sum(axis=1) < self.fold)
        moved[lost] = np.nan
        derivative[lost] = np.nan
        scale = self.intrinsics[:2, :2]
        return moved @ scale.T + self.intrinsics[:2, 2], scale @ derivative @ np.linalg.inv(scale)

    def _normalise(self, pixels: DoubleArray) -> DoubleArray:
        return (pixels - self.intrinsics[:2, 2]) @ np.linalg.inv(self.intrinsics[:2, :2]).T


def _solve(matrices: DoubleArray, values: DoubleArray) -> DoubleArray:
    """Solve (N, 2, 2) systems by Cramer's rule; non-finite where singular."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        determinant = matrices[:, 0, 0] * matrices[:, 1, 1] - matrices[:, 0, 1] * matrices[:, 1, 0]
        first = matrices[:, 1, 1] * values[:, 0] - matrices[:, 0, 1] * values[:, 1]
        second = matrices[:, 0, 0] * values[:, 1] - matrices[:, 1, 0] * values[:, 0]
        return np.stack([first, second], axis=1) / determinant[:, None]
