"""When tracks begin, become certain and end."""

import numpy as np
from numpy.typing import NDArray

from data.kernels.boxes import areas, intersections, iou_matrix
from data.records import CONFIRMED, LOST, TENTATIVE, FloatArray, IntArray
from trackers.config import LifeConfig, TrackerConfig
from trackers.table import TrackTable

Mask = NDArray[np.bool_]
# Times are multiples of a frame: a limit that is one too is reached, whatever rounding says.
TICK_S = 1e-6


def starters(boxes: FloatArray, scores: FloatArray, used: Mask, config: LifeConfig) -> IntArray:
    """Detections that start a track: confident, left over, and no second box round a person who has one.

    Args:
        boxes: (N, 4) xyxy px, best first.
        scores: (N,).
        used: (N,) detections that continue a track.
        config: thresholds.

    Returns:
        (K,) int64, rising.
    """
    candidates = np.flatnonzero(~used & (scores >= config.score_new))
    if not len(candidates):
        return candidates
    rivals = np.concatenate([np.flatnonzero(used), candidates])
    overlap = iou_matrix(boxes[candidates], boxes[rivals]) > config.duplicate_iou
    before = len(rivals) - len(candidates)
    earlier = np.tril(overlap[:, before:], k=-1)
    return candidates[~(overlap[:, :before].any(axis=1) | earlier.any(axis=1))]


def confirmable(table: TrackTable, seen: Mask, time_s: float, config: LifeConfig) -> Mask:
    """(T,) tentative tracks, seen just now, that have been seen often and long enough."""
    old = time_s - table.born_s >= config.confirm_s - TICK_S
    return seen & (table.state == TENTATIVE) & (table.hits >= config.confirm_hits) & old


def ended(table: TrackTable, seen: Mask, time_s: float, size: tuple[int, int], config: TrackerConfig) -> Mask:
    """(T,) tracks that are over: missed before they were confirmed, unseen for too long, or out of the picture.

    Args:
        table: the tracks, predicted to ``time_s`` where not seen.
        seen: (T,) tracks that were seen just now.
        time_s: now.
        size: (width, height) of the frame in px; (0, 0), unknown, lets nobody leave the picture.
        config: the tracker's settings.
    """
    unseen_s = time_s - table.seen_s
    boxes = table.motion.boxes()
    frame = np.array([[0, 0, *size]], np.float32)
    whole = np.maximum(areas(boxes), 1e-6)
    inside = intersections(boxes, frame)[:, 0] / whole
    outside = (inside < config.life.exit_share) & (size != (0, 0))
    given_up = (table.state == TENTATIVE) | (unseen_s > config.lost_s + TICK_S)
    return ~seen & (given_up | outside)


def mark(table: TrackTable, seen: Mask) -> None:
    """Set the states after a frame: who was confirmed and missed is lost, who was lost and seen is confirmed."""
    known = table.state != TENTATIVE
    table.state[known & seen] = CONFIRMED
    table.state[known & ~seen] = LOST
