"""Where sightings come from: a run's tracklets, folders of detections or tracks, or videos."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.clock import Clock
from data.config import SourcesConfig
from data.errors import UserError
from data.formats.detections_in import read_detection_folder
from data.site import CameraSite, Site, load_site
from data.sources.base import CameraSpec
from data.sources.open import open_source
from pipeline.backends.base import Detector
from pipeline.folder.run_folder import RunFolder
from pipeline.site_calibration.sightings import Sightings, whole_people

DoubleArray = NDArray[np.float64]

_BATCH = 8


def from_run(folder: RunFolder, site: Site | None) -> tuple[Site, dict[str, Sightings]]:
    """People of a run's tracklets.

    Args:
        folder: of the run.
        site: clocks and sizes; None takes those of the run.

    Raises:
        UserError: when it is no run folder, or clocks are not common.
    """
    used = site or load_site(folder.require().site)
    rows: dict[str, list[tuple[DoubleArray, DoubleArray]]] = {}
    sizes: dict[str, tuple[int, int]] = {}
    for tracklet in folder.require().read_tracklets():
        rows.setdefault(tracklet.camera, []).append((tracklet.times_s, tracklet.boxes.astype(np.float64)))
        sizes[tracklet.camera] = tracklet.frame_size
    used = used.completed(rows)
    _check_clocks(used, list(rows))
    found = {}
    for camera, pieces in rows.items():
        times = used.common_times(camera, np.concatenate([piece[0] for piece in pieces]))
        boxes = np.concatenate([piece[1] for piece in pieces])
        found[camera] = _sightings(times, boxes, _size(used, camera, sizes[camera]))
    return _sized(used, found), found


def from_boxes(folder: Path, site: Site, least_score: float) -> tuple[Site, dict[str, Sightings]]:
    """People of a folder of detections or tracks, ``<camera>.txt``, ``.npz`` or ``.json``.

    Args:
        folder: see ``data.formats.detections_in``.
        site: frame rates, sizes and clocks.
        least_score: boxes below are left out.

    Raises:
        UserError: for broken files, and cameras whose rate, size or clock the site does not give.
    """
    detections = read_detection_folder(folder)
    site.check_cameras(list(detections))
    _check_clocks(site, list(detections))
    found = {}
    for camera, one in detections.items():
        fps = site.fps(camera)
        if fps is None:
            raise UserError(f"the frame rate of camera '{camera}' is unknown; give --site with cameras.{camera}.fps")
        keep = (one.scores >= least_score) & (one.class_ids == 0)
        times = site.common_times(camera, one.frames[keep] / fps)
        found[camera] = _sightings(times, one.boxes[keep].astype(np.float64), _size(site, camera, (0, 0)))
    return site, found


def from_videos(
    specs: Sequence[CameraSpec],
    site: Site | None,
    config: SourcesConfig,
    detector: Detector,
    least_score: float,
    seconds: float,
    step_s: float,
) -> tuple[Site, dict[str, Sightings]]:
    """People a detector finds in videos.

    Args:
        specs: cameras.
        site: clocks; None takes the videos to have begun at one moment.
        config: how to read them.
        detector: of people.
        least_score: boxes below are left out.
        seconds: how much of each to look at.
        step_s: seconds between the frames that are looked at.

    Raises:
        UserError: when a video cannot be read, or clocks are not common.
    """
    names = [spec.camera for spec in specs]
    used = site or Site(cameras={name: CameraSite(clock=Clock(status="common")) for name in names})
    used.check_cameras(names)
    _check_clocks(used, names)
    found, facts = {}, {}
    for spec in specs:
        rate = min(config.max_fps or 1 / step_s, 1 / step_s)
        source = open_source(spec, config.model_copy(update={"max_fps": rate}))
        times: list[DoubleArray] = []
        boxes: list[DoubleArray] = []
        try:
            frames = []
            for frame in source.frames():
                if frame.time_s > config.start_s + seconds:
                    break
                frames.append(frame)
                if len(frames) == _BATCH:
                    _detect(detector, frames, least_score, times, boxes)
                    frames = []
            _detect(detector, frames, least_score, times, boxes)
        finally:
            source.close()
        info = source.info
        facts[spec.camera] = {"fps": round(info.fps, 4), "size": (info.width, info.height), "source": info.uri}
        common = used.common_times(spec.camera, np.concatenate([np.zeros(0), *times]))
        found[spec.camera] = _sightings(common, np.concatenate([np.zeros((0, 4)), *boxes]), (info.width, info.height))
    cameras = {
        name: known.model_copy(update=facts[name]) if name in facts else known for name, known in used.cameras.items()
    }
    return used.model_copy(update={"cameras": cameras}), found


def _detect(
    detector: Detector, frames: list, least_score: float, times: list[DoubleArray], boxes: list[DoubleArray]
) -> None:
    if not frames:
        return
    for frame, found in zip(frames, detector([frame.image for frame in frames])):
        keep = (found.scores >= least_score) & (found.class_ids == 0)
        boxes.append(found.boxes[keep].astype(np.float64))
        times.append(np.full(int(keep.sum()), frame.time_s))


def _sightings(times_s: DoubleArray, boxes: DoubleArray, size: tuple[int, int]) -> Sightings:
    order = np.argsort(times_s, kind="stable")
    return whole_people(np.asarray(times_s, np.float64)[order], boxes[order], size)


def _size(site: Site, camera: str, seen: tuple[int, int]) -> tuple[int, int]:
    size = site.size(camera) or seen
    if min(size) < 1:
        raise UserError(f"the frame size of camera '{camera}' is unknown; give --site with cameras.{camera}.size")
    return size


def _sized(site: Site, found: Mapping[str, Sightings]) -> Site:
    """The same site with the sizes of the frames that were seen."""
    cameras = {
        name: known.model_copy(update={"size": found[name].size}) if name in found else known
        for name, known in site.cameras.items()
    }
    return site.model_copy(update={"cameras": cameras})


def _check_clocks(site: Site, cameras: Sequence[str]) -> None:
    for camera in cameras:
        if not site.clock(camera).known:
            raise UserError(
                f"the clock of camera '{camera}' is unknown: people seen by two cameras at once tell nothing then; "
                f"state cameras.{camera}.clock (status, offset_s) in the site file"
            )
