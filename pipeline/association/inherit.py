"""New identities take over the global ids of an earlier association."""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from data.records import DoubleArray, GlobalTrack, IntArray
from pipeline.association.table import TrackletTable

_INSTANT_S = 1e-3


def inherit_ids(table: TrackletTable, labels: IntArray, previous: Sequence[GlobalTrack] | None) -> list[int]:
    """Global id of each identity.

    An identity gets the old id with which it shares most tracked time, the assignment over all being the best in sum;
    the rest get new ids from the highest old one on (from 1 on where there is none), by their first appearance.
    Tracked time is shared through one tracklet: the same camera and local id. Clocks may have been corrected in
    between, so lengths are compared, not times.

    Args:
        table: the tracklets.
        labels: (N,) identity of each row.
        previous: identities of the earlier association, or None.
    """
    count = int(labels.max(initial=-1)) + 1
    result = [-1] * count
    if previous:
        shared = _shared_time(table, labels, count, previous)
        for name, old in zip(*linear_sum_assignment(shared, maximize=True)):
            if shared[name, old] > 0:
                result[name] = previous[old].global_id
    fresh = max((track.global_id for track in previous or ()), default=0) + 1
    order = np.lexsort((table.camera, table.start_s, table.domain))
    for name in labels[order].tolist():
        if result[name] < 0:
            result[name] = fresh
            fresh += 1
    return result


def _shared_time(table: TrackletTable, labels: IntArray, count: int, previous: Sequence[GlobalTrack]) -> DoubleArray:
    """(identities, old identities) seconds."""
    shared = np.zeros((count, len(previous)))
    index = table.index()
    for old, track in enumerate(previous):
        for visit in track.visits:
            row = index.get((visit.camera, visit.local_id))
            if row is not None:
                length = min(float(table.end_s[row] - table.start_s[row]), visit.end_s - visit.start_s)
                shared[labels[row], old] += max(length, _INSTANT_S)
    return shared
