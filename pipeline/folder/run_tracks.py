"""What a complete run says of each frame: boxes with global ids, skeletons, places on the ground."""

import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from data.errors import UserError
from data.foreign import parse_yaml
from data.formats.mot import MotTable, read_mot
from data.formats.track_sets import CameraTracks
from data.formats.world import WorldPaths, read_world_paths
from data.records import DoubleArray, FloatArray, IntArray, Tracklet
from data.site import Site, load_site
from pipeline.folder.run_folder import RunFolder
from trackers.skeleton_gaps import bridge_skeletons

_KEYPOINTS = 17


def read_run_tracks(folder: RunFolder, keypoint_min: float = 0.0) -> list[CameraTracks]:
    """The tracks of all cameras, by name.

    Boxes are those of ``tracks/``. A row has the skeleton that was found in it; where none was found for as long as the
    run fills boxes at most (``run.interpolate_s``), the joints lie within the box between where those before and after
    lie, with the lesser confidence. Places are those of ``world/`` at the instant of the row.

    Args:
        folder: of a complete run.
        keypoint_min: joints of less confidence are not there, 0-1.

    Raises:
        UserError: for a file that is absent or damaged.
    """
    folder.require()
    max_gap_s = _max_gap_s(folder)
    inputs = folder.read_inputs()
    site = load_site(folder.site)
    paths = _world(folder, site)
    owners = {
        (visit.camera, visit.local_id): person.global_id
        for person in folder.read_global_tracks()
        for visit in person.visits
    }
    by_camera: dict[str, list[Tracklet]] = defaultdict(list)
    for tracklet in folder.read_tracklets():
        by_camera[tracklet.camera].append(tracklet)
    found = []
    for name in sorted(inputs):
        path = folder.tracks(name)
        if not path.is_file():
            raise UserError(
                f"{path} is missing: the run did not get that far; go on with `python -m pipeline.run --resume`"
            )
        table, told, own = read_mot(folder.check_no_link(path), "tracks"), inputs[name], by_camera[name]
        last = int(table.frames[-1]) + 1 if len(table) else 0
        found.append(
            CameraTracks(
                name,
                max(last, _whole(told.get("frames"))),
                (_whole(told.get("width")), _whole(told.get("height"))),
                table,
                _skeletons(table, own, owners, max_gap_s, keypoint_min),
                places=_places(table, own, site, name, paths),
            )
        )
    return found


def _max_gap_s(folder: RunFolder) -> float:
    """Of the run's own configuration, whatever version of the program wrote the rest of it."""
    tree = parse_yaml(folder.read_text(folder.config), str(folder.config))
    section = tree.get("run") if isinstance(tree, dict) else None
    value = section.get("interpolate_s") if isinstance(section, dict) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise UserError(
            f"{folder.config}: run.interpolate_s is {value!r}, no number of seconds; restore it or run again"
        )
    return float(value)


def _whole(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _skeletons(
    table: MotTable,
    tracklets: Sequence[Tracklet],
    owners: dict[tuple[str, int], int],
    max_gap_s: float,
    keypoint_min: float,
) -> FloatArray | None:
    """(N, 17, 3) row for row with the table; None where the run has no skeletons of this camera."""
    known = [item for item in tracklets if item.keypoints is not None and item.key in owners]
    if not known or not len(table):
        return None
    frames = np.concatenate([item.frames for item in known])
    ids = np.concatenate([np.full(len(item), owners[item.key], np.int64) for item in known])
    scores = np.concatenate([item.scores for item in known])
    points = np.concatenate([item.keypoints for item in known if item.keypoints is not None])
    order = np.lexsort((-scores, ids, frames))
    first = np.ones(len(order), bool)
    first[1:] = (np.diff(frames[order]) != 0) | (np.diff(ids[order]) != 0)
    chosen = order[first]
    stride = int(max(table.ids.max(), ids.max())) + 1
    keys, wanted = frames[chosen] * stride + ids[chosen], table.frames * stride + table.ids
    place = np.searchsorted(keys, wanted).clip(0, len(keys) - 1)
    there = keys[place] == wanted
    found = np.zeros((len(table), _KEYPOINTS, 3), np.float32)
    found[there] = points[chosen][place[there]]
    if max_gap_s > 0:
        rows, times_s = np.lexsort((table.frames, table.ids)), _times(tracklets, table.frames)
        found[rows], _ = bridge_skeletons(
            found[rows], table.boxes[rows], times_s[rows], table.ids[rows], max_gap_s, np.ones(len(rows), bool)
        )
    found[found[..., 2] < keypoint_min] = 0
    return found


def _times(tracklets: Sequence[Tracklet], frames: IntArray) -> DoubleArray:
    """Source seconds of frames, on the straight line between those of tracklets."""
    known, first = np.unique(np.concatenate([item.frames for item in tracklets]), return_index=True)
    times = np.concatenate([item.times_s for item in tracklets])[first]
    return np.asarray(np.interp(frames, known, times), np.float64)


def _world(folder: RunFolder, site: Site) -> dict[str, tuple[float, WorldPaths]]:
    """Paths of the group of each camera, and how far apart its instants' frames may be, seconds."""
    found = {}
    for group in site.groups:
        path = folder.world(group.name)
        if path.is_file():
            paths = read_world_paths(folder.check_no_link(path))
            found.update(dict.fromkeys(group.cameras, (group.sync_tolerance_s, paths)))
    return found


def _places(
    table: MotTable,
    tracklets: Sequence[Tracklet],
    site: Site,
    camera: str,
    paths: dict[str, tuple[float, WorldPaths]],
) -> DoubleArray | None:
    """(N, 2) metres row for row with the table, NaN where nobody knows; None for a camera of no group."""
    if camera not in paths or not tracklets:
        return None
    tolerance_s, world = paths[camera]
    times = site.common_times(camera, _times(tracklets, table.frames))
    found = np.full((len(table), 2), np.nan)
    for whose in np.unique(table.ids).tolist():
        rows, own = np.flatnonzero(table.ids == whose), world.select(world.ids == whose)
        if len(own):
            after = np.searchsorted(own.times_s, times[rows]).clip(1, max(len(own) - 1, 1))
            after = np.minimum(after, len(own) - 1)
            before = np.maximum(after - 1, 0)
            nearer = np.abs(own.times_s[before] - times[rows]) <= np.abs(own.times_s[after] - times[rows])
            nearest = np.where(nearer, before, after)
            close = np.abs(own.times_s[nearest] - times[rows]) <= tolerance_s + 1e-6
            found[rows[close]] = own.xy[nearest[close]]
    return found
