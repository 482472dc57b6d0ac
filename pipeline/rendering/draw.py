"""Draw boxes, ids, skeletons and trails into frames."""

from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from data.records import FloatArray, Image
from data.skeletons import COCO17
from pipeline.rendering.labels import place_labels
from pipeline.rendering.palette import INK, PAPER, Rgb, text_on
from pipeline.rendering.scene import Scene

_SHIFT = 3
_DASH_OF_LINE = 4
_PANEL: Rgb = (24, 24, 27)
_PANEL_OPACITY = 0.72


class Painter:
    """Draws scenes into frames of one size; line widths and letters grow with the frame."""

    def __init__(self, frame_size: tuple[int, int], min_confidence: float, *, skeletons: bool = True) -> None:
        """Prepare for frames of a size.

        Args:
            frame_size: (width, height) px.
            min_confidence: keypoints at or below it are not drawn.
            skeletons: draw keypoints where a scene has them.
        """
        self._size = frame_size
        self._limbs = np.array(COCO17.limbs)
        self._skeletons, self._min_confidence = skeletons, min_confidence
        self._line = max(round(frame_size[1] / 300), 2)
        self._text_px = float(np.clip(frame_size[1] / 36, 11, 44))

    def paint(self, image: Image, scene: Scene, heading: str) -> None:
        """Draw a scene.

        Args:
            image: (H, W, 3) uint8 RGB, changed in place.
            scene: who is where.
            heading: line at the top left (camera and time).
        """
        for row, trail in enumerate(scene.trails):
            self._trail(image, trail, scene.color(row))
        if self._skeletons and scene.keypoints is not None:
            for row in range(len(scene)):
                self._skeleton(image, scene.keypoints[row], scene.color(row))
        for row in range(len(scene)):
            self._box(image, scene.boxes[row], scene.color(row), dashed=bool(scene.dashed[row]))
        if scene.stands is not None:
            for row in range(len(scene)):
                self._stand(image, scene.stands[row], scene.color(row))
        panel = self._heading(image, heading)
        self._labels(image, scene, panel)

    def _trail(self, image: Image, trail: FloatArray, color: Rgb) -> None:
        import cv2

        if len(trail) < 2:
            return
        points = np.round(trail * (1 << _SHIFT)).astype(np.int32)
        half = len(points) // 2
        cv2.polylines(image, [points[: half + 1]], False, color, self._line, cv2.LINE_AA, _SHIFT)
        cv2.polylines(image, [points[half:]], False, color, self._line + 1, cv2.LINE_AA, _SHIFT)

    def _stand(self, image: Image, stand: FloatArray, color: Rgb) -> None:
        """A disc on the ground under the feet, and a line up to the head with a bar on it."""
        import cv2

        limit = 8 * max(self._size)
        foot, head = (np.isfinite(point).all() and np.abs(point).max() < limit for point in stand)
        if not foot:
            return
        x, y = (int(value) for value in np.round(stand[0]))
        wide = 4 * self._line
        for width, shade in ((self._line + 2, INK), (self._line, color)):
            cv2.ellipse(image, (x, y), (wide, wide // 2), 0, 0, 360, shade, width, cv2.LINE_AA)
            if head:
                top_x, top_y = (int(value) for value in np.round(stand[1]))
                cv2.line(image, (x, y), (top_x, top_y), shade, width, cv2.LINE_AA)
                cv2.line(image, (top_x - wide, top_y), (top_x + wide, top_y), shade, width, cv2.LINE_AA)

    def _skeleton(self, image: Image, keypoints: FloatArray, color: Rgb) -> None:
        import cv2

        seen = keypoints[:, 2] > self._min_confidence
        if not seen.any():
            return
        points = np.round(keypoints[:, :2]).astype(np.int32)
        limbs = self._limbs[seen[self._limbs].all(axis=1)]
        joints = np.repeat(points[seen, None], 2, axis=1)
        cv2.polylines(image, list(points[limbs]), False, color, self._line, cv2.LINE_AA)
        cv2.polylines(image, list(joints), False, PAPER, self._line + 1)

    def _box(self, image: Image, box: FloatArray, color: Rgb, *, dashed: bool) -> None:
        import cv2

        x1, y1, x2, y2 = (int(value) for value in np.round(box))
        if dashed:
            lines = list(_dashes(x1, y1, x2, y2, _DASH_OF_LINE * self._line))
            cv2.polylines(image, lines, False, INK, self._line + 2)
            cv2.polylines(image, lines, False, color, self._line)
            return
        cv2.rectangle(image, (x1, y1), (x2, y2), INK, self._line + 2)
        cv2.rectangle(image, (x1, y1), (x2, y2), color, self._line)

    def _heading(self, image: Image, text: str) -> tuple[int, int, int, int]:
        """Draw the heading and return the rectangle it takes."""
        import cv2

        scale, (width, height), base = _fit(text, self._text_px, cv2.FONT_HERSHEY_SIMPLEX)
        pad = max(round(0.4 * self._text_px), 3)
        right, bottom = min(width + 2 * pad, self._size[0]), min(height + base + 2 * pad, self._size[1])
        patch = image[:bottom, :right]
        patch[:] = (patch * (1 - _PANEL_OPACITY) + np.array(_PANEL) * _PANEL_OPACITY).astype(np.uint8)
        cv2.putText(image, text, (pad, pad + height), cv2.FONT_HERSHEY_SIMPLEX, scale, PAPER, 1, cv2.LINE_AA)
        return 0, 0, right, bottom

    def _labels(self, image: Image, scene: Scene, panel: tuple[int, int, int, int]) -> None:
        tiles = [label_tile(scene.label(row), scene.color(row), self._text_px) for row in range(len(scene))]
        if not tiles:
            return
        order = np.lexsort((scene.ids, scene.local))
        sizes = np.array([(tile.shape[1], tile.shape[0]) for tile in tiles], np.float32)
        taken = np.array([panel], np.float32)
        corners = place_labels(scene.boxes[order], sizes[order], self._size, taken)
        for row, (x, y) in zip(order, np.round(corners).astype(int), strict=True):
            room = image[y : y + tiles[row].shape[0], x : x + tiles[row].shape[1]]
            room[:] = tiles[row][: room.shape[0], : room.shape[1]]


@lru_cache(maxsize=2048)
def label_tile(text: str, color: Rgb, text_px: float) -> Image:
    """A label as a picture: text on its colour with a dark rim; (h, w, 3) uint8 RGB, kept for the next frame."""
    import cv2

    scale, (width, height), base = _fit(text, text_px, cv2.FONT_HERSHEY_DUPLEX)
    pad = max(round(0.25 * text_px), 2)
    tile = np.full((height + base + 2 * pad, width + 2 * pad, 3), color, np.uint8)
    cv2.rectangle(tile, (0, 0), (tile.shape[1] - 1, tile.shape[0] - 1), INK, 1)
    origin = (pad, pad + height + base // 2)
    cv2.putText(tile, text, origin, cv2.FONT_HERSHEY_DUPLEX, scale, text_on(color), 1, cv2.LINE_AA)
    tile.flags.writeable = False
    return tile


def _fit(text: str, text_px: float, font: int) -> tuple[float, tuple[int, int], int]:
    """Font scale for letters ``text_px`` high over all, and the size of a text in it: (width, height), descent."""
    import cv2

    (_, height), base = cv2.getTextSize("0g", font, 1.0, 1)
    scale = text_px / (height + base)
    (width, _), _ = cv2.getTextSize(text, font, scale, 1)
    return scale, (int(width), round(height * scale)), round(base * scale)


def _dashes(x1: int, y1: int, x2: int, y2: int, length: float) -> NDArray[np.int32]:
    """Dashes along the sides of a box, a dash at every corner: (D, 2, 2) px."""
    corners = np.array([(x1, y1), (x2, y1), (x2, y2), (x1, y2), (x1, y1)], np.float32)
    lines = []
    for start, end in pairwise(corners):
        count = max(round(float(np.abs(end - start).max()) / length) // 2 * 2 + 1, 1)
        steps = start + (end - start) * (np.arange(count + 1, dtype=np.float32) / count)[:, None]
        lines.append(steps.reshape(-1, 2, 2))
    return np.round(np.concatenate(lines)).astype(np.int32)
