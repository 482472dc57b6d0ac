"""Who is who across cameras, given calibrations: people of one instant whom several cameras put at one place."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.geometry import CameraModel
from pipeline.site_calibration.alignment import mutual_nearest, pairs_at_instants
from pipeline.site_calibration.people import places
from pipeline.site_calibration.sightings import Instants

DoubleArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Matches:
    """People seen by at least two cameras at one instant.

    Attributes:
        camera: (R,) int64, number of the camera of each sighting.
        row: (R,) int64, its row in that camera's sightings.
        person: (R,) int64, the match it belongs to, from 0.
        instant: (P,) int64, instant of each match.
    """

    camera: IntArray
    row: IntArray
    person: IntArray
    instant: IntArray

    def __len__(self) -> int:
        return len(self.instant)

    def thinned(self, most: int) -> "Matches":
        """At most ``most`` matches, evenly over time."""
        if len(self) <= most:
            return self
        keep = np.zeros(len(self), bool)
        keep[np.linspace(0, len(self) - 1, most).astype(np.int64)] = True
        rows = keep[self.person]
        number = np.cumsum(keep) - 1
        return Matches(self.camera[rows], self.row[rows], number[self.person[rows]], self.instant[keep])


def match(instants: Instants, models: Sequence[CameraModel], gate_m: float, coarsest_m: float) -> Matches:
    """Mutually nearest people of every two cameras, joined; what joins two people of one camera is dropped.

    Args:
        instants: what was seen.
        models: of the cameras, in one ground plane.
        gate_m: largest distance of two sightings of one person.
        coarsest_m: as of ``places``.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ground = [places(model, seen.feet, seen.heights_px, coarsest_m) for model, seen in zip(models, instants.sightings)]
    first = np.concatenate([[0], np.cumsum([len(seen) for seen in instants.sightings])])
    edges: list[tuple[IntArray, IntArray]] = []
    for a in range(len(models)):
        for b in range(a + 1, len(models)):
            rows_a, rows_b = (np.flatnonzero(np.isfinite(ground[c]).all(axis=1)) for c in (a, b))
            pairs = pairs_at_instants(instants.instant[a][rows_a], instants.instant[b][rows_b])
            near = mutual_nearest(ground[a][rows_a], ground[b][rows_b], pairs, gate_m)
            edges.append((first[a] + rows_a[pairs[0][near]], first[b] + rows_b[pairs[1][near]]))
    start, stop = (np.concatenate([edge[side] for edge in edges]) for side in (0, 1))
    total = int(first[-1])
    graph = coo_array((np.ones(len(start), np.int8), (start, stop)), shape=(total, total))
    count, label = connected_components(graph, directed=False)
    camera = np.repeat(np.arange(len(models)), np.diff(first))
    members = np.zeros((count, len(models)), np.int64)
    np.add.at(members, (label, camera), 1)
    good = (members.max(axis=1) == 1) & (members.sum(axis=1) > 1)
    rows = np.flatnonzero(good[label])
    instant = np.concatenate(instants.instant)[rows]
    # In the order of time, so that the same input gives the same bytes whatever order the graph was walked in.
    order = np.lexsort((rows, instant))
    rows, instant = rows[order], instant[order]
    _, where, person = np.unique(label[rows], return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(where, kind="stable"), kind="stable")
    return Matches(camera[rows], rows - first[camera[rows]], rank[person], instant[np.sort(where)])
