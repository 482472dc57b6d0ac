"""A camera: pinhole geometry, and what its electronics do to a picture."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.synthetic.scenario import SyntheticCamera

DoubleArray = NDArray[np.float64]
ByteArray = NDArray[np.uint8]

NEAR_M = 0.25
_NOISE_FIELDS = 6
_STEEPEST = 1e-6


@dataclass(frozen=True)
class Camera:
    """Pinhole geometry; a world point X is seen at K (R X + t).

    Attributes:
        name: of the camera.
        size: width, height, pixels.
        intrinsics: (3, 3) float64 K.
        rotation: (3, 3) float64 R.
        shift: (3,) float64 t, metres.
    """

    name: str
    size: tuple[int, int]
    intrinsics: DoubleArray
    rotation: DoubleArray
    shift: DoubleArray

    @staticmethod
    def of(spec: SyntheticCamera, size: tuple[int, int]) -> "Camera":
        """From where it stands and looks; one that looks straight down or up has the world's x to its right."""
        position = np.array(spec.position, np.float64)
        ahead = np.array(spec.target, np.float64) - position
        ahead /= np.linalg.norm(ahead)
        right = np.cross(ahead, [0.0, 0.0, 1.0])
        if np.linalg.norm(right) < _STEEPEST:
            right = np.array([1.0, 0.0, 0.0])
            ahead = np.array([0.0, 0.0, np.sign(ahead[2])])
        right /= np.linalg.norm(right)
        rotation = np.stack([right, np.cross(ahead, right), ahead])
        focal = size[0] / 2 / np.tan(np.radians(spec.hfov_deg) / 2)
        intrinsics = np.array([[focal, 0, size[0] / 2], [0, focal, size[1] / 2], [0, 0, 1.0]])
        return Camera(spec.name, size, intrinsics, rotation, -rotation @ position)

    @property
    def position(self) -> DoubleArray:
        """(3,) metres."""
        result: DoubleArray = -self.rotation.T @ self.shift
        return result

    def project(self, points: NDArray[np.floating]) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        """(N, 2) pixels and (N,) depth in metres of (N, 3) world points; the pixels mean nothing where depth <= 0."""
        kind = points.dtype
        seen = points @ self.rotation.T.astype(kind) + self.shift.astype(kind)
        depth = seen[:, 2]
        safe = np.where(np.abs(depth) < 1e-6, kind.type(1e-6), depth)
        flat = seen[:, :2] / safe[:, None]
        focal, centre = self.intrinsics[0, 0], self.intrinsics[:2, 2]
        return flat * kind.type(focal) + centre.astype(kind), depth

    def homography(self) -> DoubleArray:
        """(3, 3): ground metres (x, y, 1) to pixels, scaled to 1 at the lower right."""
        matrix = self.intrinsics @ np.column_stack([self.rotation[:, 0], self.rotation[:, 1], self.shift])
        return matrix / matrix[2, 2]


class Electronics:
    """Gain, saturation, gamma, vignette, blur and noise of one camera; the noise differs from frame to frame."""

    def __init__(self, rng: np.random.Generator, size: tuple[int, int]) -> None:
        """Draw a camera's character.

        Args:
            rng: advanced by the call.
            size: width, height of its pictures.
        """
        width, height = size
        self.gain = np.clip(rng.normal(1, 0.13, 3) * rng.uniform(0.76, 1.12), 0.58, 1.30)
        self.saturation = float(rng.uniform(0.55, 1.12))
        self.gamma = float(rng.uniform(0.82, 1.20))
        self.blur = float(rng.uniform(0.35, 0.85))
        self.noise = float(rng.uniform(1.2, 3.2))
        self._seed = int(rng.integers(2**31))
        grey = np.array([0.299, 0.587, 0.114])
        mix = self.saturation * np.eye(3) + (1 - self.saturation) * grey[None]
        self._matrix = (self.gain[:, None] * mix).astype(np.float32)
        levels = np.linspace(0, 1, 256) ** self.gamma
        self._curve = np.clip(levels * 255 + 0.5, 0, 255).astype(np.uint8)
        y, x = np.mgrid[0:height, 0:width]
        far = np.square((x - width / 2) / (width / 2)) + np.square((y - height / 2) / (height / 2))
        fall = 1 - rng.uniform(0.06, 0.16) * far / 2
        self._vignette = np.repeat((fall * 255).astype(np.uint8)[..., None], 3, axis=2)
        fields = rng.normal(0, self.noise, (_NOISE_FIELDS, height // 2 + 8, width // 2 + 8, 3)).astype(np.float32)
        self._noise = np.round(fields).astype(np.int16)

    def apply(self, image: ByteArray, frame: int) -> ByteArray:
        """What the camera makes of (H, W, 3) uint8 RGB at a frame number."""
        import cv2

        height, width = image.shape[:2]
        shown = cv2.transform(image, self._matrix)
        shown = cv2.multiply(shown, self._vignette, scale=1 / 255)
        shown = cv2.GaussianBlur(cv2.LUT(shown, self._curve), (0, 0), self.blur)
        rng = np.random.default_rng([self._seed, frame])
        field = self._noise[rng.integers(_NOISE_FIELDS)]
        # Sensor noise that a codec can keep is coarser than a pixel: half the field is enlarged, the rest rolls by.
        down, right = rng.integers(0, 8, 2)
        coarse = cv2.resize(field[down : down + height // 2 + 1, right : right + width // 2 + 1], (width, height))
        return np.asarray(cv2.add(shown, coarse, dtype=cv2.CV_8U), np.uint8)
