"""Overlay videos of a finished run: boxes and ids drawn into its videos in a second decode pass."""

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from data.errors import UserError
from pipeline.folder.run_folder import RunFolder
from pipeline.rendering.config import RenderConfig
from pipeline.rendering.draw import Painter
from pipeline.rendering.mosaic import mosaic_path, render_mosaic
from pipeline.rendering.pauses import Pauses
from pipeline.rendering.recording import Playback, Recording
from pipeline.rendering.text import clock_text
from pipeline.rendering.video_writer import VideoWriter

logger = logging.getLogger(__name__)


def _log(camera: str, reason: str) -> None:
    logger.warning("%s: no overlay video: %s", camera, reason)


def render_run(
    folder: RunFolder,
    config: RenderConfig,
    cameras: Sequence[str] | None = None,
    *,
    overwrite: bool = True,
    own: bool = False,
    lacking: Callable[[str, str], None] = _log,
) -> list[Path]:
    """Draw the overlay videos of a run.

    A camera whose video is gone is skipped and told; the others are drawn.

    Args:
        folder: a run whose tracklets are complete.
        config: what to draw, and how to encode it.
        cameras: which, or None for all.
        overwrite: replace videos that are there; else they are an error.
        own: see ``Playback.of``.
        lacking: told the camera and the reason of every video that could not be drawn, where others could.

    Returns:
        The videos written, in the order of the cameras; the mosaic comes last.

    Raises:
        UserError: when it is no run folder or has no such camera, a video is there already, or none could be drawn.
    """
    playback = Playback.of(folder, config, own=own)
    if not playback.inputs:
        raise UserError(f"{folder.manifest} names no inputs: there is no video to draw into")
    names = list(playback.inputs) if cameras is None else list(dict.fromkeys(cameras))
    for name in names:
        if name not in playback.inputs:
            raise UserError(f"the run has no camera '{name}'; there are: {', '.join(playback.inputs)}")
    wanted = [folder.video(name) for name in names] + ([mosaic_path(folder)] if config.mosaic else [])
    standing = [path for path in wanted if path.exists()]
    if standing and not overwrite:
        raise UserError(f"{standing[0]} is there already; use --overwrite to replace it")
    if not folder.global_tracks.exists():
        logger.warning("%s has no identities yet: local ids (~1, ~2, ...) are drawn", folder.root)
    written, failures = [], {}
    for name in names:
        try:
            written.append(_render_camera(playback.record(name), folder.claim(folder.video(name)), config))
        except UserError as error:
            failures[name] = str(error)
    if failures and not written:
        raise UserError(f"no overlay video could be made: {'; '.join(dict.fromkeys(failures.values()))}")
    for name, reason in failures.items():
        lacking(name, reason)
    if config.mosaic:
        drawn = [name for name in names if folder.video(name) in written]
        written.append(render_mosaic(playback, drawn, folder.claim(mosaic_path(folder))))
    return written


def _render_camera(recording: Recording, path: Path, config: RenderConfig) -> Path:
    """Draw one camera; frames keep their distances in time, long pauses excepted; the first one is shown at 0."""
    info = recording.info
    size = (info.width, info.height)
    painter = Painter(size, config.min_confidence, skeletons=config.skeletons)
    began, pauses = time.perf_counter(), Pauses(config.longest_pause_s)
    with VideoWriter(
        path, size, info.fps, crf=config.crf, preset=config.preset, queue_frames=config.queue_frames
    ) as writer:
        for frame in recording.frames():
            film_s = pauses.film_s(frame.time_s)
            image = recording.shown(frame)
            heading = f"{recording.camera}  {clock_text(frame.time_s)}  {pauses.remark}".rstrip()
            painter.paint(image, recording.scene(frame), heading)
            writer.write(image, film_s)
        if not writer.frames:
            raise UserError(f"camera '{recording.camera}': {info.uri} gives no frame any more")
    for line in recording.warnings:
        logger.warning("%s: %s", recording.camera, line)
    if pauses.cut:
        logger.info(
            "%s: %d pauses are shown in %g s each (render.longest_pause_s), the longest was %s", path, len(pauses.cut),
            config.longest_pause_s, clock_text(max(pauses.cut)),
        )  # fmt: skip
    spent = time.perf_counter() - began
    logger.info("%s: %d frames, %.1f frames/s", path, writer.frames, writer.frames / max(spent, 1e-9))
    return path
