"""Recorded video through PyAV, with exact presentation timestamps."""

from collections.abc import Iterator
from typing import Any

from data.config import SourcesConfig
from data.errors import UserError
from data.records import Frame
from data.redaction import redact
from data.sources.base import CameraSpec, SourceInfo, Warnings, file_and_stream, is_address
from data.sources.container import (
    Probe,
    Unreadable,
    open_container,
    probe,
    stamp_s,
    video_stream,
    video_streams,
)
from data.sources.geometry import DecodedPicture, Orientations, ToRgb, shown_size
from data.sources.select import FrameSelector
from data.sources.timeline import PAUSE_S, PAUSE_STEPS, Timeline

_TOLD_PAUSES = 3


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
        self.warnings = Warnings()
        self.counted: int | None = None
        path, number = file_and_stream(spec.uri)
        self._place, self._stream_number = (spec.uri, 1) if is_address(spec.uri) else (str(path), number or 1)
        with open_container(self._place, config.timeout_s) as container:
            streams = len(video_streams(container))
            stream = self._stream(container)
            try:
                self._probe: Probe = probe(container, stream, far=is_address(spec.uri))
            except UserError as error:
                raise UserError(f"camera '{spec.camera}': {self._shown_uri} {error}{_others(streams)}") from None
        self._fps = self._probe.fps or config.image_fps
        if streams > 1 and number is None:
            self.warnings.tell(f"holds {streams} video streams, the first is taken{_others(streams)}")
        self._warn_of_facts()
        self.info = SourceInfo(
            camera=spec.camera,
            uri=self._shown_uri,
            width=self._probe.size[0],
            height=self._probe.size[1],
            fps=self._fps,
            frame_count=self._probe.frame_count,
            live=False,
            wall_clock_start_s=self._probe.wall_clock_s,
            timestamps="container" if self._probe.stamped else "fps",
        )
        self._closed = False

    def frames(self, start_index: int = 0) -> Iterator[Frame]:
        """Decode from a frame index on, in rising time; see ``FrameSource``."""
        selector = FrameSelector(self._config, start_index)
        aspect, orientations = self._probe.aspect, Orientations()
        to_rgb = ToRgb(self._probe.size, aspect, self._probe.fields == "together", orientations)
        resized = False
        try:
            container = open_container(self._place, self._config.timeout_s)
        except Unreadable as error:
            raise UserError(
                f"camera '{self._spec.camera}': {self._shown_uri} cannot be opened again: {error}"
            ) from None
        with container:
            decoder = _Decoder(container, self._stream(container), self._timeline())
            for index, time_s, picture in decoder:
                if self._closed:
                    return
                if not resized and shown_size(picture, aspect, orientations(picture)) != self._probe.size:
                    resized = True
                    width, height = self._probe.size
                    self.warnings.tell(
                        f"the picture size changes, frame {index} has another: all are fitted into {width}x{height}, "
                        "proportions kept"
                    )
                if selector.wants(index, time_s):
                    yield Frame(self._spec.camera, index, time_s, DecodedPicture(picture, to_rgb))
        self.counted = decoder.count
        self._complain(decoder)

    def close(self) -> None:
        """Stop a pass that is under way; it releases the decoder itself."""
        self._closed = True

    def _stream(self, container: Any) -> Any:
        return video_stream(container, self._spec.camera, self._shown_uri, self._stream_number)

    def _timeline(self) -> Timeline:
        return Timeline(self._fps, self._probe.stamped, self._probe.start_s)

    def _warn_of_facts(self) -> None:
        """Say what of the header and the first frames one should know."""
        found = self._probe
        if found.fps is None:
            self.warnings.tell(f"the file gives no frame rate: {self._fps:g} fps assumed (sources.image_fps)")
        if not found.stamped:
            self.warnings.tell(f"timestamps are missing or do not rise: frame times are index / {self._fps:g} fps")
        stored, shown = "{}x{}".format(*found.stored_size), "{}x{}".format(*found.size)
        if found.aspect is not None:
            ratio = f"{found.aspect.numerator}:{found.aspect.denominator}"
            self.warnings.tell(
                f"its pixels are {ratio}, not square: pictures and boxes are {shown}, as a player shows them, not "
                f"{stored} as stored; scale boxes that a tool made without heeding this (OpenCV does not)"
            )
        if found.interlaced and found.fields == "together":
            self.warnings.tell("its frames are marked interlaced but hold whole pictures: every line is used")
        elif found.interlaced:
            doubt = " (too little moves in the first ones to see whether they are)" if found.fields == "unknown" else ""
            self.warnings.tell(
                f"its frames are interlaced{doubt}: pictures are made of one field each, without the comb and half as "
                "sharp from top to bottom"
            )
        if found.high_range:
            self.warnings.tell(
                f"it has high dynamic range ({found.high_range}), which is not mapped: its colours are paler than "
                "those of other cameras; export it in standard range if you can"
            )
        if found.orientation.mirrored:
            self.warnings.tell(
                "the file asks for its mirror image: pictures and boxes are as a player shows them; a tool that heeds "
                "only rotation (OpenCV) sees them otherwise"
            )

    def _complain(self, decoder: "_Decoder") -> None:
        """Say what a whole pass found wrong."""
        for line in decoder.complaints():
            self.warnings.tell(line)
        ends = f"ends at frame {decoder.count} ({decoder.end_s:.2f} s)"
        said_s = self._probe.end_s
        if 0 < decoder.interlaced < decoder.count or (decoder.interlaced and not self._probe.interlaced):
            self.warnings.tell(f"{decoder.interlaced} of {decoder.count} frames are marked interlaced")
        if decoder.broken is not None:
            self.warnings.tell(
                f"{ends} with a read error ({decoder.broken}): cut off or damaged; what decodes was kept"
            )
        elif said_s is not None and decoder.latest_s < said_s - 1.5 / self._fps - 0.1:
            self.warnings.tell(
                f"{ends}, but its header says {said_s:.2f} s: the file is cut off, or its header is wrong; what "
                "decodes was kept"
            )
        elif self._probe.ends_torn:
            self.warnings.tell(f"{ends} within a packet: the file is cut off; what decodes was kept")


def _others(streams: int) -> str:
    """How to name the other streams; "" where there are none."""
    return "" if streams < 2 else f"; FILE#2{f' to FILE#{streams}' if streams > 2 else ''} names another"


class _Decoder:
    """One pass: numbered, timed pictures, and what went wrong on the way."""

    def __init__(self, container: Any, stream: Any, timeline: Timeline) -> None:
        self._container, self._stream, self._timeline = container, stream, timeline
        self._step_s = 1 / timeline.fps
        self._refused, self._damaged, self._first_lost = 0, 0, -1
        self._pauses: list[tuple[int, float]] = []
        self._first_stamp_s: float | None = None
        self.count, self.interlaced = 0, 0
        self.end_s = 0.0
        self.latest_s = 0.0
        self.broken: str | None = None

    def __iter__(self) -> Iterator[tuple[int, float, Any]]:
        for index, time_s, stamp, picture in self._timeline.times(self._pictures()):
            if index or self._timeline.stamped:
                self._note_pause(index, time_s - self.end_s)
            self.count, self.end_s = index + 1, time_s + self._step_s
            self._note_latest(stamp, time_s)
            if picture is not None:
                self.interlaced += picture.interlaced_frame
                yield index, time_s, picture

    def complaints(self) -> Iterator[str]:
        """What was wrong, a line each."""
        if self._refused or self._damaged:
            unnumbered = f"; {self._refused} of them gave no picture and have no number" if self._refused else ""
            lost = self._refused + self._damaged
            yield f"{lost} damaged frames were left out, the first near frame {self._first_lost}{unnumbered}"
        mended, new_bases = self._timeline.mended, self._timeline.new_bases
        if mended:
            yield f"{len(mended)} timestamps were missing or wrong and were mended, the first at frame {mended[0]}"
        if new_bases:
            yield (
                f"timestamps begin anew {len(new_bases)} times (they did not rise), the first at frame "
                f"{new_bases[0]}: time goes on one frame later"
            )
        if self._pauses:
            longest = sorted(self._pauses, key=lambda pause: -pause[1])[:_TOLD_PAUSES]
            shown = ", ".join(f"{length_s:.2f} s before frame {index}" for index, length_s in sorted(longest))
            more = f" (the longest of {len(self._pauses)})" if len(self._pauses) > len(longest) else ""
            yield f"pauses without frames: {shown}{more}"

    def _pictures(self) -> Iterator[tuple[int, float | None, Any]]:
        """(slot, stamp, picture) of everything the decoder gives; the picture is None where it is damaged."""
        import av

        packets = self._container.demux(self._stream)
        given = 0
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
                self._note_lost(given)
                self._refused += 1
                continue
            for picture in pictures:
                if picture.is_corrupt:
                    self._note_lost(given)
                    self._damaged += 1
                yield given + self._refused, stamp_s(picture), None if picture.is_corrupt else picture
                given += 1

    def _note_lost(self, index: int) -> None:
        if self._first_lost < 0:
            self._first_lost = index

    def _note_pause(self, index: int, pause_s: float) -> None:
        """Note a pause: its length is what the step between the frames before and after exceeds one frame by."""
        if pause_s + self._step_s > max(PAUSE_S, PAUSE_STEPS * self._step_s):
            self._pauses.append((index, pause_s + self._step_s))

    def _note_latest(self, stamp: float | None, time_s: float) -> None:
        """The latest moment any stamp names: a header's length is that of the stamps, wrong ones included."""
        if stamp is not None and self._first_stamp_s is None:
            self._first_stamp_s = stamp - time_s
        shown_s = time_s if stamp is None or self._first_stamp_s is None else stamp - self._first_stamp_s
        self.latest_s = max(self.latest_s, shown_s + self._step_s, self.end_s)
