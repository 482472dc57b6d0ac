"""A vectorised z-buffer rasteriser in float32: triangles to scan-line spans to samples, no loop over any of them.

Everything is float32 on purpose: the winner of a sample is found by equality with the buffer, which a single float64
would break without a sound.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Tile:
    """What one mesh covers in a window.

    Attributes:
        left, top: first column and row of the window, samples.
        inverse: (h, w) float32, 1 / depth of the nearest triangle, 0 where there is none.
        face: (h, w) int32, the nearest triangle, -1 where there is none.
    """

    left: int
    top: int
    inverse: FloatArray
    face: NDArray[np.int32]


class Rasteriser(Protocol):
    """Draws the front faces of a mesh: ``rasterise``, or another way to the same tiles."""

    def __call__(
        self, points: FloatArray, inverse: FloatArray, faces: IntArray, size: tuple[int, int], align: int = 1
    ) -> Tile | None:
        """See ``rasterise``."""
        ...


def rasterise(
    points: FloatArray, inverse: FloatArray, faces: IntArray, size: tuple[int, int], align: int = 1
) -> Tile | None:
    """Draw the front faces of a mesh.

    Args:
        points: (V, 2) float32 positions in samples; sample (i, j) is at (i + 0.5, j + 0.5).
        inverse: (V,) float32, 1 / depth; faces with a value <= 0 are left out.
        faces: (F, 3) vertices, clockwise on the screen (y down) when seen from outside.
        size: width and height of the canvas, samples.
        align: the window's borders are multiples of this.

    Returns:
        The window that holds the mesh, or None where nothing of it is on the canvas.
    """
    corner = points[faces]
    depth = inverse[faces]
    x0, y0, x1, y1, x2, y2 = (corner[:, k, axis] for k in range(3) for axis in range(2))
    area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
    low, high = corner.min(axis=1), corner.max(axis=1)
    width, height = size
    keep = (area > 1e-6) & (depth.min(axis=1) > 0)
    keep &= (high[:, 0] > 0) & (low[:, 0] < width) & (high[:, 1] > 0) & (low[:, 1] < height)
    index = np.flatnonzero(keep)
    if not len(index):
        return None
    left = int(max(0, np.floor(low[index, 0].min()))) // align * align
    top = int(max(0, np.floor(low[index, 1].min()))) // align * align
    right = min(width, -(-int(np.ceil(high[index, 0].max())) // align) * align)
    bottom = min(height, -(-int(np.ceil(high[index, 1].max())) // align) * align)
    if right <= left or bottom <= top:
        return None
    # Work relative to the window: small numbers keep float32 exact enough.
    shift = np.array([left + 0.5, top + 0.5], np.float32)
    corner = corner[index] - shift
    depth, area = depth[index], area[index]
    first = np.clip(np.ceil(corner[:, :, 1].min(axis=1)), 0, bottom - top).astype(np.int64)
    last = np.clip(np.floor(corner[:, :, 1].max(axis=1)) + 1, 0, bottom - top).astype(np.int64)
    rows, owner = _expand(np.maximum(last - first, 0))
    rows += first[owner]
    start, stop = _spans(corner, owner, rows.astype(np.float32), right - left)
    slope_x, slope_y, base = _plane(corner, depth, area)
    row_base = slope_y[owner] * rows.astype(np.float32) + base[owner]
    columns, span = _expand(np.maximum(stop - start, 0))
    columns += start[span]
    values = slope_x[owner][span] * columns.astype(np.float32) + row_base[span]
    flat = rows[span] * (right - left) + columns
    buffer = np.zeros((bottom - top) * (right - left), np.float32)
    np.maximum.at(buffer, flat, values)
    wins = np.flatnonzero((values == buffer[flat]) & (values > 0))
    face = np.full(len(buffer), -1, np.int32)
    face[flat[wins]] = index[owner[span[wins]]]
    shape = (bottom - top, right - left)
    return Tile(left, top, buffer.reshape(shape), face.reshape(shape))


def barycentric(points: FloatArray, inverse: FloatArray, corners: IntArray, x: FloatArray, y: FloatArray) -> FloatArray:
    """Perspective-correct weights of the three vertices.

    Args:
        points: (V, 2) positions in samples.
        inverse: (V,) 1 / depth.
        corners: (N, 3) vertices of the triangle of each sample.
        x: (N,) positions in samples (centres).
        y: (N,) positions in samples (centres).

    Returns:
        (N, 3) float32 that add up to 1.
    """
    a, b, c = points[corners[:, 0]], points[corners[:, 1]], points[corners[:, 2]]
    weights = np.empty((len(x), 3), np.float32)
    weights[:, 0] = (b[:, 0] - x) * (c[:, 1] - y) - (c[:, 0] - x) * (b[:, 1] - y)
    weights[:, 1] = (c[:, 0] - x) * (a[:, 1] - y) - (a[:, 0] - x) * (c[:, 1] - y)
    weights[:, 2] = (a[:, 0] - x) * (b[:, 1] - y) - (b[:, 0] - x) * (a[:, 1] - y)
    np.maximum(weights, 0, out=weights)
    weights *= inverse[corners]
    weights /= weights.sum(axis=1, keepdims=True) + np.float32(1e-20)
    return weights


def _expand(counts: IntArray) -> tuple[IntArray, IntArray]:
    """0..counts[i]-1 for every i, one after the other, and the i of each."""
    owner = np.repeat(np.arange(len(counts)), counts)
    first = np.cumsum(counts) - counts
    return np.arange(len(owner)) - first[owner], owner


def _spans(corner: FloatArray, owner: IntArray, rows: FloatArray, width: int) -> tuple[IntArray, IntArray]:
    """First column and the one after the last of each triangle's part of a row."""
    start = np.zeros(len(rows), np.float32)
    stop = np.full(len(rows), width - 1, np.float32)
    for k in range(3):
        a, b = corner[:, k], corner[:, (k + 1) % 3]
        # The inside lies where rise * x + run * y + rest >= 0; neighbours get the exact negatives, so no gap opens.
        rise, run = a[:, 1] - b[:, 1], b[:, 0] - a[:, 0]
        rest = a[:, 0] * b[:, 1] - b[:, 0] * a[:, 1]
        rise_r, level = rise[owner], run[owner] * rows + rest[owner]
        with np.errstate(divide="ignore", invalid="ignore"):
            cross = -level / rise_r
        up, down = rise_r > 0, rise_r < 0
        np.maximum(start, np.ceil(cross), out=start, where=up)
        np.minimum(stop, np.floor(cross), out=stop, where=down)
        stop[~up & ~down & (level < 0)] = -1
    start = np.clip(start, 0, width)
    return start.astype(np.int64), np.clip(stop + 1, 0, width).astype(np.int64)


def _plane(corner: FloatArray, depth: FloatArray, area: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """1 / depth as slope_x * x + slope_y * y + base."""
    d1, d2 = depth[:, 1] - depth[:, 0], depth[:, 2] - depth[:, 0]
    e1, e2 = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
    slope_x = (d1 * e2[:, 1] - d2 * e1[:, 1]) / area
    slope_y = (d2 * e1[:, 0] - d1 * e2[:, 0]) / area
    base = depth[:, 0] - slope_x * corner[:, 0, 0] - slope_y * corner[:, 0, 1]
    return slope_x.astype(np.float32), slope_y.astype(np.float32), base.astype(np.float32)
