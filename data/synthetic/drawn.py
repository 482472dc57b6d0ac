"""Pictures drawn from a truth, where a data set has none: a patch of colours for each person before a background.

They show where something moves, which decides when a camera is looked at; nobody could be told apart by them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.formats.mot import MotTable
from data.records import Frame, Image
from data.sources.base import SourceInfo, Warnings

# Picture elements are so large, px: as fine as the change test can tell.
_CELL_PX = 8
_SENSOR_LEVELS = 1.0
_BACKGROUND, _PERSON, _NOISE, _PASSING = range(4)


@dataclass(slots=True)
class CoarsePicture:
    """A small picture that stands for a large one; see ``data.records.Picture``.

    Attributes:
        cells: (h, w, 3) uint8 RGB.
        size: (width, height) px of what it stands for.
    """

    cells: Image
    size: tuple[int, int]

    def rgb(self) -> Image:
        """(H, W, 3) uint8 RGB."""
        return self.sampled(*self.size)

    def sampled(self, width: int, height: int) -> Image:
        """(height, width, 3) uint8 RGB, the nearest cells."""
        import cv2

        return np.asarray(cv2.resize(self.cells, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)


class DrawnCamera:
    """Draws what a camera would show of a truth; a ``data.sources.base.FrameSource``.

    A person is a patch of random colours as large as his box, the same in all frames. Pixels have sensor noise.
    """

    def __init__(
        self,
        camera: str,
        path: Path,
        truth: MotTable,
        size: tuple[int, int],
        fps: float,
        length: int,
        moving: bool = False,
        seed: int = 0,
    ) -> None:
        """Set up; nothing is drawn yet.

        Args:
            camera: name.
            path: of the truth, for messages.
            truth: who is where; every row is drawn.
            size: (width, height) px.
            fps: frames per second.
            length: frames.
            moving: the camera moves: every frame has a background of its own.
            seed: of backgrounds, people and noise.
        """
        self.info = SourceInfo(camera, str(path), *size, fps, length, False, None, "fps")
        self.warnings = Warnings()
        self.counted: int | None = length
        self._truth, self._moving, self._seed, self._size = truth, moving, seed, size
        self._grid = (max(round(size[1] / _CELL_PX), 1), max(round(size[0] / _CELL_PX), 1))
        self._patches: dict[int, Image] = {}

    def frames(self, start_index: int = 0) -> Iterator[Frame]:
        """See ``FrameSource``; a frame looks the same wherever one begins."""
        for index in range(start_index, self.counted or 0):
            picture = CoarsePicture(self._cells(index), self._size)
            yield Frame(self.info.camera, index, index / self.info.fps, picture)

    def close(self) -> None:
        """Nothing is held open."""

    def _cells(self, index: int) -> Image:
        import cv2

        backdrop = self._rng(_PASSING, index) if self._moving else self._rng(_BACKGROUND, 0)
        cells = backdrop.integers(60, 180, (*self._grid, 3)).astype(np.uint8)
        scale = np.array([self._grid[1] / self._size[0], self._grid[0] / self._size[1]] * 2)
        start, stop = np.searchsorted(self._truth.frames, (index, index + 1))
        places = np.rint(self._truth.boxes[start:stop] * scale).astype(np.int64)
        for person, (x1, y1, x2, y2) in zip(self._truth.ids[start:stop].tolist(), places.tolist(), strict=True):
            wide, high = max(x2 - x1, 1), max(y2 - y1, 1)
            top, left = max(y1, 0), max(x1, 0)
            bottom, right = min(y1 + high, self._grid[0]), min(x1 + wide, self._grid[1])
            if bottom > top and right > left:
                patch = cv2.resize(self._patch(person), (wide, high), interpolation=cv2.INTER_LINEAR)
                cells[top:bottom, left:right] = patch[top - y1 : bottom - y1, left - x1 : right - x1]
        noise = self._rng(_NOISE, index).normal(0, _SENSOR_LEVELS, cells.shape)
        return np.clip(np.rint(cells + noise), 0, 255).astype(np.uint8)

    def _patch(self, person: int) -> Image:
        if person not in self._patches:
            self._patches[person] = self._rng(_PERSON, person).integers(0, 256, (16, 8, 3)).astype(np.uint8)
        return self._patches[person]

    def _rng(self, what: int, number: int) -> np.random.Generator:
        return np.random.default_rng((self._seed, what, number))
