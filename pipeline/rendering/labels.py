"""Where labels go: beside their boxes, inside the frame, off one another."""

import numpy as np

from data.kernels.boxes import intersections
from data.records import FloatArray

_STEPS = 6


def place_labels(
    boxes: FloatArray, sizes: FloatArray, frame_size: tuple[int, int], taken: FloatArray | None = None
) -> FloatArray:
    """Choose a place for the label of each box, one after the other.

    The first candidate that overlaps nothing wins: above the box at its left or right edge, below it, beside it, inside
    it at the top, then further and further above and below. Where all overlap, the one that overlaps least.

    Args:
        boxes: (N, 4) xyxy px, in the order in which labels may choose (by id: places then jump little over time).
        sizes: (N, 2) width and height of each label, px; a label larger than the frame is put at the origin.
        frame_size: (width, height) px.
        taken: (K, 4) xyxy px where no label may go.

    Returns:
        (N, 2) top-left corner of each label, px.
    """
    occupied = np.zeros((0, 4), np.float32) if taken is None else taken.astype(np.float32)
    candidates = _candidates(boxes, sizes, frame_size)
    rectangles = np.concatenate([candidates, candidates + sizes[:, None]], axis=2).astype(np.float32)
    corners = np.zeros((len(boxes), 2), np.float32)
    for row in range(len(boxes)):
        overlap = intersections(rectangles[row], occupied).sum(axis=1)
        chosen = rectangles[row, int(np.argmin(overlap))]
        corners[row] = chosen[:2]
        occupied = np.concatenate([occupied, chosen[None]])
    return corners


def _candidates(boxes: FloatArray, sizes: FloatArray, frame_size: tuple[int, int]) -> FloatArray:
    """(N, C, 2) top-left corners, best first, moved into the frame."""
    x1, y1, x2, y2 = boxes.T
    width, height = sizes.T
    left, right, above = x1 - width, x2 - width, y1 - height
    places = [(x1, above), (right, above), (x1, y2), (right, y2), (x2, y1), (left, y1), (x1, y1), (right, y1)]
    for step in range(1, _STEPS + 1):
        places += [(x1, above - step * height), (x1, y2 + step * height)]
        places += [(x2, y1 + step * height), (left, y1 + step * height)]
    limit = np.maximum(np.array(frame_size, np.float32) - sizes, 0)
    corners = np.stack([np.stack(place, axis=1) for place in places], axis=1)
    return np.clip(corners, 0, limit[:, None])
