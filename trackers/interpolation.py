"""Finished tracklets made whole: the frames in which a person was missed, and boxes without the detector's jitter."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from data.kernels.boxes import row_ious
from data.records import DoubleArray, FloatArray, Tracklet

_REACH = 3.0
# Longer than any pause between two looks at a resting picture (``detector.pace.rest_s``).
STILL_S = 2.5
_STILL_IOU = 0.7


def frame_step(tracklets: Iterable[Tracklet]) -> int:
    """The spacing of the frames that were used of a camera: the smallest step in any of its tracklets, at least 1."""
    steps = [np.diff(tracklet.frames).min() for tracklet in tracklets if len(tracklet) > 1]
    return int(min(steps, default=1))


def interpolate(tracklet: Tracklet, max_gap_s: float, smooth_s: float = 0.25, step: int | None = None) -> Tracklet:
    """Smooth the boxes, then add rows on straight lines for the frames in which the person was missed.

    Only frames that were used are filled, so a video read at every third frame is not filled with the two between.
    Added rows have score 0 and, where there are skeletons, a zero skeleton ("none"). Prototypes keep the rows they were
    taken from.

    Args:
        tracklet: rows rising in time.
        max_gap_s: gaps between two rows that last longer stay open, but for one of up to ``STILL_S`` between boxes that
            overlap so well that the person stood there; 0 fills nothing.
        smooth_s: see ``smooth``; 0 leaves the boxes as they were detected.
        step: spacing of the frames that were used of its camera (``frame_step``); None: as the tracklet alone tells.
    """
    smoothed = replace(tracklet, boxes=smooth(tracklet.boxes, tracklet.times_s, smooth_s)) if smooth_s > 0 else tracklet
    return _fill(smoothed, max_gap_s, frame_step([tracklet]) if step is None else step)


def smooth(boxes: FloatArray, times_s: DoubleArray, deviation_s: float) -> FloatArray:
    """Local straight-line fit of centre and sides with Gaussian weights over time.

    A line, not a mean, so that a steadily walking person is not pulled inwards at the ends of the tracklet. Weights
    depend on seconds, so that the frame rate does not matter and rows further away than a gap have no say.

    Args:
        boxes: (T, 4) xyxy px.
        times_s: (T,) rising.
        deviation_s: standard deviation of the weights, seconds, > 0.

    Returns:
        (T, 4) float32.
    """
    if len(boxes) < 3:
        return boxes
    wide = boxes.astype(np.float64)
    shape = np.concatenate([(wide[:, :2] + wide[:, 2:]) / 2, wide[:, 2:] - wide[:, :2]], axis=1)
    first = np.searchsorted(times_s, times_s - _REACH * deviation_s)
    last = np.searchsorted(times_s, times_s + _REACH * deviation_s, side="right")
    window = first[:, None] + np.arange((last - first).max())
    inside = window < last[:, None]
    window = np.minimum(window, len(boxes) - 1)
    offset = times_s[window] - times_s[:, None]
    weight = np.where(inside, np.exp(-0.5 * (offset / deviation_s) ** 2), 0)
    # Weighted least squares of value = a + b * offset; the answer is a.
    total, first_moment, second_moment = weight.sum(1), (weight * offset).sum(1), (weight * offset**2).sum(1)
    values = np.einsum("tw,twc->tc", weight, shape[window])
    slopes = np.einsum("tw,twc->tc", weight * offset, shape[window])
    determinant = total * second_moment - first_moment**2
    line = determinant > 1e-6 * (total * deviation_s) ** 2
    fitted = (second_moment[:, None] * values - first_moment[:, None] * slopes) / np.where(line, determinant, 1)[
        :, None
    ]
    fitted = np.where(line[:, None], fitted, values / total[:, None])
    half = np.maximum(fitted[:, 2:], 0) / 2
    return np.concatenate([fitted[:, :2] - half, fitted[:, :2] + half], axis=1).astype(np.float32)


def _fill(tracklet: Tracklet, max_gap_s: float, spacing: int) -> Tracklet:
    steps = np.diff(tracklet.frames)
    if not len(steps):
        return tracklet
    gaps_s = np.diff(tracklet.times_s)
    still = row_ious(tracklet.boxes[:-1], tracklet.boxes[1:]) >= _STILL_IOU
    short = (max_gap_s > 0) & (gaps_s <= np.where(still, max(max_gap_s, STILL_S), max_gap_s))
    missing = np.where(short, (steps - 1) // spacing, 0)
    if not missing.any():
        return tracklet
    before = np.repeat(np.arange(len(steps)), missing)
    number = np.arange(len(before)) - np.repeat(np.cumsum(missing) - missing, missing) + 1
    share = number * spacing / steps[before]
    place = np.arange(len(tracklet)) + np.concatenate([[0], np.cumsum(missing)])
    added = np.ones(len(tracklet) + len(before), bool)
    added[place] = False

    def fill(column: NDArray, between: NDArray | float) -> NDArray:
        filled = np.zeros((len(added), *column.shape[1:]), column.dtype)
        filled[place], filled[added] = column, between
        return filled

    def on_line(column: NDArray) -> NDArray:
        weight = share.reshape(-1, *[1] * (column.ndim - 1))
        return fill(column, (1 - weight) * column[before] + weight * column[before + 1])

    return replace(
        tracklet,
        times_s=on_line(tracklet.times_s),
        frames=fill(tracklet.frames, tracklet.frames[before] + number * spacing),
        boxes=on_line(tracklet.boxes),
        scores=fill(tracklet.scores, 0.0),
        keypoints=None if tracklet.keypoints is None else fill(tracklet.keypoints, 0.0),
        prototype_rows=place[tracklet.prototype_rows],
        world_xy=None if tracklet.world_xy is None else on_line(tracklet.world_xy),
        world_cov=None if tracklet.world_cov is None else on_line(tracklet.world_cov),
        world_height=None if tracklet.world_height is None else on_line(tracklet.world_height),
    )
