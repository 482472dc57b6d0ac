"""People of a camera group who stood at different places at the same time."""

import numpy as np

from data.records import DoubleArray, IntArray
from pipeline.association.pair_codes import pair_codes
from pipeline.association.table import TrackletTable


def strangers(table: TrackletTable, apart_m: float) -> IntArray:
    """Codes of the pairs of people (``TrackletTable.person``) who cannot be one: their places at once lie apart.

    Two tracks of one person, which a tracker may make for a while, lie on one another and stay possible.

    Args:
        table: the tracklets.
        apart_m: median distance over the time both were there, metres, above which they are two people.
    """
    paths = _paths(table)
    order = sorted(paths, key=lambda person: (paths[person][0][0], person))
    starts = np.array([paths[person][0][0] for person in order])
    found = []
    for place, person in enumerate(order):
        last_s = paths[person][0][-1]
        for other in order[place + 1 : int(np.searchsorted(starts, last_s, "right"))]:
            of_one_group = table.group_of_person[person] == table.group_of_person[other]
            if of_one_group and _distance_m(*paths[person], *paths[other]) > apart_m:
                found.append((person, other))
    pairs = np.array(found, np.int64).reshape(-1, 2)
    return np.unique(pair_codes(pairs[:, 0], pairs[:, 1], len(table)))


def _distance_m(times: DoubleArray, xy: DoubleArray, other_times: DoubleArray, other_xy: DoubleArray) -> float:
    """Median distance of two paths at the times of the first that the second covers; NaN where there are none.

    Between rows a path is a straight line.
    """
    shared = (times >= other_times[0]) & (times <= other_times[-1])
    if not shared.any():
        return np.nan
    there = [np.interp(times[shared], other_times, other_xy[:, axis]) for axis in (0, 1)]
    return float(np.median(np.hypot(xy[shared, 0] - there[0], xy[shared, 1] - there[1])))


def _paths(table: TrackletTable) -> dict[int, tuple[DoubleArray, DoubleArray]]:
    """Common times, rising, and places in metres of each person of a group, over all views."""
    parts: dict[int, list[tuple[DoubleArray, DoubleArray]]] = {}
    for row in np.flatnonzero(table.person >= 0).tolist():
        tracklet = table.tracklets[row]
        if tracklet.world_xy is None:
            continue
        seen = np.isfinite(tracklet.world_xy).all(axis=1)
        if seen.any():
            # Offset and drift are linear: the common time of a row follows from that of the first and the last.
            times = np.interp(tracklet.times_s[seen], tracklet.times_s[[0, -1]], [table.start_s[row], table.end_s[row]])
            parts.setdefault(int(table.person[row]), []).append((times, tracklet.world_xy[seen].astype(np.float64)))
    paths = {}
    for person, pieces in parts.items():
        times, xy = (np.concatenate(column) for column in zip(*pieces, strict=True))
        times, first = np.unique(times, return_index=True)
        paths[person] = (times, xy[first])
    return paths
