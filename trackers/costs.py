"""Pair costs."""

import numpy as np
from numpy.typing import NDArray

from data.kernels.boxes import coverage_matrix
from data.records import FloatArray


def buffered_iou(tracks: FloatArray, boxes: FloatArray, margins: FloatArray) -> FloatArray:
    margin = margins[:, None, None]
    low = np.maximum(tracks[:, None, :2], boxes[None, :, :2]) - margin
    high = np.minimum(tracks[:, None, 2:], boxes[None, :, 2:]) + margin
    inter = np.maximum(high - low, 0).prod(-1)
    area_t = (tracks[:, None, 2:] - tracks[:, None, :2] + 2 * margin).prod(-1)
    area_b = (boxes[None, :, 2:] - boxes[None, :, :2] + 2 * margin).prod(-1)
    union = area_t + area_b - inter
    return np.divide(inter, union, out=np.zeros_like(inter), where=union > 0)


def clear_share(boxes: FloatArray) -> FloatArray:
    if not len(boxes):
        return np.zeros(0, np.float32)
    in_front = boxes[None, :, 3] > boxes[:, None, 3]
    return 1 - np.where(in_front, coverage_matrix(boxes, boxes), 0).max(axis=1)


def height_ratio(tracks, boxes):
    h = tracks[:, 3] - tracks[:, 1]; g = boxes[:, 3] - boxes[:, 1]
    return np.minimum(h[:, None], g[None]) / np.maximum(h[:, None], g[None])
