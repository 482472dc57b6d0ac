"""``world/<group>.csv``: where the people of a camera group stood, from tracklets and identities."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from data.formats.world import WorldPaths, write_world_paths
from data.instants import instant_numbers
from data.listing import listed
from data.records import DoubleArray, IntArray, Tracklet
from data.site import Group, Site
from pipeline.folder.outcome import Outcome
from trackers.interpolation import STILL_S, frame_step, interpolate

# Places of somebody who stands, as far apart as noise puts them.
_STILL_M = 0.25


def write_world_files(found: Outcome) -> None:
    """Write one file for every group of the site that was tracked, and remove those of an earlier association.

    A group whose tracks were given has no places and gets none.
    """
    for path in listed(found.folder.world("x").parent, "*.csv"):
        if found.folder.ledger.lists(path):
            path.unlink()
    for group in found.site.groups:
        own = [item for item in found.tracklets if item.camera in group.cameras]
        tracked = not own or any(item.world_xy is not None for item in own)
        if tracked and set(group.cameras) & set(found.cameras):
            paths = world_paths(found.site, group, found.tracklets, found.global_ids, found.max_gap_s)
            write_world_paths(found.folder.claim(found.folder.world(group.name)), paths)


def world_paths(
    site: Site,
    group: Group,
    tracklets: Sequence[Tracklet],
    ids: Mapping[tuple[str, int], int],
    max_gap_s: float,
) -> WorldPaths:
    """Paths of a group's people.

    The rows of one person in several cameras at one instant are one place: the surest of them. Its time is the middle
    of the instant. Instants are those at which somebody has a row, and those of the frames between two rows that the
    track files fill as well, be it that nobody was looked for in them.

    Args:
        site: clocks of the cameras.
        group: whose cameras are taken.
        tracklets: those of other cameras, and those without places, are passed over.
        ids: the id of each tracklet, by (camera, local_id).
        max_gap_s: a person missing from the group's instants for at most so long is put on the straight line, seconds;
            0 fills nothing. For ``STILL_S`` where the places before and after are one.
    """
    number = {camera: index for index, camera in enumerate(sorted(group.cameras))}
    placed = sorted(
        (item for item in tracklets if item.camera in number and item.world_xy is not None),
        key=lambda item: item.key,
    )
    if not placed:
        return WorldPaths.empty()
    columns = [np.concatenate(parts) for parts in zip(*(_columns(item, site, number, ids) for item in placed))]
    columns = [column[np.isfinite(columns[3]).all(axis=1)] for column in columns]
    times, cameras, whose, xy, cov, heights = columns
    between, seen_by = _between(placed, site, number, max_gap_s)
    all_times, seen_by = np.concatenate([times, between]), np.concatenate([cameras, seen_by])
    instants = instant_numbers(all_times, seen_by, group.sync_tolerance_s)
    instant_s = _middles(all_times, instants)
    instants = instants[: len(times)]
    spread = np.linalg.det(cov)
    order = np.lexsort((cameras, np.where(np.isfinite(spread), spread, np.inf), instants, whose))
    first = np.ones(len(order), bool)
    first[1:] = (np.diff(whose[order]) != 0) | (np.diff(instants[order]) != 0)
    chosen = order[first]
    whose, instants, values = (
        whose[chosen],
        instants[chosen],
        np.column_stack([xy[chosen], cov[chosen].reshape(-1, 4), heights[chosen]]),
    )
    whose, instants, values = _filled(whose, instants, values, instant_s, max_gap_s)
    return WorldPaths.make(instant_s[instants], whose, values[:, :2], values[:, 2:6], values[:, 6])


def _columns(
    tracklet: Tracklet, site: Site, number: Mapping[str, int], ids: Mapping[tuple[str, int], int]
) -> tuple[np.ndarray, ...]:
    """Common times, cameras, ids, places, covariances and heights of the rows of a tracklet."""
    count = len(tracklet)
    assert tracklet.world_xy is not None
    cov, heights = tracklet.world_cov, tracklet.world_height
    return (
        site.common_times(tracklet.camera, tracklet.times_s),
        np.full(count, number[tracklet.camera]),
        np.full(count, ids[tracklet.key], np.int64),
        tracklet.world_xy.astype(np.float64),
        np.zeros((count, 2, 2)) if cov is None else cov.astype(np.float64),
        np.full(count, np.nan) if heights is None else heights.astype(np.float64),
    )


def _between(
    tracklets: Sequence[Tracklet], site: Site, number: Mapping[str, int], max_gap_s: float
) -> tuple[DoubleArray, IntArray]:
    """Common times and camera numbers of the frames between two rows of a tracklet in which nobody has a row."""
    by_camera: dict[str, list[Tracklet]] = defaultdict(list)
    for tracklet in tracklets:
        by_camera[tracklet.camera].append(tracklet)
    times, cameras = [np.zeros(0)], [np.zeros(0, np.int64)]
    for camera, own in by_camera.items():
        step = frame_step(own)
        whole = [*own, *(interpolate(item, max_gap_s, 0, step) for item in own)]
        # Two tracklets may put a frame at times that differ by rounding: the first counts.
        frames, first = np.unique(np.concatenate([item.frames for item in whole]), return_index=True)
        added = first[~np.isin(frames, np.concatenate([item.frames for item in own]))]
        times.append(site.common_times(camera, np.concatenate([item.times_s for item in whole])[added]))
        cameras.append(np.full(len(added), number[camera]))
    return np.concatenate(times), np.concatenate(cameras)


def _middles(times: DoubleArray, instants: IntArray) -> DoubleArray:
    """Middle between the first and the last time of each instant."""
    order = np.lexsort((times, instants))
    starts = np.flatnonzero(np.concatenate([[True], np.diff(instants[order]) != 0]))
    ends = np.concatenate([starts[1:], [len(order)]]) - 1
    middles: DoubleArray = (times[order[starts]] + times[order[ends]]) / 2
    return middles


def _filled(
    whose: IntArray, instants: IntArray, values: DoubleArray, instant_s: DoubleArray, max_gap_s: float
) -> tuple[IntArray, IntArray, DoubleArray]:
    """Add rows on straight lines for short absences; rows are sorted by id, then instant."""
    steps = np.diff(instants)
    still = np.linalg.norm(np.diff(values[:, :2], axis=0), axis=1) <= _STILL_M
    longest_s = np.where(still, max(max_gap_s, STILL_S), max_gap_s)
    short = (np.diff(whose) == 0) & (instant_s[instants[1:]] - instant_s[instants[:-1]] <= longest_s)
    missing = np.where(short, steps - 1, 0)
    if max_gap_s <= 0 or not missing.any():
        return whose, instants, values
    before = np.repeat(np.arange(len(steps)), missing)
    added = instants[before] + np.arange(len(before)) - np.repeat(np.cumsum(missing) - missing, missing) + 1
    start, end = instant_s[instants[before]], instant_s[instants[before + 1]]
    share = ((instant_s[added] - start) / (end - start))[:, None]
    between = (1 - share) * values[before] + share * values[before + 1]
    return (
        np.concatenate([whose, whose[before]]),
        np.concatenate([instants, added]),
        np.concatenate([values, between]),
    )
