"""Tracklets as arrays in one canonical order, so that nothing depends on the order they came in."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from data.errors import UserError
from data.records import DoubleArray, IntArray, Tracklet
from data.site import Site

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class TrackletTable:
    """N tracklets by (camera, local_id), in C cameras.

    Attributes:
        tracklets: N records, none empty.
        cameras: C names, sorted.
        camera: (N,) index into ``cameras``.
        domain: (N,) time lines that can be compared share a number; times of two numbers say nothing about each other.
        start_s: (N,) float64 first time, common seconds of the domain.
        end_s: (N,) float64 last time.
        common: (C, C) whether two cameras share a time line; true on the diagonal.
        apart: (C, C) whether two cameras are known to share no view; false on the diagonal.
    """

    tracklets: tuple[Tracklet, ...]
    cameras: tuple[str, ...]
    camera: IntArray
    domain: IntArray
    start_s: DoubleArray
    end_s: DoubleArray
    common: Bools
    apart: Bools

    def __len__(self) -> int:
        return len(self.tracklets)

    @property
    def keys(self) -> list[tuple[str, int]]:
        """(camera, local_id) of each row."""
        return [tracklet.key for tracklet in self.tracklets]

    def index(self) -> dict[tuple[str, int], int]:
        """Row of each (camera, local_id)."""
        return {key: row for row, key in enumerate(self.keys)}

    def comparable(self, a: IntArray, b: IntArray) -> Bools:
        """Whether the times of two rows can be compared, (E,)."""
        return self.domain[a] == self.domain[b]

    def earlier_first(self, a: IntArray, b: IntArray) -> tuple[IntArray, IntArray]:
        """Each pair with the row that starts first in front; by row where clocks say nothing or both start at once."""
        low, high = np.minimum(a, b), np.maximum(a, b)
        swap = self.comparable(low, high) & (self.start_s[high] < self.start_s[low])
        return np.where(swap, high, low), np.where(swap, low, high)

    def lags_s(self, a: IntArray, b: IntArray) -> DoubleArray:
        """Seconds from leaving a to entering b; NaN where the clocks are not common."""
        return np.where(self.comparable(a, b), self.start_s[b] - self.end_s[a], np.nan)


def build_table(tracklets: Sequence[Tracklet], site: Site) -> TrackletTable:
    """Sort tracklets and put them on common time.

    Raises:
        UserError: when two tracklets have one (camera, local_id), or one has no rows.
    """
    ordered = sorted(tracklets, key=lambda tracklet: tracklet.key)
    for before, after in pairwise(ordered):
        if before.key == after.key:
            raise UserError(
                f"two tracklets of camera '{after.camera}' have local id {after.local_id}; "
                "ids must be unique in a camera"
            )
    for tracklet in ordered:
        if not len(tracklet):
            raise UserError(f"tracklet {tracklet.local_id} of camera '{tracklet.camera}' has no rows")
    cameras = tuple(sorted({tracklet.camera for tracklet in ordered}))
    number = {camera: index for index, camera in enumerate(cameras)}
    camera = np.array([number[tracklet.camera] for tracklet in ordered], np.int64)
    pairs = [[site.clocks_common(a, b) for b in cameras] for a in cameras]
    common = np.array(pairs, bool).reshape(len(cameras), len(cameras))
    apart = np.array([[a != b and site.overlap(a, b) == "none" for b in cameras] for a in cameras], bool)
    first_common = common.argmax(axis=1) if len(cameras) else np.zeros(0, np.int64)
    ends = [site.common_times(item.camera, item.times_s[[0, -1]]) for item in ordered]
    times = np.array(ends, np.float64).reshape(len(ordered), 2)
    return TrackletTable(
        tracklets=tuple(ordered),
        cameras=cameras,
        camera=camera,
        domain=first_common[camera],
        start_s=np.ascontiguousarray(times[:, 0]),
        end_s=np.ascontiguousarray(times[:, 1]),
        common=common,
        apart=apart.reshape(len(cameras), len(cameras)),
    )
