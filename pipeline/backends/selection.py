"""From raw network rows to clean boxes of one picture."""

import numpy as np
from numpy.typing import NDArray

from data.kernels.boxes import clip, nms
from data.records import Detections, FloatArray, Image

# Suppression compares all pairs, so its input is bounded.
_MAX_CANDIDATES = 1500
_MIN_SIDE_PX = 1.0


def best_rows(scores: FloatArray, score_min: float) -> NDArray[np.int64]:
    """Rows of at least ``score_min``, best first, at most 1500; NaN scores never pass. (N,) -> (K,)."""
    rows = np.flatnonzero(scores >= score_min)
    return rows[np.argsort(-scores[rows], kind="stable")][:_MAX_CANDIDATES]


def clean(
    boxes: FloatArray, scores: FloatArray, width: int, height: int, nms_iou: float, max_detections: int
) -> tuple[Detections, NDArray[np.int64]]:
    """Clip to the frame, drop what is no box, suppress duplicates.

    Args:
        boxes: (N, 4) xyxy px of the frame.
        scores: (N,) 0-1.
        width: of the frame, px.
        height: of the frame, px.
        nms_iou: see ``data.kernels.boxes.nms``; 1 keeps all.
        max_detections: best boxes kept.

    Returns:
        The detections, best first, and the (K,) rows of the input they came from.
    """
    finite = np.isfinite(boxes).all(axis=1) & np.isfinite(scores)
    rows = np.flatnonzero(finite)
    boxes = clip(boxes[rows], width, height)
    large = ((boxes[:, 2:] - boxes[:, :2]) >= _MIN_SIDE_PX).all(axis=1)
    rows, boxes = rows[large], boxes[large]
    kept = nms(boxes, scores[rows], nms_iou)[:max_detections]
    rows = rows[kept]
    detections = Detections(
        np.ascontiguousarray(boxes[kept], np.float32),
        np.clip(scores[rows], 0, 1).astype(np.float32),
        np.zeros(len(rows), np.int64),
    )
    return detections, rows


def visible(image: Image) -> bool:
    """A picture with at least one pixel; the back-ends answer an empty one with no detections."""
    return image.ndim == 3 and image.shape[0] > 0 and image.shape[1] > 0
