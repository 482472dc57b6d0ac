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
        person: (N,) number of the person a group's tracker followed, the same over the cameras of the group; -1 for
            cameras by themselves.
        group_of_person: (P,) number of the group of each such person.
        arrives: (N,) whether the tracklet begins its person's stay: the views of one group are one stay.
        departs: (N,) whether it ends it.
    """

    tracklets: tuple[Tracklet, ...]
    cameras: tuple[str, ...]
    camera: IntArray
    domain: IntArray
    start_s: DoubleArray
    end_s: DoubleArray
    common: Bools
    apart: Bools
    person: IntArray
    group_of_person: IntArray
    arrives: Bools
    departs: Bools

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
    person, group_of_person = _people(ordered, site)
    return TrackletTable(
        tracklets=tuple(ordered),
        cameras=cameras,
        camera=camera,
        domain=first_common[camera],
        start_s=np.ascontiguousarray(times[:, 0]),
        end_s=np.ascontiguousarray(times[:, 1]),
        common=common,
        apart=apart.reshape(len(cameras), len(cameras)),
        person=person,
        group_of_person=group_of_person,
        arrives=_first_of_each(person, times[:, 0]),
        departs=_first_of_each(person, -times[:, 1]),
    )


def _people(tracklets: Sequence[Tracklet], site: Site) -> tuple[IntArray, IntArray]:
    """Numbers of the people that group trackers followed, (N,), -1 for none; and the group of each of them, (P,)."""
    group_of = {camera: number for number, group in enumerate(site.groups) for camera in group.cameras}
    numbers: dict[tuple[int, int], int] = {}
    keys = [(group_of.get(item.camera, -1), item.group_id) for item in tracklets]
    found = [numbers.setdefault(key, len(numbers)) if min(key) >= 0 else -1 for key in keys]
    return np.array(found, np.int64), np.array([group for group, _ in numbers], np.int64)


def _first_of_each(person: IntArray, times: DoubleArray) -> Bools:
    """Mask of the earliest row of each person, and of all rows that are no group's."""
    mask = person < 0
    order = np.lexsort((np.arange(len(person)), times, person))
    first = np.ones(len(order), bool)
    first[1:] = np.diff(person[order]) != 0
    mask[order[first]] = True
    return mask
