"""One run from its inputs to its folder: prepare, track, associate, write."""

import logging
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from data.errors import UserError
from data.records import Tracklet
from data.runtime.progress import Progress
from data.runtime.stage_clock import StageClock
from data.site import Site, load_site, save_site
from pipeline.config import Config, dump_config
from pipeline.folder.manifest import command_line, versions
from pipeline.folder.run_folder import RunFolder
from pipeline.folder.store import TrackletStore
from pipeline.input.base import PerceivedInput
from pipeline.job.tracking import TrackingStage, TrackListener
from pipeline.job.tracklet_crops import CropCollector
from reid.embedders.base import Embedder
from trackers.registry import build_tracker

logger = logging.getLogger(__name__)

_ASSOCIATION_STAGES = ("associate", "write", "score", "render")


class InterruptedRun(Exception):
    """The user stopped the run; what was done is durable."""


@dataclass
class Job:
    """What is known of a run while it goes on; ends up in the manifest.

    Attributes:
        folder: the run folder, prepared.
        config: resolved configuration.
        site: cameras, clocks, overlap.
        inputs: per camera, what was read.
        weights: per kind, name and hash of the weights used.
        warnings: per camera ("" = the run), one line each.
        clock: timings per stage.
        fallbacks: what was done other than asked; any entry voids the promise of identical bytes.
    """

    folder: RunFolder
    config: Config
    site: Site
    inputs: dict[str, dict[str, Any]]
    weights: dict[str, list[dict[str, object]]] = field(default_factory=dict)
    warnings: dict[str, list[str]] = field(default_factory=dict)
    clock: StageClock = field(default_factory=StageClock)
    fallbacks: list[str] = field(default_factory=list)
    counts: dict[str, Any] = field(default_factory=dict)
    wall_s: float = 0.0

    @property
    def cameras(self) -> tuple[str, ...]:
        """Names, in the order given by the user."""
        return tuple(self.inputs)

    def write_manifest(self, status: str) -> None:
        """Write what is known so far; ``status`` is running, interrupted, tracked or complete."""
        clocks = {
            camera: {"status": self.site.clock(camera).status, "offset_s": self.site.clock(camera).offset_s}
            for camera in self.cameras
        }
        self.folder.write_json(
            self.folder.manifest,
            {
                "version": 1,
                "status": status,
                "command": list(command_line()),
                "versions": versions(),
                "inputs": self.inputs,
                "clocks": clocks,
                "weights": self.weights,
                "seed": self.config.run.seed,
                "counts": self.counts,
                "warnings": {camera: lines for camera, lines in self.warnings.items() if lines},
                "fallbacks": self.fallbacks,
                "timings": {"wall_s": round(self.wall_s, 3), "stages": self.clock.summary()},
            },
        )

    def warn(self, line: str, camera: str = "") -> None:
        """Log a warning and keep it for the manifest."""
        logger.warning("%s", f"{camera}: {line}" if camera else line)
        self.warnings.setdefault(camera, []).append(line)


def prepare_folder(root: Path, config: Config, site: Site, *, overwrite: bool, resume: bool) -> RunFolder:
    """Make the run folder, or check that it is the one to go on with.

    Args:
        root: the folder.
        config: resolved configuration, written to ``config.yaml``.
        site: written to ``site.yaml``.
        overwrite: replace an earlier run's results.
        resume: go on with an interrupted run of the same configuration.

    Raises:
        UserError: when the folder cannot be written, holds something else, or was made with another configuration.
    """
    folder = RunFolder(root)
    text = dump_config(config)
    if resume and folder.manifest.exists():
        if folder.config.read_text(encoding="utf-8") != text:
            raise UserError(f"{root} was made with another configuration; resume with its config.yaml, or --overwrite")
        return folder
    try:
        root.mkdir(parents=True, exist_ok=True)
        check_folder(root, overwrite=overwrite, resume=False)
        folder.remove_results()
        folder.tracklets.mkdir()
        folder.config.write_text(text, encoding="utf-8")
        save_site(site, folder.site)
    except OSError as error:
        raise UserError(f"cannot write to {root}: {error.strerror}; choose another --output") from None
    return folder


def check_folder(root: Path, *, overwrite: bool, resume: bool) -> None:
    """Check early, before anything costly, that a run may be written here.

    Raises:
        UserError: when the folder holds a run that is neither to be resumed nor replaced, or something else.
    """
    folder = RunFolder(root)
    if not root.is_dir() or not any(root.iterdir()):
        if resume:
            raise UserError(f"there is no run to resume in {root}; start it without --resume")
        return
    if not folder.manifest.exists() and not folder.config.exists():
        raise UserError(f"{root} is not empty and is not a run folder; choose another --output")
    if not overwrite and not resume:
        raise UserError(f"{root} already holds a run; use --overwrite, --resume or another --output")


def track(
    job: Job,
    source: PerceivedInput,
    embedder: Embedder | None,
    *,
    resume: bool,
    listener: TrackListener | None = None,
) -> None:
    """Track everything the input gives and leave closed tracklets in the run folder.

    Args:
        job: the run; counts, warnings and timings are added to it.
        source: batches of perceived frames.
        embedder: appearance model, or None.
        resume: go on from the last checkpoint, if there is one.
        listener: sees the tracks of every frame.

    Raises:
        InterruptedRun: after SIGINT or SIGTERM; the checkpoint is written and ``resume`` goes on from it.
    """
    run = job.config.run
    store = TrackletStore(job.folder, run.part_s)
    crops = CropCollector(anonymize=job.config.render.anonymize) if run.crops else None

    def closed(tracklet: Tracklet) -> None:
        store.add(tracklet)
        if crops is not None:
            crops.write(job.folder, tracklet.camera, tracklet.local_id)

    scopes = [build_tracker([camera], job.config.tracker) for camera in source.cameras]
    stage = TrackingStage(scopes, embedder, crops, closed, job.clock, listener)
    state = store.restore() if resume else None
    if state is not None:
        stage.restore(state)
        logger.info("resumed after frame %s", ", ".join(f"{c} {n}" for c, n in stage.last_frame.items()))
    progress = Progress(source.total_frames(), sum(stage.last_frame.values()) + len(source.cameras))
    with _stop_signals() as stopped, progress:
        for batch in source.batches(dict(stage.last_frame), job.clock):
            if store.advance(batch[0].common_s):
                _checkpoint(job, store, stage)
            stage.process(batch)
            progress.advance(len(batch))
            if stopped:
                _checkpoint(job, store, stage)
                _collect(job, source, stage)
                raise InterruptedRun(f"stopped; go on with --resume --output {job.folder.root}")
    stage.finish()
    store.finish()
    _collect(job, source, stage)
    job.folder.write_json(job.folder.progress, {"complete": True, "last_frame": stage.last_frame})
    store.clear_checkpoint()


def _checkpoint(job: Job, store: TrackletStore, stage: TrackingStage) -> None:
    with job.clock.measure("checkpoint"):
        store.checkpoint(stage.state())
        job.folder.write_json(job.folder.progress, {"complete": False, "last_frame": stage.last_frame})


def _collect(job: Job, source: PerceivedInput, stage: TrackingStage) -> None:
    job.counts["cameras"] = stage.counts
    for camera, lines in source.warnings.items():
        for line in lines:
            job.warn(line, camera)
    for camera, counts in stage.counts.items():
        if counts["frames"] == 0:
            job.warn("no frame could be used", camera)
        elif counts["detections"] == 0:
            job.warn("nobody was detected", camera)


@contextmanager
def _stop_signals() -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM instead of dying, so that the batch at work can be finished and made durable.

    A second signal is not caught: it ends the process at once.
    """
    received: list[int] = []
    before: dict[int, Any] = {}

    def note(number: int, _: FrameType | None) -> None:
        received.append(number)
        logger.warning("stopping after this batch; once more ends at once")
        signal.signal(number, before[number])

    try:
        for number in (int(signal.SIGINT), int(signal.SIGTERM)):
            before[number] = signal.signal(number, note)
    except ValueError:
        before.clear()  # Not the main thread: signals are somebody else's to handle.
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def timed(job: Job) -> Iterator[None]:
    """Add the wall time of a block to the job."""
    start = time.perf_counter()
    try:
        yield
    finally:
        job.wall_s += time.perf_counter() - start


def check_same_inputs(folder: RunFolder, inputs: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse to resume with other videos, detections or features than the run began with.

    Raises:
        UserError: naming the first camera that differs.
    """
    before = folder.read_json(folder.manifest)["inputs"]
    for camera in sorted(before.keys() | inputs.keys()):
        old, new = before.get(camera, {}), inputs.get(camera, {})
        if _digests(old) != _digests(new) or (camera in before) != (camera in inputs):
            raise UserError(
                f"camera '{camera}' is not the input this run began with; give the same files, or --overwrite"
            )


def _digests(described: Mapping[str, Any]) -> dict[str, Any]:
    """SHA-256 of a camera's file ("") and of the files beside it, by what they are."""
    beside = {kind: found.get("sha256") for kind, found in described.items() if isinstance(found, Mapping)}
    return {"": described.get("sha256"), **beside}


def is_tracked(folder: RunFolder) -> bool:
    """Whether a run's tracklets are complete."""
    return folder.read_json(folder.manifest)["status"] in ("tracked", "complete")


def load_job(folder: RunFolder, config: Config) -> Job:
    """Take up a run whose tracklets are complete, to associate it again.

    What is known of its inputs, its weights and its tracking stays; warnings and timings of the earlier association go.

    Raises:
        UserError: when its tracking did not finish.
    """
    manifest = folder.read_json(folder.manifest)
    if not is_tracked(folder):
        raise UserError(f"the run in {folder.root} is {manifest['status']}; finish it with --resume first")
    return Job(
        folder=folder,
        config=config,
        site=load_site(folder.site),
        inputs=manifest["inputs"],
        weights=manifest["weights"],
        warnings=_kept_warnings(manifest),
        clock=StageClock.from_summary(
            {stage: spent for stage, spent in manifest["timings"]["stages"].items() if stage not in _ASSOCIATION_STAGES}
        ),
        fallbacks=manifest["fallbacks"],
        counts=manifest["counts"],
        wall_s=manifest["timings"]["wall_s"],
    )


def _kept_warnings(manifest: Mapping[str, Any]) -> dict[str, list[str]]:
    """Warnings of cameras, and of weights; the run's other ones were the association's."""
    weights = tuple(f"{kind}.weights:" for kind in manifest["weights"])
    kept = {
        camera: [line for line in lines if camera or line.startswith(weights)]
        for camera, lines in manifest["warnings"].items()
    }
    return {camera: lines for camera, lines in kept.items() if lines}
