"""Costs of track-detection pairs."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from data.kernels.boxes import areas, coverage_matrix, iou_matrix
from data.kernels.keypoints import oks_matrix
from data.records import DoubleArray, FloatArray
from trackers.config import AssociationConfig
from trackers.motion import SCALE_FLOOR_PX, MotionModel, MotionState


@dataclass(frozen=True, slots=True)
class PairCosts:
    """What motion says about T tracks and N detections.

    Attributes:
        distance: (T, N) float64 squared Mahalanobis distance of the centres.
        iou: (T, N) float32 overlap of predicted and detected box.
        motion: (T, N) float64 cost of the pair, 0-1; +inf where the gate forbids it.
    """

    distance: DoubleArray
    iou: FloatArray
    motion: DoubleArray

    @property
    def possible(self) -> NDArray[np.bool_]:
        """(T, N) pairs that the gate lets through."""
        return np.isfinite(self.motion)


def buffered_iou(tracks: FloatArray, boxes: FloatArray, margins: DoubleArray) -> DoubleArray:
    """Overlap of boxes that are first grown on every side by the track's uncertainty.

    Growing lets people match who moved further than their own width between two frames (C-BIoU, Yang et al., WACV
    2023); here the margin is not a fixed share of the box but what the Kalman filter does not know, so that it is small
    at 30 frames per second and large at 2.

    Args:
        tracks: (T, 4) predicted xyxy px.
        boxes: (N, 4) detected xyxy px.
        margins: (T,) px; both boxes of a pair are grown by the track's margin.

    Returns:
        (T, N) float64, 0-1.
    """
    margin = margins[:, None, None]
    low = np.maximum(tracks[:, None, :2], boxes[None, :, :2]) - margin
    high = np.minimum(tracks[:, None, 2:], boxes[None, :, 2:]) + margin
    sides = np.maximum(high - low, 0)
    inter = sides[..., 0] * sides[..., 1]
    grown_tracks = tracks[:, None, 2:] - tracks[:, None, :2] + 2 * margin
    grown_boxes = boxes[None, :, 2:] - boxes[None, :, :2] + 2 * margin
    union = grown_tracks[..., 0] * grown_tracks[..., 1] + grown_boxes[..., 0] * grown_boxes[..., 1] - inter
    return np.divide(inter, union, out=np.zeros_like(inter), where=union > 0)


def clear_share(boxes: FloatArray) -> FloatArray:
    """Share of each box that nobody in front covers, (N, 4) xyxy -> (N,), 0-1.

    Of two people on one ground, the one whose box ends lower in the image stands nearer to the camera. Only the largest
    cover counts.
    """
    in_front = boxes[None, :, 3] > boxes[:, None, 3]
    return 1 - np.where(in_front, coverage_matrix(boxes, boxes), 0).max(axis=1, initial=0)


def pose_distance(keypoints: FloatArray, found: FloatArray, boxes: FloatArray, skeleton: str) -> DoubleArray:
    """1 - OKS of each predicted skeleton and each detected one.

    Args:
        keypoints: (T, 17, 3) skeletons of the tracks, moved with their predicted boxes; all zero where unknown.
        found: (N, 17, 3) detected skeletons; all zero where none.
        boxes: (T, 4) predicted xyxy px, for the size.
        skeleton: layout of both.

    Returns:
        (T, N) float64, 0-1; NaN where either side has no skeleton.
    """
    distance = 1 - oks_matrix(keypoints, found, areas(boxes), skeleton).astype(np.float64)
    known = (keypoints[..., 2].max(axis=1, initial=0) > 0)[:, None] & (found[..., 2].max(axis=1, initial=0) > 0)[None]
    return np.where(known, distance, np.nan)


def add_pose(pairs: PairCosts, distance: DoubleArray, weight: float) -> PairCosts:
    """Let skeletons make up a share ``weight`` of the motion cost where both sides have one (``distance`` not NaN)."""
    mixed = (1 - weight) * pairs.motion + weight * np.nan_to_num(distance)
    return replace(pairs, motion=np.where(np.isnan(distance), pairs.motion, mixed))


def height_ratio(tracks: FloatArray, boxes: FloatArray) -> DoubleArray:
    """Lower height over larger height of every pair, (T, 4) and (N, 4) xyxy -> (T, N), 0-1."""
    own = np.maximum(tracks[:, 3] - tracks[:, 1], 0).astype(np.float64)[:, None]
    other = np.maximum(boxes[:, 3] - boxes[:, 1], 0).astype(np.float64)[None]
    larger = np.maximum(own, other)
    return np.divide(np.minimum(own, other), larger, out=np.zeros_like(larger), where=larger > 0)


def certainty(motion: MotionState, margins: DoubleArray) -> DoubleArray:
    """How well it is known where each track is, compared with the best known one.

    A box that is grown fits more of what is nearby, and a person who may be in many places is the less probably in any
    one of them. So the fit of a track counts by the root of how much less than its own the surest track's box is grown.
    Only the comparison counts: nobody loses where all are equally vague, as at two frames a second, nor who is alone.

    Args:
        motion: T predicted tracks.
        margins: (T,) px by which their boxes are grown on every side.

    Returns:
        (T,) float64, above 0 to 1.
    """
    grown = 1 + 2 * margins / np.maximum(motion.mean[:, 3, 0], SCALE_FLOOR_PX)
    return np.sqrt(grown.min(initial=np.inf) / grown)


def pair_costs(model: MotionModel, motion: MotionState, boxes: FloatArray, config: AssociationConfig) -> PairCosts:
    """Gate and cost of every pair by position and shape.

    The cost is 1 - buffered overlap x ratio of heights x certainty: people who stand in one another's way overlap much,
    but seldom have the same height in the image (height-modulated IoU, Yang et al., Hybrid-SORT, AAAI 2024); and of two
    tracks that could explain a box, the one of which it is better known where it is has the better claim.
    """
    predicted = motion.boxes()
    distance = model.gating_distance(motion, boxes)
    margins = config.buffer * motion.position_std()
    overlap = buffered_iou(predicted, boxes, margins)
    forbidden = (distance > config.gate) | (overlap < config.min_iou)
    cost = np.where(
        forbidden, np.inf, 1 - overlap * height_ratio(predicted, boxes) * certainty(motion, margins)[:, None]
    )
    return PairCosts(distance, iou_matrix(predicted, boxes), cost)
