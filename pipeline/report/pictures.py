"""Pictures of people inside the page: each embedded once, within a budget of bytes."""

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data.splits import piece_spans
from pipeline.folder.crop_notes import read_note
from pipeline.folder.run_folder import RunFolder
from pipeline.rendering.anonymize import blur_regions
from pipeline.report.config import ReportConfig

_JPEG_QUALITY = 82
_PER_TRACKLET = 4
# Where a crop carries no note of its heads, all of its upper third is taken for one.
_UNKNOWN_HEAD_SHARE = 0.34


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture in the page.

    Attributes:
        name: CSS class that shows it.
        width: pixels.
        height: pixels.
        time_s: source time it was taken, or None where unknown.
        uri: data URI.
    """

    name: str
    width: int
    height: int
    time_s: float | None
    uri: str


class Album:
    """Takes pictures from the run folder as long as there is room; ask for the most important ones first."""

    def __init__(self, folder: RunFolder, config: ReportConfig) -> None:
        """Start with an empty album."""
        self._folder, self._config = folder, config
        self._left = int(config.max_pictures_mb * 1e6)
        self._pictures: dict[tuple[str, int, int], Picture | None] = {}
        self._numbers: dict[tuple[str, int], list[int]] = {}
        self.left_out = 0
        self._spans = piece_spans(folder.read_splits())

    @property
    def pictures(self) -> list[Picture]:
        """All pictures taken."""
        return [picture for picture in self._pictures.values() if picture is not None]

    def get(self, camera: str, local_id: int, number: int) -> Picture | None:
        """Crop ``number`` of a tracklet, or None where there is none or no room is left."""
        key = (camera, local_id, number)
        if key not in self._pictures:
            self._pictures[key] = self._take(key)
        return self._pictures[key]

    def numbers(self, camera: str, local_id: int) -> list[int]:
        """Which crops of a tracklet there are, best first."""
        if self._config.max_pictures_mb == 0:
            return []
        key = (camera, local_id)
        if key not in self._numbers:
            # A tracklet stands in many links, and whether a file is the folder's own asks the disk for every folder.
            self._numbers[key] = [number for number in range(_PER_TRACKLET) if self._shows((*key, number))]
        return self._numbers[key]

    def _path(self, key: tuple[str, int, int]) -> Path:
        """Pieces of a cut tracklet share its crops."""
        camera, local_id, number = key
        span = self._spans.get((camera, local_id))
        return self._folder.crop(camera, local_id if span is None else span.local_id, number)

    def _shows(self, key: tuple[str, int, int]) -> bool:
        """Whether there is such a crop, and it was taken in the piece's own time."""
        path, span = self._path(key), self._spans.get(key[:2])
        if span is None or not self._folder.holds(path):
            return self._folder.holds(path)
        time_s = (read_note(path.read_bytes()) or {}).get("time_s")
        return isinstance(time_s, int | float) and span.start_s <= time_s < span.end_s

    def _take(self, key: tuple[str, int, int]) -> Picture | None:
        path = self._path(key)
        if self._left <= 0:
            self.left_out += self._folder.holds(path)
            return None
        if not self._folder.holds(path):
            return None
        try:
            content = path.read_bytes()
        except OSError:
            return None
        made = self._make(content)
        if made is None:
            return None
        encoded, width, height, time_s = made
        uri = "data:image/jpeg;base64," + base64.b64encode(encoded).decode("ascii")
        if len(uri) > self._left:
            self._left = 0
            self.left_out += 1
            return None
        self._left -= len(uri)
        return Picture(f"p{len(self.pictures)}", width, height, time_s, uri)

    def _make(self, content: bytes) -> tuple[bytes, int, int, float | None] | None:
        """Decode, blur where asked, scale, encode; None for a file that is no picture."""
        import cv2

        pixels: Any = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
        if pixels is None:
            return None
        note = read_note(content) or {}
        if self._config.anonymize and not note.get("anonymized"):
            height, width = pixels.shape[:2]
            top = [width / 2, height * _UNKNOWN_HEAD_SHARE / 2, width / 2, height * _UNKNOWN_HEAD_SHARE / 2, 0]
            blur_regions(pixels, note.get("heads") or [top])
        scale = min(self._config.picture_height_px / pixels.shape[0], 1.0)
        size = (max(round(pixels.shape[1] * scale), 1), max(round(pixels.shape[0] * scale), 1))
        small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
        encoded = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1].tobytes()
        time_s = note.get("time_s")
        return encoded, size[0], size[1], float(time_s) if isinstance(time_s, int | float) else None
