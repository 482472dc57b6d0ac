"""Filling the gaps of a finished tracklet."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from data.records import Tracklet


def interpolate(tracklet: Tracklet, max_gap_s: float) -> Tracklet:
    """Add rows for the frames in which a person was missed, on straight lines between the rows around.

    The spacing of frames that were looked at is taken from the tracklet itself (its smallest step), so a video read at
    every third frame is not filled with the two between. Added rows have score 0 and, where there are skeletons, a zero
    skeleton ("none"). Prototypes keep the rows they were taken from.

    Args:
        tracklet: rows rising in time.
        max_gap_s: gaps between two rows that last longer stay open; 0 fills nothing.

    Returns:
        The tracklet itself where there is nothing to fill.
    """
    steps = np.diff(tracklet.frames)
    if not len(steps):
        return tracklet
    spacing = int(steps.min())
    short = np.diff(tracklet.times_s) <= max_gap_s
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
    )
