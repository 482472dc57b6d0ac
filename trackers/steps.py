"""How an instant follows the one before, and which of its detections can be used."""

import logging
from typing import Literal

import numpy as np

from data.records import Detections, IntArray

logger = logging.getLogger(__name__)

Step = Literal["track", "skip", "cut"]
"""track: go on; cut: close all tracks first; skip: leave the instant out."""


def step_after(last_s: float | None, time_s: float, max_gap_s: float) -> Step:
    """How an instant follows the last one.

    Args:
        last_s: of the last instant that was tracked; None before the first.
        time_s: of this one.
        max_gap_s: a longer gap, forwards or (a restarted source) backwards, is a cut.
    """
    if last_s is None:
        return "track"
    if abs(time_s - last_s) > max_gap_s:
        return "cut"
    return "track" if time_s > last_s else "skip"


def tell_skipped(what: str, time_s: float, last_s: float | None, count: int) -> None:
    """Say that an instant is left out: the first time as a warning.

    Args:
        what: is left out ("camera 'hall': frame 7").
        time_s: its time.
        last_s: of the one before.
        count: how many were left out so far, this one included.
    """
    level = logging.WARNING if count == 1 else logging.DEBUG
    logger.log(level, "%s at %.3f s is not later than the one before (%.3f s); left out", what, time_s, last_s)


def usable_rows(detections: Detections, score_low: float) -> IntArray:
    """Rows with a score worth using and a real box, best first; ties by position, so that row order does not matter."""
    boxes, scores = detections.boxes, detections.scores
    real = np.isfinite(boxes).all(axis=1) & (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    rows = np.flatnonzero(real & (scores >= score_low))
    return rows[np.lexsort((*boxes[rows].T[::-1], -scores[rows]))]
