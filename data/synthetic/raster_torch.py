"""The rasteriser of ``raster.py`` in torch, for a GPU: the same steps in the same order, and the same tiles.

Every step is one float32 operation that IEEE 754 rounds in one way only, each in a kernel of its own, so nothing is
fused; a maximum does not depend on the order of its terms; and of triangles at exactly one depth the last one wins.
So a tile equals NumPy's bit by bit, and the truth made from tiles does not depend on where they were drawn.
"""

import numpy as np
import torch
from torch import Tensor

from data.synthetic.raster import FloatArray, IntArray, Tile


class TorchRasteriser:
    """Draws meshes on a torch device.

    Args:
        device: of torch, as "cuda:0".
    """

    def __init__(self, device: str) -> None:
        self._device = torch.device(device)

    @torch.inference_mode()
    def __call__(
        self, points: FloatArray, inverse: FloatArray, faces: IntArray, size: tuple[int, int], align: int = 1
    ) -> Tile | None:
        """Draw the front faces of a mesh; arguments and result are those of ``raster.rasterise``."""
        vertices = torch.from_numpy(np.column_stack([points, inverse]).astype(np.float32, copy=False))
        everything = vertices.to(self._device)[torch.from_numpy(faces).to(self._device)]
        corner, depth = everything[..., :2], everything[..., 2]
        area = _area(corner)
        low, high = corner.amin(dim=1), corner.amax(dim=1)
        width, height = size
        keep = (area > 1e-6) & (depth.amin(dim=1) > 0)
        keep &= (high[:, 0] > 0) & (low[:, 0] < width) & (high[:, 1] > 0) & (low[:, 1] < height)
        index = torch.nonzero(keep).flatten()
        if not len(index):
            return None
        corner, depth, area = corner[index], depth[index], area[index]
        borders = torch.cat([low[index].amin(dim=0).floor(), high[index].amax(dim=0).ceil()]).tolist()
        left, top = (max(0, int(value)) // align * align for value in borders[:2])
        right, bottom = (min(most, -(-int(value) // align) * align) for most, value in zip(size, borders[2:]))
        if right <= left or bottom <= top:
            return None
        buffer, face = _fill(
            corner - corner.new_tensor([left + 0.5, top + 0.5]), depth, area, right - left, bottom - top
        )
        face = torch.where(face < 0, face, index[face.clamp(min=0)]).to(torch.int32)
        shape = (bottom - top, right - left)
        return Tile(left, top, buffer.view(shape).cpu().numpy(), face.view(shape).cpu().numpy())


def _area(corner: Tensor) -> Tensor:
    """(F,) twice the area of (F, 3, 2) triangles, above 0 for those seen from outside."""
    x0, y0, x1, y1, x2, y2 = (corner[:, k, axis] for k in range(3) for axis in range(2))
    return (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)


def _fill(corner: Tensor, depth: Tensor, area: Tensor, width: int, height: int) -> tuple[Tensor, Tensor]:
    """Nearest 1 / depth and triangle of each sample of the window, row by row; 0 and -1 where there is none."""
    first = corner[..., 1].amin(dim=1).ceil().clamp(0, height).to(torch.int64)
    last = (corner[..., 1].amax(dim=1).floor() + 1).clamp(0, height).to(torch.int64)
    rows, owner = _expand((last - first).clamp(min=0))
    rows += first[owner]
    start, stop = _spans(corner, owner, rows.to(torch.float32), width)
    slope_x, slope_y, base = _plane(corner, depth, area)
    row_base = slope_y[owner] * rows.to(torch.float32) + base[owner]
    columns, span = _expand((stop - start).clamp(min=0))
    columns += start[span]
    triangle = owner[span]
    values = slope_x[triangle] * columns.to(torch.float32) + row_base[span]
    flat = rows[span] * width + columns
    buffer = values.new_zeros(height * width).scatter_reduce_(0, flat, values, "amax")
    wins = torch.nonzero((values == buffer[flat]) & (values > 0)).flatten()
    face = triangle.new_full((len(buffer),), -1).scatter_reduce_(0, flat[wins], triangle[wins], "amax")
    return buffer, face


def _expand(counts: Tensor) -> tuple[Tensor, Tensor]:
    """0..counts[i]-1 for every i, one after the other, and the i of each."""
    owner = torch.repeat_interleave(counts)
    first = counts.cumsum(dim=0) - counts
    return torch.arange(len(owner), device=counts.device) - first[owner], owner


def _spans(corner: Tensor, owner: Tensor, rows: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """First column and the one after the last of each triangle's part of a row."""
    start = torch.zeros_like(rows)
    stop = torch.full_like(rows, width - 1)
    for k in range(3):
        a, b = corner[:, k], corner[:, (k + 1) % 3]
        rise, run = a[:, 1] - b[:, 1], b[:, 0] - a[:, 0]
        rest = a[:, 0] * b[:, 1] - b[:, 0] * a[:, 1]
        rise_r, level = rise[owner], run[owner] * rows + rest[owner]
        cross = -level / rise_r
        start = torch.where(rise_r > 0, torch.maximum(start, cross.ceil()), start)
        stop = torch.where(rise_r < 0, torch.minimum(stop, cross.floor()), stop)
        stop = torch.where((rise_r == 0) & (level < 0), -1.0, stop)
    return start.clamp(0, width).to(torch.int64), (stop + 1).clamp(0, width).to(torch.int64)


def _plane(corner: Tensor, depth: Tensor, area: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """1 / depth as slope_x * x + slope_y * y + base."""
    d1, d2 = depth[:, 1] - depth[:, 0], depth[:, 2] - depth[:, 0]
    e1, e2 = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
    slope_x = (d1 * e2[:, 1] - d2 * e1[:, 1]) / area
    slope_y = (d2 * e1[:, 0] - d1 * e2[:, 0]) / area
    base = depth[:, 0] - slope_x * corner[:, 0, 0] - slope_y * corner[:, 0, 1]
    return slope_x, slope_y, base
