"""Upright boxes in the world against true ones: their overlap in three dimensions.

Boxes turn about the vertical alone, so their overlap is that of two rectangles on the ground times that of two heights.
The rectangles are cut by clipping one at the sides of the other (Sutherland and Hodgman, "Reentrant Polygon Clipping",
1974), all pairs at once.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.formats.solids import SolidTable
from data.records import DoubleArray
from pipeline.evaluation.pairs import Pairs, gather, same_frame

_X, _Z, _WIDTH, _LENGTH, _HEIGHT, _YAW = 0, 2, 3, 4, 5, 6


@dataclass(frozen=True, slots=True)
class SolidComparison:
    """What boxes of one class are scored from.

    Attributes:
        truth: frames below ``length``.
        predictions: frames below ``length``.
        pairs: of these rows, IoU above 0.
        length: number of frames.
    """

    truth: SolidTable
    predictions: SolidTable
    pairs: Pairs
    length: int

    @staticmethod
    def of(truth: SolidTable, predictions: SolidTable, length: int) -> "SolidComparison":
        """Find the pairs of one frame that overlap."""
        reach = [np.hypot(side.boxes[:, _WIDTH], side.boxes[:, _LENGTH]) / 2 for side in (truth, predictions)]
        chunks = []
        for a, b in same_frame(truth.frames, predictions.frames):
            apart = truth.boxes[a, :_Z] - predictions.boxes[b, :_Z]
            near = np.hypot(apart[:, 0], apart[:, 1]) < reach[0][a] + reach[1][b]
            a, b = a[near], b[near]
            iou = solid_iou(truth.boxes[a], predictions.boxes[b])
            chunks.append(Pairs(a, b, iou).select(iou > 0))
        return SolidComparison(truth, predictions, gather(chunks), length)


def solid_iou(a: DoubleArray, b: DoubleArray) -> DoubleArray:
    """Intersection over union of box i of a and box i of b: (K, 7), (K, 7) -> (K,).

    Args:
        a: x, y, z of the middle, width, length, height, all above 0, in metres, yaw in radians.
        b: the same.
    """
    low = np.maximum(a[:, _Z] - a[:, _HEIGHT] / 2, b[:, _Z] - b[:, _HEIGHT] / 2)
    high = np.minimum(a[:, _Z] + a[:, _HEIGHT] / 2, b[:, _Z] + b[:, _HEIGHT] / 2)
    # Near the origin no digits are lost to the size of the world.
    middle = a[:, _X:_Z]
    shared = _overlap(_corners(a, middle), _corners(b, middle)) * np.maximum(high - low, 0)
    volumes = [side[:, _WIDTH] * side[:, _LENGTH] * side[:, _HEIGHT] for side in (a, b)]
    return np.minimum(shared / (volumes[0] + volumes[1] - shared), 1.0)


def _corners(boxes: DoubleArray, origin: DoubleArray) -> DoubleArray:
    """(K, 4, 2) corners on the ground, against the clock."""
    half = boxes[:, None, _WIDTH : _LENGTH + 1] / 2 * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    cos, sin = np.cos(boxes[:, _YAW])[:, None], np.sin(boxes[:, _YAW])[:, None]
    turned = np.stack([cos * half[..., 0] - sin * half[..., 1], sin * half[..., 0] + cos * half[..., 1]], axis=2)
    return np.asarray(turned + (boxes[:, _X:_Z] - origin)[:, None], np.float64)


def _overlap(a: DoubleArray, b: DoubleArray) -> DoubleArray:
    """(K,) areas shared by convex polygons a (K, M, 2) and rectangles b (K, 4, 2), corners against the clock."""
    polygons = a
    for side in range(4):
        polygons = _clip(polygons, b[:, side], b[:, (side + 1) % 4])
    following = np.roll(polygons, -1, axis=1)
    return np.asarray(np.abs(_cross(polygons, following).sum(axis=1)) / 2, np.float64)


def _clip(polygons: DoubleArray, start: DoubleArray, end: DoubleArray) -> DoubleArray:
    """What of each polygon lies to the left of a line; the last corner is repeated to fill up, none gives no area."""
    along = (end - start)[:, None]
    beside = _cross(along, polygons - start[:, None])
    following, beside_following = np.roll(polygons, -1, axis=1), np.roll(beside, -1, axis=1)
    kept = beside >= 0
    crosses = ((beside > 0) & (beside_following < 0)) | ((beside < 0) & (beside_following > 0))
    share = np.divide(beside, beside - beside_following, out=np.zeros_like(beside), where=crosses)
    crossing = polygons + share[..., None] * (following - polygons)
    count, most = beside.shape
    corners = np.stack([polygons, crossing], axis=2).reshape(count, 2 * most, 2)
    valid: NDArray[np.bool_] = np.stack([kept, crosses], axis=2).reshape(count, 2 * most)
    order = np.argsort(~valid, axis=1, kind="stable")
    counts = valid.sum(axis=1)
    filled = np.minimum(np.arange(max(1, int(counts.max(initial=0)))), np.maximum(counts - 1, 0)[:, None])
    places = np.take_along_axis(order, filled, axis=1)
    return np.asarray(np.take_along_axis(corners, places[..., None], axis=1), np.float64)


def _cross(a: DoubleArray, b: DoubleArray) -> DoubleArray:
    return np.asarray(a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0], np.float64)
