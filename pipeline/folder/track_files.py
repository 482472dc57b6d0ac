"""Track files in MOTChallenge format, from tracklets and identities."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from data.formats.mot import MotTable, write_mot
from data.records import Tracklet
from pipeline.folder.outcome import Outcome
from trackers.interpolation import frame_step, interpolate


def root_ids(tracklets: Sequence[Tracklet]) -> dict[tuple[str, int], int]:
    """The local id of the first piece of each chain of cut tracklets, by (camera, local_id)."""
    roots: dict[tuple[str, int], int] = {}
    for tracklet in sorted(tracklets, key=lambda item: item.key):
        before = (tracklet.camera, tracklet.continues)
        roots[tracklet.key] = roots.get(before, tracklet.local_id) if tracklet.continues >= 0 else tracklet.local_id
    return roots


def mot_table(
    tracklets: Sequence[Tracklet], ids: Mapping[tuple[str, int], int], max_gap_s: float, smooth_s: float
) -> MotTable:
    """Rows of one camera.

    Args:
        tracklets: of one camera.
        ids: the id to write for each tracklet, by (camera, local_id).
        max_gap_s: gaps up to this long inside a tracklet are filled, seconds; 0 fills none.
        smooth_s: boxes are averaged over this, standard deviation in seconds; 0 leaves them as detected.

    Returns:
        Rows by frame and id. Where two tracklets of one id meet in a frame (duplicate boxes), the better score stays.
    """
    step = frame_step(tracklets)
    filled = [interpolate(tracklet, max_gap_s, smooth_s, step) for tracklet in tracklets]
    if not filled:
        return MotTable.empty()
    frames = np.concatenate([tracklet.frames for tracklet in filled])
    row_ids = np.concatenate([np.full(len(tracklet), ids[tracklet.key], np.int64) for tracklet in filled])
    boxes = np.concatenate([tracklet.boxes for tracklet in filled])
    scores = np.concatenate([tracklet.scores for tracklet in filled])
    order = np.lexsort((-scores, row_ids, frames))
    frames, row_ids, boxes, scores = frames[order], row_ids[order], boxes[order], scores[order]
    first = np.ones(len(frames), bool)
    first[1:] = (np.diff(frames) != 0) | (np.diff(row_ids) != 0)
    return MotTable.make(frames[first], row_ids[first], boxes[first], scores[first])


def write_track_files(found: Outcome) -> None:
    """Write ``local_tracks/`` and ``tracks/``; every camera gets a file, if need be an empty one."""
    by_camera: dict[str, list[Tracklet]] = defaultdict(list)
    for tracklet in found.tracklets:
        by_camera[tracklet.camera].append(tracklet)
    folder, local_ids, gap_s, smooth_s = found.folder, root_ids(found.tracklets), found.max_gap_s, found.smooth_s
    folder.tracks("x").parent.mkdir(exist_ok=True)
    folder.local_tracks("x").parent.mkdir(exist_ok=True)
    for camera in found.cameras:
        write_mot(folder.claim(folder.local_tracks(camera)), mot_table(by_camera[camera], local_ids, gap_s, smooth_s))
        write_mot(folder.claim(folder.tracks(camera)), mot_table(by_camera[camera], found.global_ids, gap_s, smooth_s))
