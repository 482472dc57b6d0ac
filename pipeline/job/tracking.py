"""From perceived frames to durable tracklets, with checkpoints a killed run goes on from."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from data.errors import UserError
from data.records import Tracklet
from data.runtime.progress import Progress
from data.runtime.stopping import stop_signals
from pipeline.backends.base import PoseEstimator
from pipeline.config import load_config
from pipeline.folder.manifest import command_line
from pipeline.folder.run_folder import RunFolder
from pipeline.folder.stages import Stage, Status, WarningKind
from pipeline.folder.store import TrackletStore
from pipeline.input.base import PerceivedInput
from pipeline.job.job import Job
from pipeline.job.poses_on_demand import PosesOnDemand
from pipeline.job.preparation import read_job
from pipeline.job.stopping import InterruptedRun, resume_line
from pipeline.job.tracking_stage import TrackingStage, TrackListener
from pipeline.job.tracklet_crops import CropCollector
from reid.embedders.base import Embedder
from trackers.registry import build_tracker

logger = logging.getLogger(__name__)


def track(
    job: Job,
    source: PerceivedInput,
    embedder: Embedder | None,
    *,
    estimator: PoseEstimator | None = None,
    resume: bool,
    listener: TrackListener | None = None,
) -> None:
    """Track everything the input gives and leave closed tracklets in the run folder.

    Args:
        job: the run; counts, warnings and timings are added to it.
        source: batches of perceived frames.
        embedder: appearance model, or None.
        estimator: gives skeletons on demand; None where they come with the input, or none are used.
        resume: go on from the last checkpoint, if there is one.
        listener: sees the tracks of every frame.

    Raises:
        InterruptedRun: after a signal that asks to stop; the checkpoint is written and ``resume`` goes on from it.
    """
    store = TrackletStore(job.folder, job.config.run.part_s)
    for group in job.site.groups:
        for camera in group.cameras if set(group.cameras) & set(source.cameras) else ():
            if camera not in source.cameras:
                job.warn(WarningKind.TRACKING, f"group '{group.name}': camera '{camera}' is not in this run")
    poses = None if estimator is None else PosesOnDemand(estimator, job.clock)
    stage = _stage(job, source.cameras, store, embedder, listener, poses)
    state = store.restore() if resume else None
    memory: Mapping[str, Any] = {}
    if state is not None:
        stage.restore(state)
        memory = state["perception"]
        logger.info("resumed after frame %s", ", ".join(f"{c} {n}" for c, n in stage.last_frame.items()))
    done = sum(counts["frames"] for counts in stage.counts.values())
    ended, progress = 0, Progress("tracking", "frame", source.total_frames(), done)
    with stop_signals("batch", source.interrupt) as stopped, progress:
        for batch in source.batches(dict(stage.last_frame), job.clock, memory):
            if stopped:
                break
            if store.advance(batch.instants[0][0].common_s):
                _checkpoint(job, store, stage, memory)
            stage.process(batch.instants)
            memory = batch.memory
            progress.advance(sum(len(instant) for instant in batch.instants))
            if len(source.counted()) > ended:
                # What its header guessed is known now.
                ended = len(source.counted())
                progress.expect(source.total_frames())
        if stopped:
            _checkpoint(job, store, stage, memory)
            _collect(job, source, stage)
            raise InterruptedRun(resume_line(job.folder.root, command_line()))
        progress.finish()
    stage.finish()
    store.finish()
    _collect(job, source, stage)
    _tell_what_is_lacking(job, stage)
    job.folder.write_json(job.folder.progress, {"complete": True, "last_frame": stage.last_frame})
    store.clear_checkpoint()


def end_tracking(folder: RunFolder) -> None:
    """End a stopped run at its last checkpoint, as if its input had ended there; nothing is opened again.

    A live camera never ends by itself. Where tracking is complete nothing is done.

    Raises:
        UserError: when nothing of it is durable, or a file of it is broken.
    """
    job, status = read_job(folder, load_config([folder.config], []))
    if status.has_tracklets:
        return
    store = TrackletStore(folder, job.config.run.part_s)
    stage = _stage(job, job.cameras, store)
    state = store.restore()
    if state is None:
        raise UserError(f"nothing of the run in {folder.root} is durable yet; go on with `pipeline.run --resume`")
    stage.restore(state)
    stage.finish()
    store.finish()
    job.counts["cameras"] = stage.counts
    job.inputs = {
        camera: {**described, "frames": stage.last_frame[camera] + 1} for camera, described in job.inputs.items()
    }
    folder.write_json(folder.progress, {"complete": True, "last_frame": stage.last_frame})
    job.warn(WarningKind.TRACKING, "the run was stopped, and ended with what was tracked until then")
    _tell_what_is_lacking(job, stage)
    # First: after a kill in between the checkpoint is only left over.
    job.write_manifest(Status.TRACKED)
    store.clear_checkpoint()


def _stage(
    job: Job,
    cameras: Sequence[str],
    store: TrackletStore,
    embedder: Embedder | None = None,
    listener: TrackListener | None = None,
    poses: PosesOnDemand | None = None,
) -> TrackingStage:
    """The trackers of a run; complete tracklets go into ``store``, their pictures into the run folder."""
    crops = CropCollector(anonymize=job.config.render.anonymize) if job.config.run.crops else None

    def closed(tracklet: Tracklet) -> None:
        store.add(tracklet)
        if crops is not None:
            crops.write(job.folder, tracklet.camera, tracklet.local_id)

    scopes = [build_tracker(scope, job.site, job.config.tracker) for scope in job.site.scopes(cameras)]
    return TrackingStage(scopes, embedder, crops, closed, job.clock, listener, poses)


def _checkpoint(job: Job, store: TrackletStore, stage: TrackingStage, memory: Mapping[str, Any]) -> None:
    with job.clock.measure(Stage.CHECKPOINT):
        store.checkpoint({**stage.state(), "perception": memory})
        job.folder.write_json(job.folder.progress, {"complete": False, "last_frame": stage.last_frame})


def _collect(job: Job, source: PerceivedInput, stage: TrackingStage) -> None:
    job.counts["cameras"] = stage.counts
    for camera, lines in source.warnings.items():
        for line in lines:
            job.warn(WarningKind.INPUT, line, camera)


def _tell_what_is_lacking(job: Job, stage: TrackingStage) -> None:
    for camera, counts in stage.counts.items():
        if counts["frames"] == 0:
            job.warn(WarningKind.TRACKING, "no frame could be used", camera)
        elif counts["detections"] == 0:
            job.warn(WarningKind.TRACKING, "nobody was detected", camera)
        elif counts["tracklets"] == 0:
            found, looks = counts["detections"], counts["looks"]
            job.warn(WarningKind.TRACKING, f"no track came of {found} detections in {looks} frames", camera)
