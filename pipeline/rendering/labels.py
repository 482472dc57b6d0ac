"""Where labels go: beside their boxes, inside the frame, off one another."""

import numpy as np

from data.kernels.boxes import intersections
from data.records import FloatArray


def place_labels(
    boxes: FloatArray, sizes: FloatArray, frame_size: tuple[int, int], taken: FloatArray | None = None
) -> FloatArray:
    """Choose a place for the label of each box, one after the other.

    The first of eight places round the box that overlaps no other label wins: above it at its left or right edge,
    below it, beside it, inside it at the top. Where none is free, the nearest free place that lines up with other
    labels; where the frame is full, the place that overlaps least.

    Args:
        boxes: (N, 4) xyxy px, in the order in which labels may choose (by id: places then jump little over time).
        sizes: (N, 2) width and height of each label, px; a label larger than the frame is put at the origin.
        frame_size: (width, height) px.
        taken: (K, 4) xyxy px where no label may go.

    Returns:
        (N, 2) top-left corner of each label, px.
    """
    occupied = np.zeros((0, 4), np.float32) if taken is None else taken.astype(np.float32)
    limits = np.maximum(np.array(frame_size, np.float32) - sizes, 0)
    candidates = np.clip(_round_the_box(boxes, sizes), 0, limits[:, None])
    corners = np.zeros((len(boxes), 2), np.float32)
    for row, (size, limit) in enumerate(zip(sizes, limits, strict=True)):
        corner, overlap = _least_overlap(candidates[row], size, occupied)
        if overlap > 0:
            near = np.clip(_round_the_labels(candidates[row, 0], size, occupied), 0, limit)
            corner, _ = _least_overlap(np.concatenate([candidates[row], near]), size, occupied)
        corners[row] = corner
        occupied = np.concatenate([occupied, [[*corner, *(corner + size)]]], dtype=np.float32)
    return corners


def _least_overlap(candidates: FloatArray, size: FloatArray, occupied: FloatArray) -> tuple[FloatArray, float]:
    """The first of the candidates that overlap least, and by how much."""
    overlap = intersections(np.concatenate([candidates, candidates + size], axis=1), occupied).sum(axis=1)
    best = int(np.argmin(overlap))
    return candidates[best], float(overlap[best])


def _round_the_box(boxes: FloatArray, sizes: FloatArray) -> FloatArray:
    """(N, 8, 2) top-left corners, best first."""
    x1, y1, x2, y2 = boxes.T
    width, height = sizes.T
    left, right, above = x1 - width, x2 - width, y1 - height
    places = [(x1, above), (right, above), (x1, y2), (right, y2), (x2, y1), (left, y1), (x1, y1), (right, y1)]
    return np.stack([np.stack(place, axis=1) for place in places], axis=1).astype(np.float32)


def _round_the_labels(wanted: FloatArray, size: FloatArray, occupied: FloatArray) -> FloatArray:
    """(C, 2) top-left corners that line up with other labels, the nearest to ``wanted`` first."""
    xs = np.concatenate([[wanted[0]], occupied[:, 0] - size[0], occupied[:, 2]])
    ys = np.concatenate([[wanted[1]], occupied[:, 1] - size[1], occupied[:, 3]])
    grid = np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2).astype(np.float32)
    return grid[np.argsort(((grid - wanted) ** 2).sum(axis=1), kind="stable")]
