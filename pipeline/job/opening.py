"""From what a run starts with to an input that can be tracked."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from data.errors import UserError
from data.formats.detections_in import CameraDetections, read_detection_folder, told_videos
from data.runtime.cores import cores_for
from data.site import Site, load_site
from pipeline.backends.base import PoseEstimator
from pipeline.backends.perceiver import BoxPerceiver
from pipeline.backends.registry import BOX_POSES, build_detector, build_embedder, build_perceiver, build_pose
from pipeline.config import Config, RunConfig
from pipeline.input.base import PerceivedInput
from pipeline.input.batching import Batching
from pipeline.input.detections import DetectionInput
from pipeline.input.perception import look_at, look_up
from pipeline.input.schedule import GivenLooks, LookSchedule, Schedule
from pipeline.input.videos import VideoInput, open_sources
from pipeline.job.request import DetectionFiles, Videos
from pipeline.weights.store import WeightStore
from reid.embedders.base import Embedder

logger = logging.getLogger(__name__)

_SLACK_S = 5.0


@dataclass(frozen=True, slots=True)
class Opened:
    """An input ready to be tracked.

    Attributes:
        source: perceived frames; to be closed by whom it was opened for.
        embedder: appearance model, or None where appearance comes with the input or is not used.
        site: with every camera of the input.
        estimator: gives skeletons on demand, or None where they come with the input or are not used.
    """

    source: PerceivedInput
    embedder: Embedder | None
    site: Site
    estimator: PoseEstimator | None = None


def open_input(
    start: Videos | DetectionFiles, site: Site | Path | None, limit: int | None, config: Config, weights: WeightStore
) -> Opened:
    """Open what a run tracks.

    Args:
        start: videos, or detections alone.
        site: cameras, clocks and overlap; None: nothing is known.
        limit: frames per camera, or None.
        config: resolved configuration.
        weights: where networks come from; knows afterwards which were used.

    Raises:
        UserError: for input or weights that are missing or broken, or that do not fit the site.
    """
    if isinstance(start, Videos):
        return _open_videos(start, site, limit, config, weights)
    known = as_site(site, None)
    tracker = config.tracker
    # By then tracks are closed, lost people are forgotten, and a group has written what it had to settle.
    quiet_s = tracker.lost_s + tracker.max_gap_s + 2 * tracker.group.settle_s + _SLACK_S
    source = DetectionInput(start.folder, start.features, known, _batching(config.run), limit, quiet_s)
    return Opened(source, None, known.completed(source.cameras))


def as_site(site: Site | Path | None, cameras: list[str] | None) -> Site:
    """A site that was given, read from its file, or blank.

    Args:
        site: the site, its ``site.yaml``, or None.
        cameras: names it must list, if given.

    Raises:
        UserError: when the file is broken, or lacks a camera.
    """
    if site is None:
        return Site.blank(cameras or [])
    found = load_site(site) if isinstance(site, Path) else site
    if cameras is not None:
        found.check_cameras(cameras)
    return found


def check_tokens(tokens: Mapping[str, int], cameras: Sequence[str]) -> None:
    """Look for cameras that get no token though others do: their people look unlike the others' to the network."""
    if tokens and not set(tokens) & set(cameras):
        raise UserError(
            f"reid.camera_tokens names {', '.join(tokens)}; the cameras of this run are {', '.join(cameras)}"
        )
    without = [camera for camera in cameras if camera not in tokens]
    if tokens and without:
        logger.warning("reid.camera_tokens has no token of camera %s", ", ".join(without))


def _open_videos(
    start: Videos, site: Site | Path | None, limit: int | None, config: Config, weights: WeightStore
) -> Opened:
    """Videos first, networks second: a mistyped path must not cost a download."""
    cameras = [spec.camera for spec in start.cameras]
    known = as_site(site, cameras)
    check_tokens(config.reid.camera_tokens, cameras)
    given = None if start.detections is None else _given(start.detections, cameras)
    sources = open_sources(start.cameras, config.sources)
    run = config.run
    threads = cores_for(run.threads)
    detector = config.detector.model_copy(update={"batch": _pictures_at_once(config, len(cameras))})
    try:
        estimator = None
        if given is None and poses_on_demand(config):
            look = look_at(BoxPerceiver(build_detector(detector, run.device, weights, threads)))
            estimator, has_poses = build_pose(config.pose, run.device, weights, threads), True
        elif given is None:
            look = look_at(build_perceiver(detector, config.pose, run.device, weights, threads))
            has_poses = config.pose.name != "none"
        else:
            look = look_up(given)
            has_poses = all(found.keypoints is not None for found in given.values() if len(found))
        embedder = build_embedder(config.reid, run.device, weights, has_poses, threads)
    except Exception:
        for opened in sources.values():
            opened.close()
        raise
    schedule: LookSchedule | None = None
    if given is not None:
        schedule = GivenLooks(given) if any(found.looked is not None for found in given.values()) else None
    elif config.detector.schedule == "auto":
        schedule = Schedule(config.detector.pace)
    source = VideoInput(sources, config.sources, _batching(run), look, known, limit, given, schedule)
    return Opened(source, embedder, known, estimator)


def _pictures_at_once(config: Config, cameras: int) -> int:
    """Pictures the detector is given together: of a batch, and where a schedule decides, one of each camera."""
    together = min(config.detector.batch, config.run.batch_frames)
    return min(together, cameras) if config.detector.schedule == "auto" else together


def poses_on_demand(config: Config) -> bool:
    """Whether skeletons serve appearance alone, and an estimator that looks into boxes gives them."""
    used_elsewhere = config.tracker.association.pose_weight > 0 or config.associate.gait.model is not None
    # Skeletons say where heads are: what is to be blurred for good must not depend on whom appearance was asked of.
    used_elsewhere |= config.render.anonymize or config.report.anonymize
    by_box = config.pose.name in BOX_POSES and config.pose.when == "demand"
    return by_box and config.reid.name != "none" and not used_elsewhere


def _given(folder: Path, cameras: list[str]) -> dict[str, CameraDetections]:
    """Detections of the videos' cameras."""
    found = read_detection_folder(folder)
    missing = [camera for camera in cameras if camera not in found]
    if missing:
        raise UserError(
            f"{folder} has no detections of camera {missing[0]}; there are: {', '.join(found)}. Name the "
            f"cameras as the files: NAME=PATH{told_videos(found)}"
        )
    return {camera: found[camera] for camera in cameras}


def _batching(run: RunConfig) -> Batching:
    return Batching(run.batch_frames, run.batch_window_s, run.queue_batches)
