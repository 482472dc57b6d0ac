"""Stretches of detection files in which nobody is: after a while they are passed over.

A tracker that has seen nobody for long enough has closed every track, and what follows changes nothing until somebody
comes. Frame numbers like clock times, or a day with people for an hour, cost what the people in them cost.
"""

import math
from collections.abc import Mapping

import numpy as np

from data.clock import Clock
from data.formats.detections_in import CameraDetections
from data.records import DoubleArray
from data.site import Scope, Site

# The cameras of a group look at an instant together, and need not tick at the same times.
_BEFORE_S = 1.0


def walked_frames(
    found: Mapping[str, CameraDetections],
    scope: Scope,
    site: Site,
    fps: Mapping[str, float],
    counts: Mapping[str, int],
    quiet_s: float,
) -> dict[str, list[range]]:
    """Frames of the cameras of a scope that a tracker must be told of.

    These are the first, the last, and all from shortly before somebody is in any camera of the scope until nobody has
    been for ``quiet_s``.

    Args:
        found: detections by camera.
        scope: cameras that one tracker follows.
        site: puts times on the common clock.
        fps: of each camera.
        counts: frames of each camera that are looked at.
        quiet_s: seconds after which a tracker knows nobody; infinite walks every frame.

    Returns:
        Per camera of the scope, rising ranges of frames that do not touch.
    """
    if math.isinf(quiet_s):
        return {camera: [range(counts[camera])] for camera in scope.cameras}
    seen = [
        site.common_times(camera, np.unique(found[camera].frames[found[camera].frames < counts[camera]]) / fps[camera])
        for camera in scope.cameras
    ]
    stretches = _stretches(np.unique(np.concatenate(seen)), quiet_s)
    return {camera: _frames(stretches, site.clock(camera), fps[camera], counts[camera]) for camera in scope.cameras}


def _stretches(seen_s: DoubleArray, quiet_s: float) -> DoubleArray:
    """(S, 2) first and last common second of each stretch that is walked, from the times somebody is seen, rising."""
    if not len(seen_s):
        return np.zeros((0, 2))
    breaks = np.flatnonzero(np.diff(seen_s) > quiet_s + _BEFORE_S)
    first, last = seen_s[np.append(0, breaks + 1)], seen_s[np.append(breaks, len(seen_s) - 1)]
    return np.stack([first - _BEFORE_S, last + quiet_s], axis=1)


def _frames(stretches: DoubleArray, clock: Clock, fps: float, count: int) -> list[range]:
    """The frames of a camera within stretches of common time, its first and its last."""
    if count < 1:
        return []
    own = clock.to_source(stretches) * fps
    bounds = np.stack([np.floor(own[:, 0]), np.ceil(own[:, 1]) + 1], axis=1).clip(0, count).astype(np.int64).tolist()
    merged: list[range] = []
    for first, end in sorted([[0, 1], *bounds, [count - 1, count]]):
        if merged and first <= merged[-1].stop:
            merged[-1] = range(merged[-1].start, max(end, merged[-1].stop))
        elif end > first:
            merged.append(range(first, end))
    return merged
