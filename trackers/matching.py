"""Which detection continues which track: the stages of one frame."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from data.records import CONFIRMED, LOST, TENTATIVE, DoubleArray, FloatArray, IntArray
from trackers.assignment import assign
from trackers.config import TrackerConfig
from trackers.costs import PairCosts
from trackers.lifecycle import TICK_S

Mask = NDArray[np.bool_]


class _Matching:
    """Pairs found so far; each stage takes from what the stages before left."""

    def __init__(self, tracks: int, detections: int) -> None:
        self.detection_of = np.full(tracks, -1, np.int64)
        self.free = np.ones(detections, bool)

    def stage(self, tracks: Mask, detections: Mask, cost: Callable[[], DoubleArray], limit: float) -> None:
        rows = np.flatnonzero(tracks & (self.detection_of < 0))
        columns = np.flatnonzero(detections & self.free)
        # In most frames one side of most stages is empty, and then nobody asks what pairs cost.
        if not len(rows) or not len(columns):
            return
        row, column = assign(cost()[np.ix_(rows, columns)], limit)
        self.detection_of[rows[row]] = columns[column]
        self.free[columns[column]] = False


def associate(
    pairs: PairCosts,
    familiarity: DoubleArray,
    state: NDArray[np.int8],
    unseen_s: DoubleArray,
    scores: FloatArray,
    config: TrackerConfig,
) -> IntArray:
    """Match detections to tracks, in four stages.

    Where and what shape a box is speaks for a track as far as the box is a person at all: 1 - cost is multiplied by its
    score (score fusion of BoT-SORT, Aharon et al., arXiv 2206.14651). So a doubtful box is taken only where it fits
    well, and a person who has gone is not looked for in clutter that stands nearby.

    1. Confident detections and confirmed tracks (lost ones too, for ``life.coast_s``), by motion and appearance.
    2. Weak detections and the tracks seen in the last frame that found nothing, by overlap (ByteTrack, Zhang et al.,
       ECCV 2022).
    3. Confident detections and tentative tracks.
    4. Confident detections and lost tracks, by appearance within the gate, which widens with the time unseen.

    Args:
        pairs: what motion says, T tracks and N detections.
        familiarity: (T, N) -1 a stranger ... 0 no evidence ... 1 oneself.
        state: (T,) state of the tracks.
        unseen_s: (T,) seconds since the last detection.
        scores: (N,) detection scores.
        config: the tracker's settings.

    Returns:
        (T,) int64 the detection of each track, or -1.
    """
    settings = config.association
    matching = _Matching(*pairs.motion.shape)
    confident = scores >= settings.score_high
    coasting = (state != TENTATIVE) & (unseen_s <= config.life.coast_s + TICK_S)

    def both() -> DoubleArray:
        fit = 1.0 - np.where(pairs.possible, pairs.motion, 1.0)
        return np.where(pairs.possible, 1.0 - fit * scores - settings.appearance_weight * familiarity, np.inf)

    def overlap() -> DoubleArray:
        return np.where(pairs.possible, 1.0 - pairs.iou, np.inf)

    matching.stage(coasting, confident, both, settings.max_cost)
    matching.stage(state == CONFIRMED, ~confident, overlap, settings.max_cost_low)
    matching.stage(state == TENTATIVE, confident, both, settings.max_cost_tentative)
    matching.stage(state == LOST, confident, lambda: refind_cost(pairs.distance, familiarity, config), 0.0)
    return matching.detection_of


def refind_cost(distance: DoubleArray, familiarity: DoubleArray, config: TrackerConfig) -> DoubleArray:
    """Cost below 0 where a lost track may be found again by its looks, +inf elsewhere.

    Args:
        distance: (T, N) squared Mahalanobis distance of the centres.
        familiarity: (T, N) -1 ... 1.
        config: the tracker's settings.
    """
    settings = config.association
    allowed = (distance <= settings.gate) & (familiarity >= settings.refind_evidence) & (familiarity > 0)
    return np.where(allowed, -familiarity, np.inf)
