"""A whole run: from a request and a configuration to a complete run folder."""

import logging
from collections.abc import Sequence
from pathlib import Path

from data.errors import UserError, is_of_the_place
from data.formats.tracks_in import read_track_folder
from data.runtime.choice import Runtimes, refusals
from data.runtime.cores import cores_for, usable_cores
from data.runtime.threads import limited_libraries
from data.site import Site
from pipeline.association.corrections import Correction, corrections_of_run
from pipeline.config import Config
from pipeline.folder.input_files import describe_file
from pipeline.folder.manifest import command_line
from pipeline.folder.run_folder import RunFolder
from pipeline.folder.stages import RunWarning, Stage, Status, WarningKind
from pipeline.folder.writer import only_writer
from pipeline.job.job import Job
from pipeline.job.opening import Opened, as_site, open_input
from pipeline.job.preparation import (
    began_on,
    check_folder,
    check_inputs_outside,
    check_same_inputs,
    check_same_limit,
    check_same_weights,
    is_tracked,
    load_job,
    prepare_folder,
)
from pipeline.job.request import DetectionFiles, EarlierRun, RunRequest, RunResult, TrackFiles, Videos
from pipeline.job.stopping import InterruptedRun, resume_line
from pipeline.job.tracking import end_tracking, track
from pipeline.weights.devices import left_on_cpu
from pipeline.weights.store import WeightStore, default_cache_dir

logger = logging.getLogger(__name__)


def run(request: RunRequest, config: Config) -> RunResult:
    """Do a run: track, associate, and write everything into the run folder.

    While it goes on, OpenCV, torch and linear algebra have the threads of a run in all of the process (see
    ``data.runtime.threads``); afterwards those they had.

    Args:
        request: where it starts, where it writes, and what is known of the place.
        config: resolved configuration (see ``pipeline.config.load_config``).

    Raises:
        UserError: for anything the user can mend.
        InterruptedRun: after a signal that asks to stop; the same request with ``resume`` goes on.
    """
    request.check()
    with limited_libraries(cores_for(config.run.threads)):
        return _run(request, config)


def _run(request: RunRequest, config: Config) -> RunResult:
    if not isinstance(request.start, EarlierRun):
        check_inputs_outside(request.output, request.inputs())
        check_folder(request.output, overwrite=request.overwrite, resume=request.resume)
    corrections = _corrections(request)
    with only_writer(request.output, private=config.run.private):
        try:
            job = _tracked(request, config)
            # Association imports half of SciPy: the first frame need not wait for it.
            from pipeline.job.completion import complete

            return complete(job, truth=request.truth, corrections=corrections, save_video=request.save_video)
        except InterruptedRun:
            raise
        except OSError as error:
            if not is_of_the_place(error) and request.output.is_dir():
                raise
            reason = error.strerror or error if request.output.is_dir() else "the folder is gone"
            raise UserError(
                f"cannot write into {request.output}: {reason}; what was durable there stays: make room, then --resume"
            ) from None
        except KeyboardInterrupt:
            raise InterruptedRun(resume_line(request.output, command_line())) from None


def _corrections(request: RunRequest) -> list[Correction]:
    """Those of the request, else what was answered about the run in this folder: answers outlive results."""
    own = RunFolder(request.output).corrections
    found = corrections_of_run(own, request.corrections)
    if found and request.corrections is None:
        logger.info("%d answers of %s are used", len(found), own)
    return found


def _tracked(request: RunRequest, config: Config) -> Job:
    """A job whose tracklets are complete in its folder."""
    match request.start:
        case EarlierRun(end):
            if end:
                end_tracking(RunFolder(request.output).require())
            return _taken_up(request, config)
        case TrackFiles() as tracks:
            return _from_tracks(tracks, request, config)
        case Videos() | DetectionFiles() as start:
            if isinstance(start, Videos):
                _check_truth(request, [spec.camera for spec in start.cameras], request.limit)
            folder = RunFolder(request.output)
            fixed = began_on(folder) if request.resume and folder.manifest.exists() else {}
            runtimes = Runtimes(default_cache_dir(), fixed)
            weights = WeightStore(offline=config.run.offline, runtimes=runtimes)
            opened = open_input(start, request.site, request.limit, config, weights)
            try:
                if isinstance(start, DetectionFiles):
                    _check_truth(request, opened.source.cameras, request.limit)
                return _track(opened, request, config, weights)
            finally:
                opened.source.close()


def _check_truth(request: RunRequest, cameras: Sequence[str], limit: int | None) -> None:
    """Before anything costly: what is wrong with the truth is found now."""
    if request.truth is not None:
        from pipeline.job.truth import check_run_truth

        check_run_truth(request.truth, cameras, limit)


def _taken_up(request: RunRequest, config: Config) -> Job:
    job = load_job(RunFolder(request.output).require(), config)
    if request.site is not None:
        job.site = as_site(request.site, list(job.cameras))
    _check_truth(request, job.cameras, job.limit)
    return job


def _track(opened: Opened, request: RunRequest, config: Config, weights: WeightStore) -> Job:
    inputs, used = opened.source.describe(), _describe_weights(weights)
    folder = prepare_folder(request.output, config, opened.site, overwrite=request.overwrite, resume=request.resume)
    if folder.manifest.exists():
        check_same_inputs(folder, inputs)
        check_same_limit(folder, request.limit)
        if is_tracked(folder):
            return load_job(folder, config)
        check_same_weights(folder, used)
    warnings = [RunWarning(WarningKind.WEIGHTS, line) for line in weights.warnings]
    chosen = weights.runtimes.chosen
    job = Job(folder, config, opened.site, inputs, used, chosen, warnings, limit=request.limit)
    if config.run.threads > usable_cores():
        asked, there = config.run.threads, usable_cores()
        job.warn(WarningKind.TRACKING, f"run.threads={asked}: this process may use {there} core(s), and takes these")
    for line in (*refusals(chosen), *left_on_cpu(config.run.device, weights.used, chosen)):
        job.warn(WarningKind.WEIGHTS, line)
    job.write_manifest(Status.RUNNING)
    try:
        with job.at_work():
            track(job, opened.source, opened.embedder, estimator=opened.estimator, resume=request.resume)
        for camera, frames in opened.source.counted().items():
            inputs[camera]["frames"] = frames
    except InterruptedRun:
        job.write_manifest(Status.INTERRUPTED)
        raise
    job.write_manifest(Status.TRACKED)
    return job


def _from_tracks(start: TrackFiles, request: RunRequest, config: Config) -> Job:
    # Tracks that were given are given back as they are: only their ids are ours to decide.
    as_given = config.run.model_copy(update={"interpolate_s": 0.0, "smooth_s": 0.0})
    config = config.model_copy(update={"run": as_given})
    site = as_site(request.site, None)
    tracks = read_track_folder(start.folder, site, start.features)
    site = site.completed(tuple(tracks))
    _check_truth(request, tuple(tracks), request.limit)
    folder = prepare_folder(request.output, config, site, overwrite=request.overwrite, resume=request.resume)
    job = Job(folder, config, site, {camera: _describe_tracks(start.folder, camera, site) for camera in tracks})
    for group in site.groups:
        if set(group.cameras) & set(tracks):
            job.warn(
                WarningKind.TRACKING,
                f"tracks are taken as they were given: group '{group.name}' is not tracked on the ground, its cameras "
                "are associated like others; give --detections for places in metres",
            )
    with job.at_work(), job.clock.measure(Stage.READ):
        folder.write_part(0.0, 0, [tracklet for found in tracks.values() for tracklet in found])
    job.counts["cameras"] = {camera: {"tracklets": len(found)} for camera, found in tracks.items()}
    folder.write_json(folder.progress, {"complete": True, "last_frame": {}})
    job.write_manifest(Status.TRACKED)
    return job


def _describe_weights(weights: WeightStore) -> dict[str, list[dict[str, object]]]:
    return {
        kind: [
            {"name": found.name, "path": str(found.path), "sha256": found.sha256, "trained_on": found.trained_on}
            for found in used
        ]
        for kind, used in weights.used.items()
    }


def _describe_tracks(folder: Path, camera: str, site: Site) -> dict[str, object]:
    width, height = site.size(camera) or (0, 0)
    path = folder / f"{camera}.txt"
    return {
        "kind": "tracks",
        "uri": str(path),
        "fps": site.fps(camera),
        "width": width,
        "height": height,
        **describe_file(path),
    }
