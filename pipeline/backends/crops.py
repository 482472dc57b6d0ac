"""Cutting people out for top-down pose estimators, and mapping their keypoints back."""

import numpy as np

from data.records import FloatArray, Image

# cv2.warpAffine looks at four pixels: where a crop shrinks the frame by more than this, averaging comes first.
_MAX_SHRINK = 2.0


def windows(boxes: FloatArray, margin: float, aspect: float) -> FloatArray:
    """The region of the frame each crop shows: the box grown to a fixed aspect, around its centre.

    Args:
        boxes: (N, 4) xyxy px.
        margin: the box's sides are multiplied by this first.
        aspect: width / height of the crop.

    Returns:
        (N, 4) float32 xyxy px; may reach beyond the frame.
    """
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 1.0) * margin
    width = np.maximum(sides[:, 0], sides[:, 1] * aspect)
    half = np.stack([width, width / aspect], axis=1) / 2
    return np.concatenate([centres - half, centres + half], axis=1).astype(np.float32)


def cut(image: Image, regions: FloatArray, height: int, width: int) -> Image:
    """Sample regions of a frame into crops of one size; what lies outside the frame is black.

    Args:
        image: (H, W, 3) uint8.
        regions: (N, 4) xyxy px, of the crops' aspect.
        height: of a crop, px.
        width: of a crop, px.

    Returns:
        (N, height, width, 3) uint8.
    """
    import cv2

    crops = np.zeros((len(regions), height, width, 3), np.uint8)
    scales = (regions[:, 2] - regions[:, 0]) / width
    for crop, region, scale in zip(crops, regions.astype(np.float64), scales.astype(np.float64)):
        low = np.maximum(np.floor(region[:2]).astype(int) - 1, 0)
        high = np.minimum(np.ceil(region[2:]).astype(int) + 1, [image.shape[1], image.shape[0]])
        if (high <= low).any():
            continue
        source = image[low[1] : high[1], low[0] : high[0]]
        shrink = np.ones(2)
        if scale > _MAX_SHRINK:
            size = np.maximum(np.round((high - low) / scale).astype(int), 1)
            shrink = (high - low) / size
            source = cv2.resize(source, (int(size[0]), int(size[1])), interpolation=cv2.INTER_AREA).astype(
                np.uint8, copy=False
            )
        # Pixel centres: crop pixel u shows frame coordinate x1 + (u + 0.5) * scale.
        shift = (region[:2] - low + 0.5 * scale) / shrink - 0.5
        matrix = np.array([[scale / shrink[0], 0, shift[0]], [0, scale / shrink[1], shift[1]]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        cv2.warpAffine(source, matrix, (width, height), dst=crop, flags=flags, borderMode=cv2.BORDER_CONSTANT)
    return crops


def points_back(points: FloatArray, regions: FloatArray) -> FloatArray:
    """Keypoints of crops to the frame.

    Args:
        points: (N, K, 3) x, y as shares 0-1 of the crop's sides, confidence.
        regions: (N, 4) xyxy px, see ``windows``.

    Returns:
        (N, K, 3) float32 x px, y px, confidence 0-1; a keypoint with a NaN is zero.
    """
    sides = (regions[:, 2:] - regions[:, :2])[:, None]
    places = regions[:, None, :2] + points[..., :2] * sides
    out = np.concatenate([places, np.clip(points[..., 2:], 0, 1)], axis=-1)
    out[~np.isfinite(out).all(axis=-1)] = 0
    return out.astype(np.float32)
