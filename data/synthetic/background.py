"""What a camera sees when nobody is there: ray-cast floor, walls, furniture and ceiling, once per camera."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.synthetic.cameras import Camera
from data.synthetic.scenario import Preset
from data.synthetic.site import CEILING, FLOOR, NOTHING, Geometry

FloatArray = NDArray[np.float32]
ByteArray = NDArray[np.uint8]

_NOISE_SIZE = 256
_STRIP_ROWS = 64


@dataclass(frozen=True)
class StaticView:
    """The empty scene.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        inverse: (H, W) float32, 1 / depth along the optical axis, metres.
        floor: (H, W) uint8, 255 where the floor is seen.
    """

    image: ByteArray
    inverse: FloatArray
    floor: ByteArray


class Materials:
    """The colours of a site, drawn from a seed; the same for all its cameras."""

    def __init__(self, preset: Preset, rng: np.random.Generator) -> None:
        """Draw floor, walls and furniture.

        Args:
            preset: gives every block its look.
            rng: advanced by the call.
        """
        import cv2

        white = rng.normal(size=(_NOISE_SIZE, _NOISE_SIZE)).astype(np.float32)
        layers = [cv2.GaussianBlur(np.tile(white, (3, 3)), (0, 0), s)[256:512, 256:512] for s in (1.0, 4.0, 14.0)]
        self.noise = sum(layer / layer.std() for layer in layers) / 3.0
        self.floor = rng.uniform(105, 190) * rng.uniform(0.88, 1.08, 3)
        self.tile = float(rng.choice([0.4, 0.6, 1.0]))
        self.tint = float(rng.uniform(0.03, 0.10))
        self.wall = rng.uniform(140, 215) * rng.uniform(0.90, 1.07, 3)
        self.ceiling = rng.uniform(170, 225) * rng.uniform(0.97, 1.03, 3)
        palette = {"wood": (150, 106, 68), "metal": (130, 136, 142), "fabric": (84, 96, 118), "wall": self.wall}
        base = np.array([palette[block.look] for block in preset.blocks], np.float64).reshape(-1, 3)
        loud = np.array([[0.06 if block.look == "wall" else 0.2] for block in preset.blocks]).reshape(-1, 1)
        self.block = base * (1 + loud * rng.uniform(-1, 1, base.shape))
        self.is_wall = np.array([block.look == "wall" for block in preset.blocks], bool)
        self.is_wood = np.array([block.look == "wood" for block in preset.blocks], bool)
        self.hash = rng.integers(1, 2**31, 6)
        angle = rng.uniform(0, 2 * np.pi)
        self.light = np.array([0.45 * np.cos(angle), 0.45 * np.sin(angle), 1.0])
        self.light /= np.linalg.norm(self.light)
        self.ambient = float(rng.uniform(0.52, 0.66))

    def cells(self, *coordinates: NDArray[np.int64]) -> FloatArray:
        """A number from 0 to 1 for every combination of whole coordinates."""
        mixed = np.full(coordinates[0].shape, self.hash[5], np.uint64)
        for factor, values in zip(self.hash, coordinates):
            mixed = (mixed ^ (values.astype(np.int64).astype(np.uint64) * np.uint64(factor | 1))) * np.uint64(
                0x9E3779B97F4A7C15
            )
            mixed ^= mixed >> np.uint64(29)
        return ((mixed >> np.uint64(40)).astype(np.float32) / np.float32(2**24)).astype(np.float32)

    def rough(self, x: FloatArray, y: FloatArray, scale: float) -> FloatArray:
        """Smooth noise of about unit spread at (x, y) metres, ``scale`` texels per metre."""
        column = np.floor(x * scale).astype(np.int64) % _NOISE_SIZE
        row = np.floor(y * scale).astype(np.int64) % _NOISE_SIZE
        return np.asarray(self.noise, np.float32)[row, column]


def static_view(camera: Camera, geometry: Geometry, materials: Materials) -> StaticView:
    """Cast one ray per pixel, strip by strip.

    Args:
        camera: from where.
        geometry: of the site.
        materials: of the same site.
    """
    width, height = camera.size
    image = np.zeros((height, width, 3), np.uint8)
    inverse = np.zeros((height, width), np.float32)
    floor = np.zeros((height, width), np.uint8)
    back = (camera.rotation.T @ np.linalg.inv(camera.intrinsics)).astype(np.float32)
    origin = camera.position.astype(np.float32)
    for top in range(0, height, _STRIP_ROWS):
        rows = slice(top, min(top + _STRIP_ROWS, height))
        y, x = np.mgrid[rows, 0:width].astype(np.float32)
        pixels = np.stack([x.ravel() + 0.5, y.ravel() + 0.5, np.ones(x.size, np.float32)], axis=1)
        rays = pixels @ back.T
        far, block, axis = geometry.cast(origin, rays)
        colour = _shade(origin, rays, far, block, axis, geometry, materials)
        shape = x.shape
        image[rows] = colour.reshape(*shape, 3)
        inverse[rows] = np.where(np.isfinite(far), 1 / far, 0).reshape(shape)
        floor[rows] = np.where(block == FLOOR, 255, 0).reshape(shape)
    return StaticView(image, inverse, floor)


def _shade(
    origin: FloatArray,
    rays: FloatArray,
    far: FloatArray,
    block: NDArray[np.int16],
    axis: NDArray[np.int8],
    geometry: Geometry,
    materials: Materials,
) -> ByteArray:
    """(N, 3) uint8 colours of hits."""
    points = origin + rays * np.where(np.isfinite(far), far, 0)[:, None]
    colour = np.full(points.shape, materials.ceiling, np.float32)
    on_floor = block == FLOOR
    colour[on_floor] = _floor_colour(points[on_floor], far[on_floor], materials)
    above = block == CEILING
    colour[above] = _ceiling_colour(points[above], materials)
    solid = block >= 0
    colour[solid] = _block_colour(points[solid], block[solid], axis[solid], geometry, materials)
    colour[block == NOTHING] = (196, 208, 222)
    # Darker where floor and walls meet, and along the foot of every block.
    near = np.full(len(points), 9.0, np.float32)
    spots = points[on_floor, :2]
    gap = near[on_floor]
    for low, high in zip(geometry.lows, geometry.highs):
        if low[2] < 0.3:
            dx = np.maximum(np.maximum(low[0] - spots[:, 0], spots[:, 0] - high[0]), 0)
            dy = np.maximum(np.maximum(low[1] - spots[:, 1], spots[:, 1] - high[1]), 0)
            np.minimum(gap, np.hypot(dx, dy), out=gap, casting="unsafe")
    near[on_floor] = gap
    near[solid] = points[solid, 2]
    colour *= (1 - 0.30 * np.exp(-near / 0.18))[:, None]
    return np.clip(colour, 0, 255).astype(np.uint8)


def _floor_colour(points: FloatArray, far: FloatArray, materials: Materials) -> FloatArray:
    x, y = points[:, 0] / materials.tile, points[:, 1] / materials.tile
    column, row = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    bright = 1 + materials.tint * 2 * (materials.cells(column, row) - 0.5)
    bright = bright + 0.045 * materials.rough(points[:, 0], points[:, 1], 9.0)
    edge = np.minimum(np.minimum(x - column, 1 - (x - column)), np.minimum(y - row, 1 - (y - row))) * materials.tile
    # A joint narrower than a pixel fades with distance instead of flickering.
    joint = np.clip(1.6 - edge / 0.008, 0, 1) * np.clip(1.3 - far / 16.0, 0.15, 1)
    light = 0.86 + 0.14 * np.cos(points[:, 0] * 0.9) * np.cos(points[:, 1] * 0.8)
    return (materials.floor * (bright * (1 - 0.28 * joint) * light)[:, None]).astype(np.float32)


def _ceiling_colour(points: FloatArray, materials: Materials) -> FloatArray:
    x, y = points[:, 0] % 1.8, points[:, 1] % 2.4
    lamp = (np.abs(x - 0.9) < 0.3) & (np.abs(y - 1.2) < 0.6)
    seam = (np.minimum(points[:, 0] % 0.6, points[:, 1] % 0.6) < 0.015)[:, None]
    colour = materials.ceiling * np.where(seam, 0.88, 1.0)
    return np.where(lamp[:, None], 250.0, colour).astype(np.float32)


def _block_colour(
    points: FloatArray, block: NDArray[np.int16], axis: NDArray[np.int8], geometry: Geometry, materials: Materials
) -> FloatArray:
    colour = materials.block[block].astype(np.float32)
    side = np.where(axis == 0, points[:, 1], points[:, 0])
    high = np.where(axis == 2, points[:, 1], points[:, 2])
    colour *= (1 + 0.035 * materials.rough(side, high, 24.0))[:, None]
    face = np.array([0.86, 0.97, 1.08], np.float32)
    colour *= face[axis][:, None]
    wall, wood = materials.is_wall[block], materials.is_wood[block] & (axis != 2)
    plank = np.floor(side / 0.22).astype(np.int64)
    colour[wood] *= (0.86 + 0.28 * materials.cells(plank, block.astype(np.int64)))[wood][:, None]
    colour[wood & (side % 0.22 < 0.012)] *= 0.6
    colour[wall & (high < 0.11) & (axis != 2)] *= 0.62
    # Posters, screens and switches: a bare wall would teach a detector that people are what is not grey.
    number = np.floor(side / 1.3).astype(np.int64)
    for layer, (share, low, top, half) in enumerate(
        ((0.55, 1.25, 1.95, 0.42), (0.35, 0.9, 1.25, 0.16), (0.3, 2.0, 2.6, 0.3))
    ):
        seed = np.full(len(points), layer, np.int64)
        ids = block.astype(np.int64)
        drawn = materials.cells(number, ids, axis.astype(np.int64), seed) < share
        middle = (number + 0.5) * 1.3 + (materials.cells(number, ids, seed + 7) - 0.5) * 0.5
        lift = (materials.cells(number, ids, seed + 17) - 0.5) * 0.3
        width = half * (0.5 + 0.5 * materials.cells(number, ids, seed + 27))
        frame_x, frame_y = width - np.abs(side - middle), np.minimum(high - low - lift, top + lift - high)
        inside = wall & drawn & (axis != 2) & (frame_x > 0) & (frame_y > 0)
        hue = np.stack([materials.cells(number, ids, seed + k) for k in (40, 50, 60)], axis=1)
        paint = 50 + 170 * hue[inside]
        bars = materials.cells(np.floor(high[inside] / 0.11).astype(np.int64), number[inside], seed[inside])
        paint = paint * np.where((bars > 0.7) & (frame_x[inside] > 0.06), 0.72, 1.0)[:, None]
        rim = (frame_x[inside] < 0.03) | (frame_y[inside] < 0.03)
        colour[inside] = np.where(rim[:, None], 48.0, paint)
    return colour
