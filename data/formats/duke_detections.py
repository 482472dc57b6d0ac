"""Detections of DukeMTMC: ``camera<k>.mat`` with a matrix ``detections``, one row per person found.

The first two columns are camera and frame, from 1 in the camera's video. OpenPose's rows go on with 18 times x, y,
confidence, shares of the picture, in the order of its COCO model; those of DPM with left, top, right, bottom px and end
with the confidence. Pictures have 1920 x 1080 px.

A box of a skeleton is, as in the public code of DeepCC (``pose2bb``, ``scale_bb``), the smallest rectangle that holds
its points and a template of the body fitted to them, a quarter wider and higher.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.errors import UserError
from data.formats.mat import read_mat
from data.formats.number_rows import LARGEST_WHOLE
from data.records import DoubleArray, FloatArray, IntArray

_SIZE = np.array([1920.0, 1080.0])
_POSE_COLUMNS = 2 + 18 * 3
_FEWEST_COLUMNS = 7
_SEEN = 0.05
_LARGER = 1.25
# Px of a person 100 px wide, relative to the nose; left and right are the person's.
_TEMPLATE = np.array([
    (0, 0), (0, 23), (28, 23), (39, 66), (45, 108), (-28, 23), (-39, 66), (-45, 108), (20, 106), (20, 169),
    (20, 231), (-20, 106), (-20, 169), (-20, 231), (5, -7), (-5, -7), (11, -8), (-11, -8),
], np.float64)  # fmt: skip
_TEMPLATE_BOX = np.array([(-50, -15), (50, 240)], np.float64)
# Where each of COCO's 17 stands in OpenPose's 18, whose second is the neck.
_COCO17 = [0, 15, 14, 17, 16, 5, 2, 6, 3, 7, 4, 11, 8, 12, 9, 13, 10]


@dataclass(frozen=True, slots=True, eq=False)
class DukeDetections:
    """Detections of one camera, sorted by frame.

    Attributes:
        frames: (N,) int64, from 0.
        boxes: (N, 4) float32 xyxy px.
        scores: (N,) float32: mean confidence of the points that were seen, or DPM's own.
        keypoints: (N, 17, 3) float32 x px, y px, confidence, COCO's; None for DPM.
    """

    frames: IntArray
    boxes: FloatArray
    scores: FloatArray
    keypoints: FloatArray | None


def read_duke_detections(path: Path) -> DukeDetections:
    """Read a file.

    Raises:
        UserError: it is no such file, or a row is broken.
    """
    found = read_mat(path, ("detections",))
    if "detections" not in found:
        raise UserError(f"{path} is no file of DukeMTMC's detections: it lacks 'detections'")
    values = found["detections"]
    if values.dtype.kind not in "iuf" or values.ndim != 2 or values.shape[1] < _FEWEST_COLUMNS:
        raise UserError(
            f"{path}: 'detections' is {values.dtype} of the shape {values.shape}; expected rows of camera, frame and a "
            f"box with its confidence, or {_POSE_COLUMNS} columns of a skeleton"
        )
    told = np.asarray(values[:, 1], np.float64)
    bad = ~np.isfinite(values).all(axis=1) | (told < 1) | (told != np.floor(told)) | (told > LARGEST_WHOLE)
    if bad.any():
        raise UserError(
            f"{path}: row {int(np.argmax(bad)) + 1} has a number that is not finite, or a frame that is none from 1 "
            f"on ({int(bad.sum())} such rows)"
        )
    cameras = np.unique(values[:, 0])
    if len(cameras) > 1:
        raise UserError(
            f"{path}: 'detections' has rows of {len(cameras)} cameras ({cameras[0]:g}, {cameras[1]:g}, ...); give each "
            "camera a file of its own"
        )
    order = np.argsort(told, kind="stable")
    frames, values = told[order].astype(np.int64) - 1, values[order]
    if values.shape[1] != _POSE_COLUMNS:
        boxes = values[:, 2:6].astype(np.float32)
        inverted = int((boxes[:, 2:] < boxes[:, :2]).any(axis=1).sum())
        if inverted:
            raise UserError(f"{path}: {inverted} boxes have right before left, or bottom above top; expected left top "
                            "right bottom")  # fmt: skip
        return DukeDetections(frames, boxes, values[:, -1].astype(np.float32), None)
    points = values[:, 2:].reshape(-1, 18, 3).astype(np.float64)
    seen = (points[..., 0] != 0) & (points[..., 1] != 0) & (points[..., 2] >= _SEEN)
    scores = (points[..., 2] * seen).sum(axis=1) / np.maximum(1, seen.sum(axis=1))
    pixels = np.concatenate([points[..., :2] * _SIZE, points[..., 2:]], axis=2) * seen[..., None]
    return DukeDetections(
        frames,
        skeleton_boxes(points[..., :2] * _SIZE, seen).astype(np.float32),
        scores.astype(np.float32),
        np.ascontiguousarray(pixels[:, _COCO17].astype(np.float32)),
    )


def skeleton_boxes(points: DoubleArray, seen: np.ndarray) -> DoubleArray:
    """Boxes of skeletons.

    Args:
        points: (N, 18, 2) px.
        seen: (N, 18) bool.

    Returns:
        (N, 4) xyxy px; zero where fewer than two points were seen.
    """
    weight = seen[..., None].astype(np.float64)
    count = np.maximum(1.0, weight.sum(axis=1))
    template, found = ((weight * side).sum(axis=1) / count for side in (_TEMPLATE[None], points))
    apart = weight * (_TEMPLATE[None] - template[:, None])
    spread = (apart**2).sum(axis=1)
    # Points of one height say nothing of the scale: the template shrinks to them.
    slope = np.divide((apart * points).sum(axis=1), spread, out=np.zeros_like(spread), where=spread > 0)
    fitted = found[:, None] + slope[:, None] * (_TEMPLATE_BOX[None] - template[:, None])
    low = np.minimum(np.where(seen[..., None], points, np.inf).min(axis=1), fitted.min(axis=1))
    high = np.maximum(np.where(seen[..., None], points, -np.inf).max(axis=1), fitted.max(axis=1))
    margin = (high - low + 1) * (_LARGER - 1) / 2
    boxes = np.concatenate([low - margin, high + 1 + margin], axis=1)
    return np.where((seen.sum(axis=1) < 2)[:, None], 0.0, boxes)
