"""A site in motion: everything that is true about it before a pixel is drawn, and the hash of that truth."""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from data.errors import UserError
from data.synthetic.background import Materials, static_view
from data.synthetic.cameras import Camera, Electronics
from data.synthetic.crowd import Motion, simulate
from data.synthetic.devices import rasteriser
from data.synthetic.gait import pose
from data.synthetic.identities import Identity, make_identities
from data.synthetic.render import Renderer
from data.synthetic.scenario import Preset
from data.synthetic.site import CELL_M, Geometry

DoubleArray = NDArray[np.float64]

_PEOPLE, _WALKS, _COLOURS, _ELECTRONICS, _CROPS = range(5)
_SEEN_HEIGHTS = (0.3, 1.0, 1.6)
_SMALLEST_PERSON_PX = 16.0
_LEAST_VIEW_M2 = 2.0
_BODY_MARGIN_CELLS = 2
# Times of ReID crops: frames as Market-1501 counts them, walks at a usual pace, and how often somebody sets out.
_CROP_FPS = 25.0
_PACE_M_S, _PACE_SPREAD = 1.3, 0.25
_SET_OUT_S = 4.0


@dataclass(frozen=True)
class World:
    """A preset with a seed.

    Attributes:
        preset: what was asked for.
        seed: of people, walks, colours and cameras' electronics; geometry is the preset's.
    """

    preset: Preset
    seed: int

    def rng(self, purpose: int, *further: int) -> np.random.Generator:
        """A generator of its own for every purpose, so that one draw more here changes nothing there."""
        return np.random.default_rng([self.seed, crc32(self.preset.name.encode()), purpose, *further])

    @cached_property
    def geometry(self) -> Geometry:
        """Blocks and floor."""
        return Geometry.of(self.preset)

    @cached_property
    def people(self) -> list[Identity]:
        """Ids 1..N."""
        preset = self.preset
        return make_identities(self.rng(_PEOPLE), preset.people, preset.lookalikes, preset.confusable)

    @cached_property
    def crop_people(self) -> list[Identity]:
        """The people of the ReID crops, ids 1..: first those to train on, then those to test on."""
        reid = self.preset.reid
        count = reid.train_people + reid.test_people
        return make_identities(self.rng(_CROPS), count, 0, reid.confusable) if count else []

    @cached_property
    def crop_frames(self) -> NDArray[np.int64]:
        """(people of the crops, C) frame at which each enters each camera, 25 a second on a clock that all share.

        Everybody sets out in front of some camera and goes on to the nearest one left, straight from the middle of one
        view to that of the next, each way at a pace of its own.
        """
        rng = self.rng(_CROPS, 2)
        cells = [np.flatnonzero(seen.ravel()) for seen in self.seen_ground]
        middles = np.stack([self.geometry.centres(own).mean(axis=0) for own in cells])
        apart_m = np.linalg.norm(middles[:, None] - middles[None], axis=-1)
        people, cameras = len(self.crop_people), len(cells)
        frames = np.empty((people, cameras), np.int64)
        for row, start in enumerate(rng.uniform(0, _SET_OUT_S * people, people).tolist()):
            here, time, left = int(rng.integers(cameras)), start, set(range(cameras))
            while True:
                frames[row, here] = 1 + round(time * _CROP_FPS)
                left.discard(here)
                if not left:
                    break
                there = min(sorted(left), key=lambda other: float(apart_m[here, other]))
                time += apart_m[here, there] / (_PACE_M_S * rng.lognormal(0, _PACE_SPREAD))
                here = there
        return frames

    def crop_rng(self, camera: int, person: int, crop: int) -> np.random.Generator:
        """The generator of one crop."""
        return self.rng(_CROPS, 1, camera, person, crop)

    @cached_property
    def motion(self) -> Motion:
        """Everybody's way.

        Raises:
            UserError: when a place cannot be reached.
        """
        return simulate(self.preset, self.geometry, self.people, self.rng(_WALKS))

    @cached_property
    def materials(self) -> Materials:
        """Colours of floor, walls and light."""
        return Materials(self.preset, self.rng(_COLOURS))

    def camera(self, index: int) -> Camera:
        """Geometry of a camera."""
        return Camera.of(self.preset.cameras[index], self.preset.size)

    def electronics(self, index: int) -> Electronics:
        """Colours and noise of a camera."""
        return Electronics(self.rng(_ELECTRONICS, index), self.preset.size)

    def renderer(self, index: int, device: str = "cpu") -> Renderer:
        """Draws frames of a camera, people on a device of ``devices.rasteriser``; casts its background."""
        camera = self.camera(index)
        view = static_view(camera, self.geometry, self.materials)
        return Renderer(camera, view, self.geometry, self.materials, self.electronics(index), rasteriser(device))

    def frame_times(self, index: int) -> DoubleArray:
        """(T,) common seconds of a camera's frames."""
        camera = self.preset.cameras[index]
        count = max(1, round(self.preset.duration_s * camera.fps))
        return camera.offset_s + np.arange(count) / camera.fps

    def joints(self, times: DoubleArray) -> tuple[DoubleArray, NDArray[np.bool_]]:
        """Skeletons at some common seconds.

        Returns:
            (T, N, 28, 3) float64 metres, and (T, N) bool: who is there.
        """
        motion = self.motion.at(times)
        poses = [
            pose(person, motion.places[:, row], motion.yaw[:, row], motion.phase[:, row], motion.speed[:, row])
            for row, person in enumerate(self.people)
        ]
        return np.stack(poses, axis=1), motion.present

    @cached_property
    def seen_ground(self) -> NDArray[np.bool_]:
        """(C, rows, columns) bool: walkable cells where some height of a person is in a camera's view."""
        free = np.flatnonzero(self.geometry.walkable)
        spots = self.geometry.centres(free)
        result = np.zeros((len(self.preset.cameras), self.geometry.walkable.size), bool)
        for index in range(len(self.preset.cameras)):
            camera = self.camera(index)
            for height in _SEEN_HEIGHTS:
                points = np.column_stack([spots, np.full(len(spots), height)])
                result[index, free] |= self._sees(camera, points)
        return result.reshape(-1, *self.geometry.walkable.shape)

    def overlapping(self) -> list[tuple[str, str, bool]]:
        """For every pair of cameras: can one person be in both views at once? A body's breadth is allowed for."""
        from scipy.ndimage import binary_dilation

        wide = [binary_dilation(seen, iterations=_BODY_MARGIN_CELLS) for seen in self.seen_ground]
        names = [camera.name for camera in self.preset.cameras]
        return [
            (names[a], names[b], bool((wide[a] & wide[b]).any()))
            for a in range(len(names))
            for b in range(a + 1, len(names))
        ]

    def check(self) -> None:
        """Look for what would make the site useless.

        Raises:
            UserError: for a camera that sees no floor, a door in plain view, and a place out of reach.
        """
        for index, spec in enumerate(self.preset.cameras):
            area = float(self.seen_ground[index].sum()) * CELL_M**2
            if area < _LEAST_VIEW_M2:
                raise UserError(
                    f"camera '{spec.name}' at {list(spec.position)} sees nothing: {area:.1f} m2 of walkable floor in "
                    f"its view (at least {_LEAST_VIEW_M2:g}); move it or its target"
                )
            for name, place in self.preset.places.items():
                points = np.array([[*place.at, height] for height in _SEEN_HEIGHTS])
                if place.kind == "door" and self._sees(self.camera(index), points).any():
                    raise UserError(
                        f"the door '{name}' is in view of camera '{spec.name}': people would pop up there; "
                        "put it behind a wall"
                    )
        _ = self.motion

    def truth_hash(self) -> str:
        """sha256 of identities, cameras, clocks and every skeleton of every frame, to the millimetre; no pixels."""
        digest = hashlib.sha256()
        told = {
            "people": [person.as_dict() for person in self.people],
            "crop_people": [person.as_dict() for person in self.crop_people],
            "size": list(self.preset.size),
            "cameras": [camera.model_dump(mode="json") for camera in self.preset.cameras],
        }
        digest.update(json.dumps(told, sort_keys=True).encode())
        for index in range(len(self.preset.cameras)):
            joints, present = self.joints(self.frame_times(index))
            digest.update(np.packbits(present).tobytes())
            digest.update(np.round(joints[present] * 1000).astype("<i4").tobytes())
        return digest.hexdigest()

    def _sees(self, camera: Camera, points: DoubleArray) -> NDArray[np.bool_]:
        """Whether (N, 3) points are in the picture, large enough, and not behind a block."""
        pixels, depth = camera.project(points)
        width, height = camera.size
        large = depth < camera.intrinsics[0, 0] * 1.7 / _SMALLEST_PERSON_PX
        inside = (depth > 0.3) & large & (pixels >= 0).all(axis=1) & (pixels[:, 0] < width) & (pixels[:, 1] < height)
        rows = np.flatnonzero(inside)
        inside[rows] = ~self.geometry.blocked(camera.position, points[rows])
        return inside
