"""Set a run up from its command line and carry it through."""

import argparse
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from data.errors import UserError
from data.formats.detections_in import CameraDetections, read_detection_folder
from data.formats.tracks_in import read_track_folder
from data.records import Tracklet
from data.site import Site, load_site
from data.sources.open import parse_camera_specs
from pipeline.association.corrections import Correction, load_corrections
from pipeline.backends.registry import build_embedder, build_perceiver
from pipeline.config import Config
from pipeline.folder.manifest import describe_file
from pipeline.folder.run_folder import RunFolder
from pipeline.input.base import PerceivedInput
from pipeline.input.detections import DetectionInput
from pipeline.input.perception import look_at, look_up
from pipeline.input.videos import VideoInput, open_sources
from pipeline.job.finish import finish
from pipeline.job.job import (
    InterruptedRun,
    Job,
    check_folder,
    check_same_inputs,
    is_tracked,
    load_job,
    prepare_folder,
    timed,
    track,
)
from pipeline.report.page import write_report
from pipeline.weights.store import WeightStore
from reid.embedders.base import Embedder

logger = logging.getLogger(__name__)

_INTERRUPTED = 130


def run(arguments: argparse.Namespace, config: Config) -> int:
    """Do the job the command line asks for.

    Args:
        arguments: of ``pipeline.run.build_parser``; one start is given, or videos with detections.
        config: resolved configuration.

    Returns:
        Exit code: 0 when everything is written, 130 when stopped by a signal.

    Raises:
        UserError: for anything the user can mend.
    """
    if arguments.truth is not None and not arguments.truth.is_dir():
        raise UserError(f"--truth {arguments.truth} is not a folder")
    if arguments.limit is not None and arguments.limit < 1:
        raise UserError(f"--limit must be at least 1, not {arguments.limit}")
    check_folder(arguments.output, overwrite=arguments.overwrite, resume=arguments.resume)
    corrections = [] if arguments.corrections is None else load_corrections(arguments.corrections)
    try:
        job = _tracked(arguments, config)
    except InterruptedRun as stop:
        logger.warning("%s", stop)
        return _INTERRUPTED
    return _finish(job, arguments, corrections)


def _finish(job: Job, arguments: argparse.Namespace, corrections: list[Correction]) -> int:
    with _log_file(job.folder), timed(job):
        finish(job, truth=arguments.truth, corrections=corrections)
        if arguments.save_video:
            _render(job)
    job.write_manifest("complete")
    # Once more: now the page can link the videos and show the whole run's timings.
    write_report(job.folder, job.config.report)
    logger.info("done: %s (look at %s)", job.folder.root, job.folder.report)
    return 0


def _render(job: Job) -> None:
    from pipeline.rendering.overlay import render_run

    with job.clock.measure("render"):
        drawn = render_run(job.folder, job.config.render)
    missing = set(job.cameras) - {path.stem for path in drawn}
    for camera in sorted(missing):
        job.warn("no overlay video: its source could not be read again", camera)


def _tracked(arguments: argparse.Namespace, config: Config) -> Job:
    """A job whose tracklets are complete in its folder."""
    if arguments.tracks is not None:
        return _from_tracks(arguments, config)
    weights = WeightStore(offline=config.run.offline)
    if arguments.videos:
        source, embedder, site = _open_videos(arguments, config, weights)
    else:
        site = _site(arguments.site, None)
        source = DetectionInput(arguments.detections, arguments.features, site, config.run, arguments.limit)
        site, embedder = site.completed(source.cameras), None
    try:
        return _track(arguments, config, site, source, embedder, weights)
    finally:
        source.close()


def _open_videos(
    arguments: argparse.Namespace, config: Config, weights: WeightStore
) -> tuple[PerceivedInput, Embedder | None, Site]:
    """Videos first, networks second: a mistyped path must not cost a download."""
    if arguments.features is not None:
        raise UserError("--features goes with --detections or --tracks alone; with --videos appearance is their own")
    specs = parse_camera_specs(arguments.videos)
    cameras = [spec.camera for spec in specs]
    site = _site(arguments.site, cameras)
    given = None if arguments.detections is None else _given(arguments.detections, cameras)
    sources = open_sources(specs, config.sources)
    run = config.run
    try:
        if given is None:
            look = look_at(build_perceiver(config.detector, config.pose, run.device, weights, run.threads))
            has_poses = config.pose.name != "none"
        else:
            look = look_up(given)
            has_poses = all(found.keypoints is not None for found in given.values() if len(found))
        embedder = build_embedder(config.reid, run.device, weights, has_poses, run.threads)
    except Exception:
        for opened in sources.values():
            opened.close()
        raise
    source = VideoInput(sources, config.sources.queue_frames, run, look, site, arguments.limit, given)
    return source, embedder, site


def _given(folder: Path, cameras: list[str]) -> dict[str, CameraDetections]:
    """Detections of the videos' cameras."""
    found = read_detection_folder(folder)
    missing = [camera for camera in cameras if camera not in found]
    if missing:
        raise UserError(
            f"{folder} has no detections of camera {missing[0]}; there are: {', '.join(found)}. Name the "
            "cameras as the files: --videos NAME=PATH"
        )
    return {camera: found[camera] for camera in cameras}


def _track(
    arguments: argparse.Namespace,
    config: Config,
    site: Site,
    source: PerceivedInput,
    embedder: Embedder | None,
    weights: WeightStore,
) -> Job:
    folder = prepare_folder(arguments.output, config, site, overwrite=arguments.overwrite, resume=arguments.resume)
    with _log_file(folder):
        inputs = source.describe()
        if folder.manifest.exists():
            check_same_inputs(folder, inputs)
            if is_tracked(folder):
                return load_job(folder, config)
            _check_same_weights(folder, weights)
        warnings = {"": list(weights.warnings)}
        job = Job(folder, config, site, inputs, weights=_describe_weights(weights), warnings=warnings)
        job.write_manifest("running")
        with timed(job):
            try:
                track(job, source, embedder, resume=arguments.resume)
            except InterruptedRun:
                job.write_manifest("interrupted")
                raise
        job.write_manifest("tracked")
    return job


def _from_tracks(arguments: argparse.Namespace, config: Config) -> Job:
    # Tracks that were given are given back as they are: only their ids are ours to decide.
    as_given = config.run.model_copy(update={"interpolate_s": 0.0, "smooth_s": 0.0})
    config = config.model_copy(update={"run": as_given})
    site = _site(arguments.site, None)
    tracks = read_track_folder(arguments.tracks, site, arguments.features)
    site = site.completed(tuple(tracks))
    folder = prepare_folder(arguments.output, config, site, overwrite=arguments.overwrite, resume=arguments.resume)
    with _log_file(folder):
        job = Job(folder, config, site, {camera: _describe_tracks(arguments.tracks, camera, site) for camera in tracks})
        with timed(job), job.clock.measure("read"):
            tracklets: list[Tracklet] = [tracklet for found in tracks.values() for tracklet in found]
            folder.write_part(0.0, 0, tracklets)
        job.counts["cameras"] = {camera: {"tracklets": len(found)} for camera, found in tracks.items()}
        folder.write_json(folder.progress, {"complete": True, "last_frame": {}})
        job.write_manifest("tracked")
    return job


def _describe_weights(weights: WeightStore) -> dict[str, list[dict[str, object]]]:
    return {
        kind: [
            {"name": found.name, "path": str(found.path), "sha256": found.sha256, "trained_on": found.trained_on}
            for found in used
        ]
        for kind, used in weights.used.items()
    }


def _check_same_weights(folder: RunFolder, weights: WeightStore) -> None:
    """What auto weights stand for may change between a run and its resumption; one run never mixes two networks."""
    before, now = folder.read_json(folder.manifest)["weights"], _describe_weights(weights)
    for kind in sorted(before.keys() | now.keys()):
        first, second = before.get(kind, []), now.get(kind, [])
        if [one["sha256"] for one in first] != [one["sha256"] for one in second]:
            names = [" and ".join(str(one["name"]) for one in found) or "none" for found in (first, second)]
            raise UserError(
                f"the run in {folder.root} began with {kind} weights {names[0]}, and {kind}.weights stands for "
                f"{names[1]} now; resume where it finds the same file, or --overwrite"
            )


def _describe_tracks(folder: Path, camera: str, site: Site) -> dict[str, object]:
    width, height = site.size(camera) or (0, 0)
    path = folder / f"{camera}.txt"
    return {"uri": str(path), "fps": site.fps(camera), "width": width, "height": height, **describe_file(path)}


def _site(path: Path | None, cameras: list[str] | None) -> Site:
    if path is None:
        return Site.blank(cameras or [])
    site = load_site(path)
    if cameras is not None:
        site.check_cameras(cameras)
    return site


@contextmanager
def _log_file(folder: RunFolder) -> Iterator[None]:
    """Copy log lines into the run folder as well."""
    handler = logging.FileHandler(folder.log, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        handler.close()
