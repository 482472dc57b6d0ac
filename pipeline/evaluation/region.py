"""Boxes whose feet stand in a region of interest: what DukeMTMC scores.

Source: the DukeMTMC evaluation kit (Ristani et al. 2016, ``evaluateDukeMTMC.m``): predictions count where the middle of
the box's lower edge is in the camera's polygon or on its edge; the truth is not filtered by place.
"""

import numpy as np
from numpy.typing import NDArray

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


def feet_inside(boxes: DoubleArray, polygon: DoubleArray) -> NDArray[np.bool_]:
    """Which boxes, (N, 4) xyxy px, stand in a polygon or on its edge."""
    return inside(np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3]], axis=1), polygon)
