"""Cameras: from pixels to the ground plane and back, with the uncertainty that goes along.

World units are metres, the ground is the plane z = 0, up is +z, pixels are those of the full frame as recorded
(distorted). ``data.calibration`` brings any other world (millimetres, z down, a floor that is not z = 0) to this one.
Formulas: Hartley and Zisserman, "Multiple View Geometry" (2nd ed.), sections 6.2 and 8.1.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data.errors import UserError
from data.lens import Lens

DoubleArray = NDArray[np.float64]

NO_HEIGHTS = "points above the ground need a projection matrix or K, R, t; a homography has no heights"

_GROUND_COLUMNS = (0, 1, 3)
_RIM_POINTS = 12
_BORDER_POINTS = 24


@dataclass(frozen=True, slots=True)
class CameraModel:
    """A calibrated camera.

    With a ground homography alone (``projection`` is None) feet and the ground are all there is: no heights, no heads,
    no boxes of people, no camera position.

    Attributes:
        homography: (3, 3) from ground metres (x, y, 1) to ideal pixels; its third row gives a positive depth for what
            is in front of the camera.
        projection: (3, 4) from world metres to ideal pixels with the same sign, third row in metres of depth, or None
            when only the ground is known.
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
        inverse = _inverse(matrix[:, _GROUND_COLUMNS])
        depth = float(np.linalg.norm(matrix[2, :3]))
        if depth < 1e-12 * np.abs(matrix).max():
            raise UserError("the projection matrix has no centre of projection (its third row is 0 0 0 x)")
        sign = _sign(inverse, size, float(np.sign(np.linalg.det(matrix[:, :3]))))
        matrix = matrix * (sign / depth)
        return CameraModel(matrix[:, _GROUND_COLUMNS], matrix)

    @staticmethod
    def from_intrinsics(
        intrinsics: ArrayLike, rotation: ArrayLike, translation: ArrayLike, distortion: ArrayLike | None = None
    ) -> "CameraModel":
        """From K, R, t and distortion: pixel ~ K (R X + t).

        Args:
            intrinsics: (3, 3) K.
            rotation: (3, 3) R, world to camera.
            translation: (3,) t, metres.
            distortion: OpenCV's k1 k2 p1 p2 [k3 ...], or None.

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

    @property
    def centre(self) -> DoubleArray | None:
        """(3,) where the camera is, metres; None when only a homography is known."""
        if self.projection is None:
            return None
        return np.asarray(-np.linalg.solve(self.projection[:, :3], self.projection[:, 3]), np.float64)

    @property
    def mirrored(self) -> bool:
        """Whether the world is left-handed, as a floor plan with y downwards is."""
        if self.projection is not None:
            return bool(np.linalg.det(self.projection[:, :3]) < 0)
        return bool(np.linalg.det(self.homography) > 0)

    @property
    def horizon(self) -> DoubleArray:
        """(3,) a, b, c: a u + b v + c is the signed distance of an ideal pixel from the horizon, pixels.

        Positive on the side of the ground. A camera that looks straight down has a = b = 0.
        """
        line = np.linalg.inv(self.homography)[2]
        length = float(np.hypot(line[0], line[1]))
        return line / (length if length > 1e-12 * abs(line[2]) else abs(line[2]))

    def to_ground(self, pixels: ArrayLike, height_m: float = 0.0) -> DoubleArray:
        """Where the ray through each pixel meets the ground, or a plane above it.

        Args:
            pixels: (N, 2).
            height_m: of the plane over the ground: a person's height for pixels of heads.

        Returns:
            (N, 2) float64 metres; NaN for pixels on or above the horizon.

        Raises:
            UserError: for a height other than 0 when only a ground homography is known.
        """
        ideal, _ = self._ideal(np.asarray(pixels, np.float64).reshape(-1, 2))
        return self._ground(ideal, height_m)[0]

    def ground_covariance(self, pixels: ArrayLike, pixel_covariance: ArrayLike, height_m: float = 0.0) -> DoubleArray:
        """Uncertainty of ``to_ground``, to first order: J C J^T.

        Args:
            pixels: (N, 2).
            pixel_covariance: (2, 2) for all or (N, 2, 2), square pixels.
            height_m: as of ``to_ground``.

        Returns:
            (N, 2, 2) float64 square metres; NaN where ``to_ground`` is.
        """
        ideal, lens_derivative = self._ideal(np.asarray(pixels, np.float64).reshape(-1, 2))
        ground, inverse, inverse_depth = self._ground(ideal, height_m)
        derivative = (inverse[None, :2, :2] - ground[:, :, None] * inverse[None, 2:, :2]) / inverse_depth[:, None, None]
        if lens_derivative is not None:
            derivative = derivative @ lens_derivative
        return derivative @ np.asarray(pixel_covariance, np.float64) @ derivative.transpose(0, 2, 1)

    def to_image(self, points: ArrayLike) -> DoubleArray:
        """Project points.

        Args:
            points: (N, 3) world metres, or (N, 2) on the ground.

        Returns:
            (N, 2) float64 pixels, also outside the frame; NaN behind the camera.

        Raises:
            UserError: for (N, 3) points when only a ground homography is known.
        """
        pixels = self._project(points)[0]
        return pixels if self.lens is None else self.lens.recorded_pixels(pixels)[0]

    def image_jacobian(self, points: ArrayLike) -> DoubleArray:
        """How ``to_image`` moves with its points.

        Args:
            points: (N, D), D = 3 world metres or D = 2 on the ground.

        Returns:
            (N, 2, D) float64 pixels per metre; NaN behind the camera.

        Raises:
            UserError: for (N, 3) points when only a ground homography is known.
        """
        pixels, depth, matrix = self._project(points)
        derivative = (matrix[None, :2, :-1] - pixels[:, :, None] * matrix[None, 2:, :-1]) / depth[:, None, None]
        if self.lens is not None:
            derivative = self.lens.recorded_pixels(pixels)[1] @ derivative
        return derivative

    def heights(self, ground: ArrayLike, heads: ArrayLike) -> DoubleArray:
        """Heights of upright people from where they stand and where their heads are seen.

        The least-squares z of the two linear equations that (x, y, z) seen at (u, v) gives.

        Args:
            ground: (N, 2) metres.
            heads: (N, 2) pixels.

        Returns:
            (N,) float64 metres; NaN where that point is behind the camera.

        Raises:
            UserError: when only a ground homography is known.
        """
        if self.projection is None:
            raise UserError(NO_HEIGHTS)
        ideal, _ = self._ideal(np.asarray(heads, np.float64).reshape(-1, 2))
        feet = np.asarray(ground, np.float64).reshape(-1, 2) @ self.homography[:, :2].T + self.homography[:, 2]
        up = self.projection[:, 2]
        slope = up[:2] - ideal * up[2]
        offset = ideal * feet[:, 2:] - feet[:, :2]
        square = (slope**2).sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            result = (slope * offset).sum(axis=1) / square
            return np.asarray(np.where(feet[:, 2] + result * up[2] > 0, result, np.nan), np.float64)

    def person_boxes(self, ground: ArrayLike, heights_m: ArrayLike, radius_m: ArrayLike) -> DoubleArray:
        """The boxes of upright cylinders.

        Args:
            ground: (N, 2) metres, where their axes stand.
            heights_m: (N,) or one for all.
            radius_m: (N,) or one for all.

        Returns:
            (N, 4) float64 xyxy px, not cut at the frame; NaN where a part is behind the camera.

        Raises:
            UserError: when only a ground homography is known.
        """
        feet = np.asarray(ground, np.float64).reshape(-1, 2)
        angles = np.linspace(0, 2 * np.pi, _RIM_POINTS, endpoint=False)
        circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        radius = np.broadcast_to(np.asarray(radius_m, np.float64), len(feet))
        rims = np.empty((len(feet), 2, _RIM_POINTS, 3))
        rims[..., :2] = (feet[:, None] + radius[:, None, None] * circle)[:, None]
        rims[:, 0, :, 2] = 0.0
        rims[:, 1, :, 2] = np.broadcast_to(np.asarray(heights_m, np.float64), len(feet))[:, None]
        seen = self.to_image(rims.reshape(-1, 3)).reshape(len(feet), -1, 2)
        return np.concatenate([seen.min(axis=1), seen.max(axis=1)], axis=1)

    def visible_ground(self, size: tuple[int, int], reach_m: float = 50.0) -> DoubleArray:
        """The ground that the frame shows, as a polygon.

        Args:
            size: (width, height) of the frame, pixels.
            reach_m: ground farther ahead of the camera than this is left out.

        Returns:
            (M, 2) float64 metres, in order along the outline; (0, 2) when the frame shows no ground.
        """
        width, height = size
        share = np.arange(_BORDER_POINTS) / _BORDER_POINTS
        zero, one = np.zeros(_BORDER_POINTS), np.ones(_BORDER_POINTS)
        border = np.concatenate(
            [
                np.stack([share * width, zero], axis=1),
                np.stack([one * width, share * height], axis=1),
                np.stack([width - share * width, one * height], axis=1),
                np.stack([zero, height - share * height], axis=1),
            ]
        )
        ideal, _ = self._ideal(border)
        ideal = ideal[np.isfinite(ideal).all(axis=1)]
        line = np.linalg.inv(self.homography)[2]
        slope = float(np.hypot(*self.homography[2, :2]))
        # 1 / depth is linear in the pixel, and depth grows by `slope` per metre of ground ahead of the camera.
        nearest = 1 / (reach_m * slope) if slope > 1e-9 else 0.0
        inside = ideal @ line[:2] + line[2] - nearest
        kept = _clip(ideal, inside)
        return self._ground(kept, 0.0)[0] if len(kept) else np.zeros((0, 2))

    def _project(self, points: ArrayLike) -> tuple[DoubleArray, DoubleArray, DoubleArray]:
        """Ideal pixels and depths of points (NaN behind the camera), and the matrix that was used."""
        world = np.asarray(points, np.float64)
        matrix = self.homography if world.shape[1] == 2 else self.projection
        if matrix is None:
            raise UserError(NO_HEIGHTS)
        image = world @ matrix[:, :-1].T + matrix[:, -1]
        depth: DoubleArray = np.where(image[:, 2] > 0, image[:, 2], np.nan)
        return image[:, :2] / depth[:, None], depth, matrix

    def _ideal(self, pixels: DoubleArray) -> tuple[DoubleArray, DoubleArray | None]:
        return (pixels, None) if self.lens is None else self.lens.ideal_pixels(pixels)

    def _ground(self, ideal: DoubleArray, height_m: float) -> tuple[DoubleArray, DoubleArray, DoubleArray]:
        """Points of a plane, its inverse homography, and 1 / depth of each point (NaN on and above the horizon)."""
        plane = self.homography
        if height_m != 0.0:
            if self.projection is None:
                raise UserError(NO_HEIGHTS)
            plane = plane + np.outer(height_m * self.projection[:, 2], (0, 0, 1))
        inverse = np.asarray(np.linalg.inv(plane), np.float64)
        rays = ideal @ inverse[:, :2].T + inverse[:, 2]
        # Positive in front of the camera, 0 on the horizon.
        inverse_depth: DoubleArray = np.where(rays[:, 2] > 0, rays[:, 2], np.nan)
        return rays[:, :2] / inverse_depth[:, None], inverse, inverse_depth


def _inverse(homography: DoubleArray) -> DoubleArray:
    if not np.isfinite(homography).all():
        raise UserError("a calibration matrix holds NaN or infinite numbers")
    # The condition must not depend on the unit of the world: columns are brought to one length.
    lengths = np.linalg.norm(homography, axis=0)
    if lengths.min() < 1e-300 or np.linalg.cond(homography / lengths) > 1e12:
        raise UserError("the calibration maps the ground to a line or a point (its matrix is singular)")
    return np.asarray(np.linalg.inv(homography), np.float64)


def _sign(inverse: DoubleArray, size: tuple[int, int] | None, fallback: float) -> float:
    """Factor of a homography that makes what the bottom edge of the frame sees lie in front of the camera."""
    if size is None:
        return fallback or 1.0
    bottom = float(inverse[2] @ (size[0] / 2, size[1], 1.0))
    return float(np.sign(bottom)) or fallback or 1.0


def _clip(polygon: DoubleArray, inside: DoubleArray) -> DoubleArray:
    """The part of a polygon where a linear function, given at its corners, is positive (Sutherland-Hodgman 1974)."""
    following, after = np.roll(polygon, -1, axis=0), np.roll(inside, -1)
    crosses = (inside > 0) != (after > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        at = polygon + (inside / (inside - after))[:, None] * (following - polygon)
    pairs = np.stack([polygon, at], axis=1)
    return pairs[np.stack([inside > 0, crosses], axis=1)]
