"""Recorded video through PyAV, with exact presentation timestamps."""

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import Any

from data.config import SourcesConfig
from data.errors import UserError
from data.records import Frame
from data.redaction import redact
from data.sources.base import CameraSpec, SourceInfo
from data.sources.container import (
    Probe,
    ToRgb,
    Unreadable,
    open_container,
    probe,
    stamp_s,
    video_stream,
)
from data.sources.select import FrameSelector
from data.sources.timeline import Timeline

# A step longer than both of these is a gap worth telling: damage, or a recorder that paused.
_GAP_S = 1.0
_GAP_STEPS = 5


class VideoSource:
    """A video file, or a recorded video behind an address.

    Times are presentation timestamps from the stream's start where they rise over the first frames, else index / fps;
    the decision rests on the start of the file alone, so a resumed pass decides the same. Every pass decodes from the
    start and discards up to ``start_index``: a seek is exact only in some containers.
    """

    def __init__(self, spec: CameraSpec, config: SourcesConfig) -> None:
        """Look at the header and the first frames.

        Args:
            spec: camera and path.
            config: how to read it.

        Raises:
            Unreadable: when PyAV cannot open it.
            UserError: when it holds no video.
        """
        self._spec, self._config = spec, config
        self._shown_uri = redact(spec.uri)
        self.warnings: list[str] = []
        with open_container(spec.uri, config.timeout_s) as container:
            stream = video_stream(container, spec.camera, self._shown_uri)
            try:
                self._probe: Probe = probe(container, stream)
            except UserError as error:
                raise UserError(f"camera '{spec.camera}': {self._shown_uri} {error}") from None
        self._fps = self._probe.fps or config.image_fps
        if self._probe.fps is None:
            self._warn(f"the file gives no frame rate: {self._fps:g} fps assumed (sources.image_fps)")
        if self._probe.origin_s is None:
            self._warn(f"timestamps are missing or do not rise: frame times are index / {self._fps:g} fps")
        self.info = SourceInfo(
            camera=spec.camera,
            uri=self._shown_uri,
            width=self._probe.width,
            height=self._probe.height,
            fps=self._fps,
            frame_count=self._probe.frame_count,
            live=False,
            wall_clock_start_s=self._probe.wall_clock_s,
            timestamps="fps" if self._probe.origin_s is None else "container",
        )
        self._closed = False

    def frames(self, start_index: int = 0) -> Iterator[Frame]:
        """Decode from a frame index on, in rising time; see ``FrameSource``."""
        selector = FrameSelector(self._config, start_index)
        to_rgb = ToRgb(self._probe.stored_size, self._probe.turns)
        timeline = Timeline(self._fps, self._probe.origin_s)
        resized = False
        try:
            container = open_container(self._spec.uri, self._config.timeout_s)
        except Unreadable as error:
            raise UserError(
                f"camera '{self._spec.camera}': {self._shown_uri} cannot be opened again: {error}"
            ) from None
        with container:
            decoder = _Decoder(container, video_stream(container, self._spec.camera, self._shown_uri), timeline)
            for index, time_s, picture in decoder:
                if self._closed:
                    return
                if (picture.width, picture.height) != self._probe.stored_size and not resized:
                    resized = True
                    self._warn(f"the picture size changes at frame {index}: later frames are scaled to the first size")
                if selector.wants(index, time_s):
                    yield Frame(self._spec.camera, index, time_s, to_rgb(picture))
        self._complain(decoder, timeline)

    def close(self) -> None:
        """Stop a pass that is under way; it releases the decoder itself."""
        self._closed = True

    def _complain(self, decoder: "_Decoder", timeline: Timeline) -> None:
        """Say what a whole pass found wrong."""
        if decoder.lost:
            self._warn(f"{decoder.lost} damaged frames were left out, the first is frame {decoder.first_lost}")
        if timeline.mended:
            self._warn(
                f"{len(timeline.mended)} timestamps did not rise and were put after the frame before, the first at "
                f"frame {timeline.mended[0]}"
            )
        if decoder.gaps:
            self._warn(
                f"{decoder.gaps} gaps without frames, the longest is {decoder.longest_gap_s:.2f} s before frame "
                f"{decoder.longest_gap_index}"
            )
        ends = f"ends at frame {decoder.next_index} ({decoder.end_s:.2f} s)"
        said_s = self._probe.end_s
        if decoder.broken is not None:
            self._warn(f"{ends} with a read error ({decoder.broken}): cut off or damaged; what decodes was kept")
        elif said_s is not None and decoder.end_s < said_s - 1.5 / self._fps - 0.1:
            self._warn(f"{ends}, but its header says {said_s:.2f} s: the file is cut off; what decodes was kept")
        elif self._probe.ends_torn:
            self._warn(f"{ends} within a packet: the file is cut off; what decodes was kept")

    def _warn(self, line: str) -> None:
        if line not in self.warnings:
            self.warnings.append(line)


class _Decoder:
    """One pass: numbered, timed pictures, and what went wrong on the way."""

    def __init__(self, container: Any, stream: Any, timeline: Timeline) -> None:
        self._container, self._stream, self._timeline = container, stream, timeline
        self._pictures, self._last_index = 0, -1
        self._lost_stamps: list[float] = []
        self._lost_unstamped = 0
        self.first_lost = -1
        self.end_s = 0.0
        self.gaps = 0
        self.longest_gap_s, self.longest_gap_index = 0.0, -1
        self.broken: str | None = None

    @property
    def lost(self) -> int:
        """Frames that did not decode, or came out damaged."""
        return len(self._lost_stamps) + self._lost_unstamped

    @property
    def next_index(self) -> int:
        """Index the next frame would have."""
        return self._pictures + self.lost

    def __iter__(self) -> Iterator[tuple[int, float, Any]]:
        import av

        packets = self._container.demux(self._stream)
        step = 1 / self._timeline.fps
        while True:
            try:
                packet = next(packets, None)
            except av.FFmpegError as error:
                self.broken = error.strerror or str(error)
                return
            if packet is None:
                return
            try:
                pictures = packet.decode()
            except av.FFmpegError:
                self._lose(None if packet.pts is None else float(packet.pts * packet.time_base))
                continue
            for picture in pictures:
                stamp = stamp_s(picture)
                if picture.is_corrupt:
                    self._lose(stamp)
                    continue
                index = self._index(stamp)
                self._pictures += 1
                time_s = self._timeline.time(index, stamp)
                if index:
                    self._note_gap(index, time_s - self.end_s + step)
                self.end_s = time_s + step
                yield index, time_s, picture

    def _index(self, stamp: float | None) -> int:
        """Number of the next picture: lost frames count where they would have been shown."""
        number = self.next_index
        if self._timeline.stamped and stamp is not None:
            number = self._pictures + self._lost_unstamped + bisect_left(self._lost_stamps, stamp)
        self._last_index = max(number, self._last_index + 1)
        return self._last_index

    def _note_gap(self, index: int, gap_s: float) -> None:
        if gap_s > max(_GAP_S, _GAP_STEPS / self._timeline.fps):
            self.gaps += 1
            if gap_s > self.longest_gap_s:
                self.longest_gap_s, self.longest_gap_index = gap_s, index

    def _lose(self, stamp: float | None) -> None:
        if self.first_lost < 0:
            self.first_lost = self.next_index
        if stamp is None or not self._timeline.stamped:
            self._lost_unstamped += 1
        else:
            insort(self._lost_stamps, stamp)
