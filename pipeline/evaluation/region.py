"""Rows whose feet stand in a region of interest, and rows within a window of time: what DukeMTMC scores.

Source: the DukeMTMC evaluation kit (Ristani et al. 2016): predictions count where the middle of the box's lower edge is
in the camera's polygon or on its edge; both sides count within the window; the truth is not filtered by place.
"""

import numpy as np
from numpy.typing import NDArray

from data.formats.mot import MotTable
from data.records import DoubleArray


def inside(points: DoubleArray, polygon: DoubleArray) -> NDArray[np.bool_]:
    """Which points are in a polygon or on its edge.

    Args:
        points: (N, 2).
        polygon: (P, 2) corners in order; the last joins the first.
    """
    start, step = polygon, np.roll(polygon, -1, axis=0) - polygon
    offset = points[:, None] - start
    cross = step[:, 0] * offset[..., 1] - step[:, 1] * offset[..., 0]
    along = (step * offset).sum(axis=2)
    on_edge = ((cross == 0) & (along >= 0) & (along <= (step**2).sum(axis=1))).any(axis=1)
    end_y = start[:, 1] + step[:, 1]
    below, above = start[:, 1] <= points[:, 1, None], end_y <= points[:, 1, None]
    up, down = below & ~above, ~below & above
    turns = (up & (cross > 0)).sum(axis=1) - (down & (cross < 0)).sum(axis=1)
    return on_edge | (turns != 0)


def within(table: MotTable, first: int, last: int) -> MotTable:
    """Rows of the frames ``first`` to ``last``, both from 0 and included."""
    return table.select((table.frames >= first) & (table.frames <= last))
