"""One video that tiles all cameras by common time."""

import logging
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data.records import Frame, Image
from data.site import Site, load_site
from pipeline.folder.run_folder import RunFolder
from pipeline.rendering.draw import Painter
from pipeline.rendering.palette import PAPER
from pipeline.rendering.recording import Playback, Recording
from pipeline.rendering.text import clock_text
from pipeline.rendering.video_writer import VideoWriter

logger = logging.getLogger(__name__)

_STALE_S = 1.0
_BACKGROUND = (24, 24, 27)


def mosaic_path(folder: RunFolder) -> Path:
    """``video/+mosaic.mp4``: no camera can be called so."""
    return folder.video("+mosaic")


class _Tile:
    """One camera's place: its frames by common time, drawn at the size of the tile."""

    def __init__(self, recording: Recording, site: Site | None, size: tuple[int, int], playback: Playback) -> None:
        """Take the first frame; ``site`` is None where the cameras begin together."""
        info, config = recording.info, playback.config
        self._recording, self._site = recording, site
        self._scale = min(size[0] / info.width, size[1] / info.height)
        self._inner = (max(round(info.width * self._scale), 1), max(round(info.height * self._scale), 1))
        self._corner = ((size[0] - self._inner[0]) // 2, (size[1] - self._inner[1]) // 2)
        self._size = size
        self._painter = Painter(self._inner, config.min_confidence, skeletons=config.skeletons)
        self._frames: Iterator[Frame] = recording.frames()
        self._shown: Frame | None = None
        self._next = next(self._frames, None)
        self._first_s = 0.0 if self._next is None else self._next.time_s
        self._picture: Image | None = None

    def next_s(self) -> float:
        """Common time of the next frame; infinite where none comes."""
        return math.inf if self._next is None else self._common_s(self._next)

    @property
    def over(self) -> bool:
        """No further frame comes."""
        return self._next is None

    def picture(self, time_s: float) -> Image:
        """The tile at a common time: the last frame that is not later, dark where there is none or it is stale."""
        newest = None
        while self._next is not None and self._common_s(self._next) <= time_s + 1e-6:
            newest, self._next = self._next, next(self._frames, None)
        if newest is not None:
            self._shown, self._picture = newest, self._draw(newest)
        stale = self._shown is None or time_s - self._common_s(self._shown) > _STALE_S
        if stale or self._picture is None:
            return np.full((self._size[1], self._size[0], 3), _BACKGROUND, np.uint8)
        return self._picture

    def close(self) -> None:
        """Stop decoding."""
        self._frames.close()  # type: ignore[attr-defined]

    def _common_s(self, frame: Frame) -> float:
        if self._site is None:
            return frame.time_s - self._first_s
        return float(self._site.common_times(frame.camera, frame.time_s))

    def _draw(self, frame: Frame) -> Image:
        import cv2

        tile = np.full((self._size[1], self._size[0], 3), _BACKGROUND, np.uint8)
        inner: Any = cv2.resize(self._recording.shown(frame), self._inner, interpolation=cv2.INTER_AREA)
        scene = self._recording.scene(frame).scaled(self._scale)
        self._painter.paint(inner, scene, f"{frame.camera}  {clock_text(frame.time_s)}")
        x, y = self._corner
        tile[y : y + self._inner[1], x : x + self._inner[0]] = inner
        cv2.rectangle(tile, (0, 0), (self._size[0] - 1, self._size[1] - 1), tuple(c // 4 for c in PAPER), 1)
        return tile


def render_mosaic(playback: Playback, cameras: Sequence[str], path: Path) -> Path:
    """Tile the cameras into one video.

    Where every clock is known, tiles show the same instant. Else the cameras begin together, with a warning. Pauses of
    all cameras at once are shown ``render.longest_pause_s`` long at most.

    Args:
        playback: the run.
        cameras: which cameras, row by row.
        path: where the video goes.

    Raises:
        UserError: when a video cannot be read or the file cannot be written.
    """
    config = playback.config
    site = _common_site(playback, cameras)
    recordings = [playback.record(camera) for camera in cameras]
    columns = math.ceil(math.sqrt(len(recordings)))
    rows = math.ceil(len(recordings) / columns)
    width = config.mosaic_width // columns // 2 * 2
    height = max(round(width * recording.info.height / recording.info.width) for recording in recordings)
    size = (width, min(height, width) // 2 * 2)
    tiles = [_Tile(recording, site, size, playback) for recording in recordings]
    try:
        start_s = min(tile.next_s() for tile in tiles)
        with VideoWriter(
            path, (size[0] * columns, size[1] * rows), config.mosaic_fps,
            crf=config.crf, preset=config.preset, queue_frames=config.queue_frames,
        ) as writer:  # fmt: skip
            tick, skipped_s = 0, 0.0
            while tick == 0 or not all(tile.over for tile in tiles):
                time_s = start_s + skipped_s + tick / config.mosaic_fps
                wait_s = min(tile.next_s() for tile in tiles) - time_s - config.longest_pause_s
                if wait_s > 0:
                    skipped_s, time_s = skipped_s + wait_s, time_s + wait_s
                canvas = np.full((size[1] * rows, size[0] * columns, 3), _BACKGROUND, np.uint8)
                for place, tile in enumerate(tiles):
                    y, x = place // columns * size[1], place % columns * size[0]
                    canvas[y : y + size[1], x : x + size[0]] = tile.picture(time_s)
                writer.write(canvas, tick / config.mosaic_fps)
                tick += 1
    finally:
        for tile in tiles:
            tile.close()
    if skipped_s:
        logger.info("%s: %s without frames of any camera are left out", path, clock_text(skipped_s))
    logger.info("%s: %d frames", path, tick)
    return path


def _common_site(playback: Playback, cameras: Sequence[str]) -> Site | None:
    """The site where it puts all cameras on one clock, else None."""
    site = load_site(playback.folder.site) if playback.folder.site.exists() else None
    if site is not None and all(site.clock(camera).known for camera in cameras):
        return site
    if len(cameras) > 1:
        logger.warning("the cameras' clocks are not common: in the mosaic they all begin together")
    return None
