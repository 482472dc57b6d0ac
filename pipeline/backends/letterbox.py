"""Scaling a picture into the fixed input of a network without changing its aspect, and the way back."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.records import FloatArray, Image

GREY = 114
"""Level of the padding, of 255."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a picture lies in the network's input.

    Attributes:
        gain: input pixels per picture pixel.
        left: px of padding before the picture.
        top: px of padding above it.
        width: of the picture, px.
        height: of the picture, px.
    """

    gain: float
    left: float
    top: float
    width: int
    height: int

    def boxes_back(self, boxes: FloatArray) -> FloatArray:
        """Input pixels to picture pixels, (N, 4) xyxy."""
        offset = np.array([self.left, self.top, self.left, self.top], np.float32)
        return ((boxes - offset) / np.float32(self.gain)).astype(np.float32)

    def points_back(self, points: FloatArray) -> FloatArray:
        """Input pixels to picture pixels, (..., 3) x, y, confidence."""
        out = points.astype(np.float32, copy=True)
        out[..., :2] = (out[..., :2] - np.array([self.left, self.top], np.float32)) / np.float32(self.gain)
        return out


def place(rows: int, columns: int, height: int, width: int, centred: bool) -> tuple[Placement, tuple[int, int]]:
    """Where a picture of (rows, columns) px comes to lie, and its (width, height) there; see ``letterbox``."""
    gain = min(height / rows, width / columns)
    scaled = (
        (max(round(columns * gain), 1), max(round(rows * gain), 1))
        if centred
        else (max(int(columns * gain), 1), max(int(rows * gain), 1))
    )
    left = round((width - scaled[0]) / 2 - 0.1) if centred else 0
    top = round((height - scaled[1]) / 2 - 0.1) if centred else 0
    return Placement(gain, float(left), float(top), columns, rows), scaled


def letterbox(image: Image, height: int, width: int, centred: bool) -> tuple[NDArray[np.uint8], Placement]:
    """Scale a picture into (height, width) and pad the rest with grey.

    Args:
        image: (H, W, 3) uint8, neither side zero.
        height: of the network's input, px.
        width: of the network's input, px.
        centred: padding on both sides (Ultralytics) instead of right and below (YOLOX).

    Returns:
        (height, width, 3) uint8, and where the picture lies in it.
    """
    import cv2

    rows, columns = image.shape[:2]
    placement, scaled = place(rows, columns, height, width, centred)
    left, top = int(placement.left), int(placement.top)
    if scaled != (columns, rows):
        image = cv2.resize(image, scaled, interpolation=cv2.INTER_LINEAR).astype(np.uint8, copy=False)
    canvas = np.full((height, width, 3), GREY, np.uint8)
    canvas[top : top + scaled[1], left : left + scaled[0]] = image
    return canvas, placement
