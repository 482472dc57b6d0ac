"""Make heads unrecognisable, beyond recovery.

A head is replaced by the blurred mean colours of a coarse grid of cells, four across whatever its size, so that what is
left carries a few dozen numbers: too few to tell a face. Regions err on the large side.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from data.records import FloatArray, Image

_CELLS = 4
_LEAST_CELL_PX = 2.0
_BLUR_CELLS = 0.6
_NOSE, _LEFT_EYE, _RIGHT_EYE, _LEFT_EAR, _RIGHT_EAR, _LEFT_SHOULDER, _RIGHT_SHOULDER = range(7)
_HEAD = slice(_NOSE, _RIGHT_EAR + 1)
# A head with hair is about 24 cm high. Half of that, in units of what a skeleton shows: eyes are about 6.5 cm apart,
# ears 15, nose to ear 11, shoulders 36; nose to eye 5.
_SPANS = (
    (_LEFT_EYE, _RIGHT_EYE, 2.0), (_LEFT_EAR, _RIGHT_EAR, 0.9), (_NOSE, _LEFT_EAR, 1.15), (_NOSE, _RIGHT_EAR, 1.15),
    (_NOSE, _LEFT_EYE, 2.4), (_NOSE, _RIGHT_EYE, 2.4), (_LEFT_SHOULDER, _RIGHT_SHOULDER, 0.36),
)  # fmt: skip
_OF_HEIGHT = 0.075
_MARGIN = 1.25
_BAND_OF_HEIGHT, _BAND_OF_WIDTH, _BAND_ABOVE = 0.2, 0.7, 0.05


def head_regions(boxes: FloatArray, keypoints: FloatArray | None, min_confidence: float) -> FloatArray:
    """Where the heads are.

    A row whose skeleton shows a head in the upper part of its box gives an ellipse round that head. A row without a
    head gives the top of its box: a fifth of its height, and more of a wide box, which shows someone near, cut off
    below, whose head takes a larger share. A head elsewhere (bent down, cut off, or a mistake) gives both.

    Args:
        boxes: (N, 4) xyxy px.
        keypoints: (N, 17, 3) COCO-17, or None.
        min_confidence: keypoints at or below it are not trusted.

    Returns:
        (R, 5) float32: centre x, centre y, half width, half height in px, and 1 for an ellipse or 0 for a rectangle.
    """
    width = np.maximum(boxes[:, 2] - boxes[:, 0], 1)
    height = np.maximum(boxes[:, 3] - boxes[:, 1], 1)
    band = np.minimum(np.maximum(_BAND_OF_HEIGHT * height, _BAND_OF_WIDTH * width), height)
    above = _BAND_ABOVE * height
    centre_x = (boxes[:, 0] + boxes[:, 2]) / 2
    centre_y = boxes[:, 1] + (band - above) / 2
    regions = np.stack([centre_x, centre_y, width / 2, (band + above) / 2, np.zeros_like(width)], axis=1)
    if keypoints is None or not len(boxes):
        return regions.astype(np.float32)
    ellipses, known = _head_ellipses(keypoints, height, min_confidence)
    inside = np.abs(ellipses[:, 0] - centre_x) <= 0.6 * width
    inside &= (ellipses[:, 1] >= boxes[:, 1] - 0.1 * height) & (ellipses[:, 1] <= boxes[:, 1] + 0.6 * height)
    return np.concatenate([regions[~(known & inside)], ellipses[known]]).astype(np.float32)


def skeleton_regions(keypoints: FloatArray, min_confidence: float) -> FloatArray:
    """Heads of skeletons without a box: (U, 17, 3) -> (V, 5) as ``head_regions``; only those that show a head."""
    from data.kernels.keypoints import bounds

    boxes = bounds(keypoints, min_confidence)
    ellipses, known = _head_ellipses(keypoints, boxes[:, 3] - boxes[:, 1], min_confidence)
    return ellipses[known].astype(np.float32)


def _head_ellipses(
    keypoints: FloatArray, heights: FloatArray, min_confidence: float
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """(N, 5) ellipses round the head keypoints, and which rows have any."""
    seen = keypoints[..., 2] > min_confidence
    head, weight = keypoints[:, _HEAD, :2], seen[:, _HEAD, None].astype(np.float32)
    count = weight.sum(axis=1)
    centre = (head * weight).sum(axis=1) / np.maximum(count, 1)
    half = _OF_HEIGHT * heights
    for a, b, factor in _SPANS:
        span = np.linalg.norm(keypoints[:, a, :2] - keypoints[:, b, :2], axis=1)
        half = np.maximum(half, np.where(seen[:, a] & seen[:, b], factor * span, 0))
    half = np.minimum(half, 0.5 * np.maximum(heights, 1)) * _MARGIN
    half = np.maximum(half, 3.0)
    return np.column_stack([centre, half, half, np.ones_like(half)]), count[:, 0] > 0


def shift_regions(regions: FloatArray, left: float, top: float, scale: float = 1.0) -> FloatArray:
    """Regions in the pixels of a crop that begins at (left, top) and was scaled afterwards."""
    moved = regions.copy()
    moved[:, 0] -= left
    moved[:, 1] -= top
    moved[:, :4] *= scale
    return moved


def blur_regions(image: Image, regions: FloatArray | Sequence[Sequence[float]]) -> None:
    """Blur regions of an image in place; parts outside the image are ignored.

    Args:
        image: (H, W, 3) uint8, writable.
        regions: (N, 5) as ``head_regions`` gives them, px.
    """
    for centre_x, centre_y, half_width, half_height, round_ in np.asarray(regions, np.float32).reshape(-1, 5):
        _blur(image, float(centre_x), float(centre_y), float(half_width), float(half_height), bool(round_))


def _blur(image: Image, x: float, y: float, half_width: float, half_height: float, is_round: bool) -> None:
    import cv2

    left, right = max(int(np.floor(x - half_width)), 0), min(int(np.ceil(x + half_width)), image.shape[1])
    top, bottom = max(int(np.floor(y - half_height)), 0), min(int(np.ceil(y + half_height)), image.shape[0])
    if left >= right or top >= bottom:
        return
    patch = image[top:bottom, left:right]
    cell = max(2 * half_width / _CELLS, 2 * half_height / _CELLS, _LEAST_CELL_PX)
    cells = (max(round((right - left) / cell), 1), max(round((bottom - top) / cell), 1))
    coarse = cv2.resize(patch, cells, interpolation=cv2.INTER_AREA)
    coarse = cv2.GaussianBlur(coarse, (0, 0), _BLUR_CELLS, borderType=cv2.BORDER_REPLICATE)
    smooth = cv2.resize(coarse, (right - left, bottom - top), interpolation=cv2.INTER_LINEAR)
    if not is_round:
        patch[:] = smooth
        return
    mask = np.zeros(patch.shape[:2], np.uint8)
    axes = (max(round(half_width), 1), max(round(half_height), 1))
    cv2.ellipse(mask, (round(x) - left, round(y) - top), axes, 0, 0, 360, 255, -1)
    cv2.copyTo(smooth, mask, patch)
