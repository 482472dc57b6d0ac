"""Videos, image folders and streams as a run's input."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from data.config import SourcesConfig
from data.formats.detections_in import CameraDetections
from data.formats.features_in import told_corners
from data.records import Frame
from data.runtime.stage_clock import StageClock
from data.site import Site
from data.sources.base import CameraSpec, FrameSource, SourceInfo, file_and_stream
from data.sources.open import open_source
from data.sources.select import selected_count
from pipeline.folder.input_files import describe_file, describe_input
from pipeline.folder.stages import Stage
from pipeline.input.ahead import Ahead, stop_all
from pipeline.input.base import common_time
from pipeline.input.batching import Batching, batches, by_instant, merge_by_time
from pipeline.input.perception import Look, PerceivedBatch, perceive
from pipeline.input.schedule import LookSchedule


def _limited(frames: Iterator[Frame], limit: int | None, live: bool) -> Iterator[Frame]:
    """The first so many frames; of a live camera, whose numbers count what arrived, so many that are used."""
    for used, frame in enumerate(frames):
        if limit is not None and (used if live else frame.index) >= limit:
            return
        yield frame


def open_sources(specs: Sequence[CameraSpec], config: SourcesConfig) -> dict[str, FrameSource]:
    """Open every source, by camera.

    Raises:
        UserError: for the first that cannot be opened; those before it are closed again.
    """
    opened: dict[str, FrameSource] = {}
    try:
        for spec in specs:
            opened[spec.camera] = open_source(spec, config)
    except Exception:
        for source in opened.values():
            source.close()
        raise
    return opened


class VideoInput:
    """Videos, image folders or streams, decoded and looked at ahead of the tracker."""

    def __init__(
        self,
        sources: Mapping[str, FrameSource],
        config: SourcesConfig,
        batching: Batching,
        look: Look,
        site: Site,
        limit: int | None,
        given: Mapping[str, CameraDetections] | None = None,
        schedule: LookSchedule | None = None,
    ) -> None:
        """Set up; nothing is decoded yet.

        Args:
            sources: opened, by camera (see ``open_sources``); closed with this input.
            config: that the sources were opened with; says how many decoded frames may wait per camera.
            batching: how frames are grouped.
            look: finds the people of a frame.
            site: puts source times on the common clock, and cameras into groups.
            limit: frames per camera, or None.
            given: the detection files ``look`` reads, by camera; None where networks look.
            schedule: which frames are worth a look; None: all are.
        """
        self._given = dict(given or {})
        self._schedule = schedule
        self._sources = dict(sources)
        self.cameras = tuple(self._sources)
        self._config, self._batching, self._look, self._limit = config, batching, look, limit
        self._common_time = common_time(site)
        self._site = site
        self._scopes = site.scopes(self.cameras)
        self._threads: list[Ahead[Any]] = []

    @property
    def live(self) -> list[str]:
        """Cameras whose frames are lost when they are not taken in time."""
        return [camera for camera, source in self._sources.items() if source.info.live]

    @property
    def warnings(self) -> dict[str, list[str]]:
        """What each source, and the detection file beside it, gave cause to complain about so far."""
        lines = {
            camera: [*source.warnings, *_missized(self._site, source.info)] for camera, source in self._sources.items()
        }
        for camera, given in self._given.items():
            source = self._sources[camera]
            corners = told_corners(given.boxes, (source.info.width, source.info.height))
            lines[camera] += [*given.warnings, *_misfits(given, source.counted)]
            lines[camera] += [corners] if corners is not None else []
        return lines

    def batches(
        self, after: Mapping[str, int], clock: StageClock, memory: Mapping[str, Any] | None = None
    ) -> Iterator[PerceivedBatch]:
        """Decode and perceive in threads; see ``PerceivedInput``."""
        if self._schedule is not None and memory:
            self._schedule.restore(memory)
        decoders = {}
        for camera, source in self._sources.items():
            frames = _limited(source.frames(after[camera] + 1), self._limit, source.info.live)
            if self._schedule is None:
                # All are looked at: then it is better done here, in a thread of each camera.
                frames = (frame.converted() for frame in frames)
            frames = _timed(frames, clock)
            decoders[camera] = Ahead(frames, self._config.queue_frames, f"decode-{camera}")
        self._threads.extend(decoders.values())
        merged = merge_by_time({camera: iter(decoder) for camera, decoder in decoders.items()}, self._common_time)
        # A run that goes on must form the batches of one that was never stopped.
        begins = all(index < 0 for index in after.values())
        grouped = batches(by_instant(merged, self._scopes), self._batching, at_once=begins)
        perceived = Ahead(perceive(grouped, self._look, clock, self._schedule), self._batching.waiting, "perceive")
        self._threads.append(perceived)
        yield from perceived

    def describe(self) -> dict[str, dict[str, Any]]:
        """See ``PerceivedInput``."""
        described: dict[str, dict[str, Any]] = {
            camera: {
                "kind": "video",
                "uri": source.info.uri,
                "fps": source.info.fps,
                "width": source.info.width,
                "height": source.info.height,
                "frames": source.info.frame_count,
                "timestamps": source.info.timestamps,
                "live": source.info.live,
                **describe_input(file_and_stream(source.info.uri)[0]),
            }
            for camera, source in self._sources.items()
        }
        for camera, given in self._given.items():
            described[camera]["detections"] = {"uri": str(given.path), **describe_file(given.path)}
        return described

    def counted(self) -> dict[str, int]:
        """See ``PerceivedInput``."""
        return {camera: source.counted for camera, source in self._sources.items() if source.counted is not None}

    def total_frames(self) -> int | None:
        """See ``PerceivedInput``."""
        expected = 0
        for source in self._sources.values():
            fps = source.info.fps
            count = source.info.frame_count if source.counted is None else source.counted
            if count is None:
                return None
            expected += selected_count(self._config, count if self._limit is None else min(count, self._limit), fps)
        return expected

    def interrupt(self) -> None:
        """See ``PerceivedInput``."""
        for thread in self._threads:
            thread.request_stop()

    def close(self) -> None:
        """See ``PerceivedInput``.

        A thread that waits for a live camera is woken by closing the camera; a file must not be closed under the
        thread that decodes it.
        """
        for source in self._sources.values():
            if source.info.live:
                source.close()
        stop_all(self._threads)
        for source in self._sources.values():
            source.close()


def _missized(site: Site, info: SourceInfo) -> list[str]:
    """A line where pictures have another size than the site file gives their camera."""
    size = site.size(info.camera)
    if size is None or size == (info.width, info.height):
        return []
    return [
        f"its pictures are {info.width}x{info.height} px, the site file says {size[0]}x{size[1]}: a calibration holds "
        f"for pictures of the size it was made with; mend cameras.{info.camera}.size"
    ]


def _misfits(given: CameraDetections, frames: int | None) -> list[str]:
    """Signs that detections were made of another video, once its frames are counted."""
    if frames is None:
        return []
    late = int((given.frames >= frames).sum())
    if late:
        return [f"{late} detections of {given.path} lie after frame {frames}, the last of the video"]
    # Of the formats only COCO's has an entry for every frame, whether somebody is there or not.
    if given.path.suffix == ".json" and given.frame_count < frames:
        return [f"{given.path} tells of {given.frame_count} frames, the video has {frames}: nobody in the others"]
    return []


def _timed(frames: Iterator[Frame], clock: StageClock) -> Iterator[Frame]:
    while True:
        with clock.measure(Stage.DECODE):
            frame = next(frames, None)
        if frame is None:
            return
        yield frame
