"""Skeletons between two that were seen: where they are made on demand, most rows of a person have none."""

import numpy as np
from numpy.typing import NDArray

from data.records import DoubleArray, FloatArray, IntArray


def bridge_skeletons(
    keypoints: FloatArray,
    boxes: NDArray[np.floating],
    times_s: DoubleArray,
    whose: IntArray,
    max_gap_s: float,
    wanted: NDArray[np.bool_],
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Give rows between two skeletons of one person what both show, each joint in its place within the box.

    Joints move with their box, so they go with it; on a straight line through the picture instead, they lie 1 to 34 %
    further from where they are found (``docs/results.md``). A joint that one of the two does not show is not there, and
    confidence is the lesser of the two.

    Args:
        keypoints: (N, 17, 3) x px, y px, confidence; all confidences of a row are 0 where none was seen.
        boxes: (N, 4) xyxy px.
        times_s: (N,) rising within a person.
        whose: (N,) person of each row, equal ones in a row.
        max_gap_s: the two skeletons are at most so far apart, seconds.
        wanted: (N,) rows that may be given one.

    Returns:
        (N, 17, 3) float32 keypoints, and (N,) which rows were given some.
    """
    known = (keypoints[..., 2] > 0).any(axis=1)
    seen, rows = np.flatnonzero(known), np.flatnonzero(~known & wanted)
    place = np.searchsorted(seen, rows)
    inner = (place > 0) & (place < len(seen))
    rows, a, b = rows[inner], seen[place[inner] - 1], seen[place[inner]]
    near = (whose[a] == whose[rows]) & (whose[b] == whose[rows]) & (times_s[b] - times_s[a] <= max_gap_s)
    rows, a, b = rows[near], a[near], b[near]
    share = ((times_s[rows] - times_s[a]) / np.maximum(times_s[b] - times_s[a], 1e-9))[:, None, None]
    corner, size = boxes[:, None, :2], np.maximum(boxes[:, None, 2:] - boxes[:, None, :2], 1)
    before, after = ((keypoints[one, :, :2] - corner[one]) / size[one] for one in (a, b))
    sure = np.minimum(keypoints[a, :, 2:], keypoints[b, :, 2:])
    within = corner[rows] + ((1 - share) * before + share * after) * size[rows]
    found = np.array(keypoints, np.float32)
    found[rows] = np.where(sure > 0, np.concatenate([within, sure], axis=2), 0.0)
    made = np.zeros(len(found), bool)
    made[rows] = True
    return found, made
