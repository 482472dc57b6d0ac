"""The convention of benchmarks in which a person who comes back is somebody new."""

import numpy as np

from data.records import IntArray
from pipeline.association.table import TrackletTable


def split_absences(table: TrackletTable, labels: IntArray, longest_s: float | None) -> IntArray:
    """Give people who were unseen for longer than ``longest_s`` a new identity when they return.

    Args:
        table: N tracklets.
        labels: (N,) int64 identity of each.
        longest_s: seconds without a sighting in any camera; None changes nothing. Identities whose tracklets lie on
            different time lines stay whole: how long they were unseen is not known.

    Returns:
        (N,) int64 identities; only equality means anything.
    """
    if longest_s is None or not len(labels):
        return labels
    rows = np.lexsort((table.start_s, labels))
    owner, domain = labels[rows], table.domain[rows]
    first = np.append(True, owner[1:] != owner[:-1])
    group = np.cumsum(first) - 1
    mixed = np.zeros(group[-1] + 1, bool)
    np.logical_or.at(mixed, group, domain != domain[first][group])
    parted = first.copy()
    seen_until = -np.inf
    for place, row in enumerate(rows):
        if first[place]:
            seen_until = -np.inf
        elif not mixed[group[place]]:
            parted[place] = table.start_s[row] - seen_until > longest_s
        seen_until = max(seen_until, table.end_s[row])
    result = np.empty_like(labels)
    result[rows] = np.cumsum(parted) - 1
    return result
