"""Array kernels on boxes."""

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]


def areas(boxes: FloatArray) -> FloatArray:
    """Area of each box, (N, 4) xyxy -> (N,); 0 for an inverted box."""
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    return sides[:, 0] * sides[:, 1]


def intersections(a: FloatArray, b: FloatArray) -> FloatArray:
    """Intersection area of every pair, (N, 4) and (M, 4) xyxy -> (N, M)."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    sides = np.maximum(high - low, 0)
    return sides[..., 0] * sides[..., 1]


def iou_matrix(a: FloatArray, b: FloatArray) -> FloatArray:
    """Intersection over union of every pair.

    Args:
        a: (N, 4) xyxy.
        b: (M, 4) xyxy.

    Returns:
        (N, M), 0-1; 0 where both boxes are empty.
    """
    inter = intersections(a, b)
    union = areas(a)[:, None] + areas(b)[None, :] - inter
    return np.divide(inter, union, out=np.zeros_like(inter), where=union > 0)


def row_ious(a: FloatArray, b: FloatArray) -> FloatArray:
    """Intersection over union of row i with row i: (N, 4), (N, 4) xyxy -> (N,)."""
    sides = np.maximum(np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]), 0)
    shared = sides[:, 0] * sides[:, 1]
    union = areas(a) + areas(b) - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def coverage_matrix(a: FloatArray, b: FloatArray) -> FloatArray:
    """Share of each box of a that lies inside each box of b: (N, 4), (M, 4) -> (N, M), 0-1."""
    inter = intersections(a, b)
    own = np.broadcast_to(areas(a)[:, None], inter.shape)
    return np.divide(inter, own, out=np.zeros_like(inter), where=own > 0)


def clip(boxes: FloatArray, width: int, height: int) -> FloatArray:
    """Cut boxes to the frame: (N, 4) xyxy px -> (N, 4)."""
    limit = np.array([width, height, width, height], boxes.dtype)
    return np.clip(boxes, 0, limit)


def xywh_to_xyxy(boxes: FloatArray) -> FloatArray:
    """left, top, width, height -> x1, y1, x2, y2; (N, 4)."""
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


def xyxy_to_xywh(boxes: FloatArray) -> FloatArray:
    """x1, y1, x2, y2 -> left, top, width, height; (N, 4)."""
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)


def nms(
    boxes: FloatArray, scores: FloatArray, iou_threshold: float, class_ids: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """Greedy non-maximum suppression, stable under equal scores.

    Args:
        boxes: (N, 4) xyxy.
        scores: (N,).
        iou_threshold: a box that overlaps a better one by more than this is dropped.
        class_ids: (N,) suppress within a class only; None suppresses over all.

    Returns:
        Indices that are kept, best first.
    """
    order = np.argsort(-scores, kind="stable")
    boxes = boxes[order]
    suppresses = iou_matrix(boxes, boxes) > iou_threshold
    if class_ids is not None:
        classes = class_ids[order]
        suppresses &= classes[:, None] == classes[None, :]
    alive = np.ones(len(order), bool)
    for row in range(len(order)):
        if alive[row]:
            alive[row + 1 :] &= ~suppresses[row, row + 1 :]
    return order[alive]
