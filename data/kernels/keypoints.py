"""Array kernels on keypoints."""

import numpy as np
from numpy.typing import NDArray

from data.kernels.boxes import areas
from data.skeletons import SKELETONS

FloatArray = NDArray[np.float32]

_SAME_PERSON = 0.85


def oks_matrix(
    a: FloatArray, b: FloatArray, areas: FloatArray, skeleton: str = "coco17", min_confidence: float = 0.0
) -> FloatArray:
    """Object keypoint similarity of every pair (COCO keypoint evaluation).

    exp(-d^2 / (2 s^2 k^2)) with k = 2 sigma, averaged over the keypoints of ``a`` above ``min_confidence``.

    Args:
        a: (N, K, 3) reference skeletons: x px, y px, confidence.
        b: (M, K, 3) skeletons compared with them.
        areas: (N,) object area of each reference, square pixels.
        skeleton: layout of both.
        min_confidence: keypoints of ``a`` at or below it do not count.

    Returns:
        (N, M), 0-1; 0 where the reference has no keypoint.
    """
    return _similarity(a[:, None], b[None], areas[:, None], skeleton, min_confidence)


def _similarity(a: FloatArray, b: FloatArray, areas: FloatArray, skeleton: str, min_confidence: float) -> FloatArray:
    """As ``oks_matrix`` for skeletons (..., K, 3) and areas (...) that are broadcast against each other."""
    variances = (2 * np.asarray(SKELETONS[skeleton].sigmas, np.float32)) ** 2
    square = ((a[..., :2] - b[..., :2]) ** 2).sum(-1)
    scale = 2 * variances * np.maximum(areas, 1.0)[..., None]
    counted = (a[..., 2] > min_confidence).astype(np.float32)
    total = (np.exp(-square / scale) * counted).sum(-1)
    count = np.broadcast_to(counted.sum(-1), total.shape)
    return np.divide(total, count, out=np.zeros_like(total), where=count > 0)


def bounds(keypoints: FloatArray, min_confidence: float = 0.0) -> FloatArray:
    """Tight box round the confident keypoints: (N, K, 3) -> (N, 4) xyxy px; zeros where there are none."""
    seen = keypoints[..., 2] > min_confidence
    low = np.where(seen[..., None], keypoints[..., :2], np.inf).min(axis=1, initial=np.inf)
    high = np.where(seen[..., None], keypoints[..., :2], -np.inf).max(axis=1, initial=-np.inf)
    boxes = np.concatenate([low, high], axis=1)
    return np.where(np.isfinite(boxes), boxes, 0).astype(np.float32)


def same_person(
    a: FloatArray, b: FloatArray, min_confidence: float = 0.0, skeleton: str = "coco17"
) -> NDArray[np.bool_]:
    """Whether skeletons of one picture are second skeletons of a person, found twice in overlapping boxes.

    Object keypoint similarity above 0.85, see ``oks_matrix``: over all keypoints of the person, or over those that both
    show, as a second skeleton often has half of the body only. The area is that of the tight box round the keypoints
    that are compared.

    Args:
        a: (N, K, 3) x px, y px, confidence: the people.
        b: (M, K, 3) what may be found of them again.
        min_confidence: keypoints at or below it do not count.
        skeleton: layout of both.

    Returns:
        (N, M); False for a person without a counted keypoint.
    """
    whole = oks_matrix(a, b, areas(bounds(a, min_confidence)), skeleton, min_confidence)
    shared = np.repeat(a[:, None], len(b), axis=1)
    shared[..., 2] *= b[..., 2] > min_confidence
    extents = areas(bounds(shared.reshape(-1, *a.shape[1:]), min_confidence)).reshape(whole.shape)
    partly = _similarity(shared, b[None], extents, skeleton, min_confidence)
    return np.asarray((whole > _SAME_PERSON) | (partly > _SAME_PERSON))
