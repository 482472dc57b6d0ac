"""Single-camera tracks from files: where a run can start when another tracker has done its part."""

import logging
from pathlib import Path

import numpy as np

from data.errors import UserError
from data.formats.camera_texts import camera_texts
from data.formats.features_in import (
    FileFeatures,
    check_one_size,
    read_features,
    sound_boxes,
    told_corners,
    told_late,
    told_outside,
    usable_scores,
)
from data.formats.mot import MotTable, read_mot
from data.listing import contents
from data.names import is_camera_name
from data.records import DoubleArray, FloatArray, IntArray, PartEmbeddings, Tracklet
from data.site import Site

logger = logging.getLogger(__name__)

MOST_PROTOTYPES = 16


def read_track_folder(folder: Path, site: Site, features: Path | None = None) -> dict[str, list[Tracklet]]:
    """Read ``<camera>.txt`` MOTChallenge tracks with local ids: one tracklet per id.

    Times are frame / fps of the site. An id stays one tracklet over gaps in its frames. Features, row for row in
    ``<camera>.npy`` (in ``features``, beside the tracks, or in the sibling folder ``feat``), become at most 16
    prototypes per tracklet: its rows are cut into even runs of time and each run gives its best-scored row. Boxes
    without area are dropped with a warning. Scores of -1 become 1, others are cut to 0-1.

    Args:
        folder: holds the files.
        site: frame rates and frame sizes.
        features: folder of feature files, or None to look beside the tracks.

    Returns:
        Per camera (by name), tracklets by rising id.

    Raises:
        UserError: when there is nothing to read, a file is broken (also: one id twice in a frame), features do not go
            with the boxes, or the site does not know a camera or its frame rate.
    """
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}; give the folder that holds <camera>.txt")
    paths = camera_texts(folder)
    if not paths:
        raise UserError(
            f"{folder} holds no <camera>.txt (there: {contents(folder)}); give a folder of MOTChallenge tracks"
        )
    cameras = list(paths)
    for camera in cameras:
        if not is_camera_name(camera):
            raise UserError(f"{folder}: '{camera}' cannot name a camera; rename the file (letters, digits, _ - .)")
    if site.cameras:
        site.check_cameras(cameras)
    for camera in cameras:
        if site.fps(camera) is None:
            raise UserError(f"the frame rate of camera '{camera}' is unknown; give --site with cameras.{camera}.fps")
    tables = {camera: read_mot(path, "tracks") for camera, path in paths.items()}
    appearances = {camera: read_features(path, features, len(tables[camera])) for camera, path in paths.items()}
    check_one_size(appearances)
    return {camera: _tracklets(camera, tables[camera], appearances[camera], site) for camera in cameras}


def _tracklets(camera: str, table: MotTable, features: FileFeatures | None, site: Site) -> list[Tracklet]:
    if features is not None:
        if features.broken:
            logger.warning("%s: %d features hold NaN: not used", camera, features.broken)
        features = features.select(table.rows)
    keep, dropped = sound_boxes(table.boxes.astype(np.float32))
    scores, cut = usable_scores(table.scores)
    for line in (told_late(table.frames), *_misplaced(table.boxes, site.size(camera)), dropped, cut):
        if line is not None:
            logger.warning("%s: %s", camera, line)
    # The table is sorted by (frame, id); a stable sort by id leaves each id's rows together and in time.
    rows = keep[np.argsort(table.ids[keep], kind="stable")]
    starts = np.flatnonzero(np.diff(table.ids[rows], prepend=-1))
    fps = site.fps(camera) or 0.0
    found = []
    for own in np.split(rows, starts[1:]) if len(rows) else []:
        prototypes, prototype_rows = _prototypes(features, own, scores)
        found.append(
            Tracklet(
                camera=camera,
                local_id=int(table.ids[own[0]]),
                times_s=table.frames[own] / fps,
                frames=table.frames[own],
                boxes=table.boxes[own].astype(np.float32),
                scores=scores[own],
                prototypes=prototypes,
                prototype_rows=prototype_rows,
                frame_size=site.size(camera) or (0, 0),
            )
        )
    return found


def _misplaced(boxes: DoubleArray, size: tuple[int, int] | None) -> list[str]:
    """Lines about boxes that cannot be in a picture of this (width, height) in px."""
    if size is None:
        return []
    corners, outside = told_corners(boxes, size), told_outside(boxes, size)
    return [line for line in (corners, outside) if line is not None]


def _prototypes(
    features: FileFeatures | None, own: IntArray, scores: FloatArray
) -> tuple[PartEmbeddings | None, IntArray]:
    """The best-scored row of each of at most 16 even runs of a tracklet, among the rows with evidence."""
    if features is None:
        return None, np.zeros(0, np.int64)
    usable = np.flatnonzero(features.vectors[own].any(axis=1))
    runs = np.array_split(usable, min(MOST_PROTOTYPES, len(usable))) if len(usable) else []
    chosen = np.array([run[np.argmax(scores[own[run]])] for run in runs], np.int64)
    return features.embeddings(own[chosen]), chosen
