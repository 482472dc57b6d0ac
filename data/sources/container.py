"""What the PyAV sources share: opening, the facts of a stream, colour conversion."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from data.errors import UserError
from data.records import Image
from data.sources.timeline import rises, usual_rate

PROBE_FRAMES = 32
_HIGHEST_RATE = 250.0
# FFmpeg reads plain text as a video of a terminal; nobody means that.
_TEXT_CODECS = {"ansi", "bintext", "xbin", "idf"}
# Bytes of a transport stream packet: plain, with time codes (Blu-ray), with error correction (broadcast).
_TS_PACKETS = (188, 192, 204)
_OLDEST_WALL_CLOCK = datetime(1990, 1, 1, tzinfo=UTC)
_CLOCK_TEXT = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)")


class Unreadable(Exception):
    """PyAV cannot open it; another decoder may."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What the header and the first frames say of a video stream.

    Attributes:
        width: pixels as shown, after ``turns``.
        height: pixels as shown.
        stored_size: (width, height) as decoded.
        turns: quarter turns counter-clockwise that bring a picture upright.
        fps: frames per second; None where nothing tells.
        frame_count: None where unknown.
        end_s: where the header says the stream ends, seconds from its first frame; None where it does not.
        origin_s: timestamp of the first frame in seconds; None where timestamps are missing or do not rise.
        wall_clock_s: Unix time at which the container says recording began, or None.
        ends_torn: the file is a transport stream that ends within a packet.
    """

    width: int
    height: int
    stored_size: tuple[int, int]
    turns: int
    fps: float | None
    frame_count: int | None
    end_s: float | None
    origin_s: float | None
    wall_clock_s: float | None
    ends_torn: bool


def open_container(uri: str, timeout_s: float) -> Any:
    """Open a file or address with PyAV.

    Raises:
        Unreadable: for anything it cannot open, with its reason.
    """
    import av

    options = {"rtsp_transport": "tcp"} if uri.startswith("rtsp") else {}
    try:
        return av.open(uri, options=options, timeout=timeout_s if "://" in uri else None, metadata_errors="replace")
    except (av.FFmpegError, OSError, ValueError) as error:
        raise Unreadable(getattr(error, "strerror", None) or str(error)) from None


def video_stream(container: Any, camera: str, uri: str) -> Any:
    """The first real video stream, cover pictures left out, ready to decode.

    Raises:
        UserError: where there is none.
        Unreadable: where PyAV has no decoder for it.
    """
    streams = [stream for stream in container.streams.video if not _is_cover(stream)]
    if not streams:
        kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
        raise UserError(f"camera '{camera}': {uri} has no video stream (it holds {kinds}); give a video file")
    stream = streams[0]
    if stream.codec_context is None:
        raise Unreadable("no decoder for its video stream")
    if stream.codec_context.name in _TEXT_CODECS:
        raise Unreadable("it is a text file")
    # Frame threads hide damage in a way that depends on timing; slice threads give the same pictures every time.
    stream.thread_type = "SLICE"
    return stream


def _is_cover(stream: Any) -> bool:
    import av

    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def stamp_s(frame: Any) -> float | None:
    """Presentation timestamp in seconds."""
    return None if frame.pts is None or frame.time_base is None else float(frame.pts * frame.time_base)


def probe(container: Any, stream: Any) -> Probe:
    """Look at the header and decode the first frames. The container has to be opened afresh afterwards.

    Raises:
        UserError: when not a single frame decodes.
    """
    import av

    frames: list[Any] = []
    try:
        for packet in container.demux(stream):
            try:
                frames.extend(packet.decode())
            except av.FFmpegError:
                continue
            if len(frames) >= PROBE_FRAMES:
                break
    except av.FFmpegError:
        pass
    if not frames:
        raise UserError("holds no frame that decodes (empty, or damaged from the start); record or export it again")
    first = frames[0]
    stamps = [stamp_s(frame) for frame in frames]
    rising = rises(stamps)
    fps = float(stream.average_rate or stream.guessed_rate or 0) or None
    if rising and (fps is None or fps > _HIGHEST_RATE):
        fps = usual_rate([stamp for stamp in stamps if stamp is not None]) or fps
    turns = round(first.rotation / 90) % 4
    size = (first.width, first.height)
    start_s = None if stream.start_time is None else float(stream.start_time * stream.time_base)
    end_s = _end_s(container, stream, fps)
    count = stream.frames or (round(end_s * fps) if end_s and fps else None)
    return Probe(
        width=size[turns % 2],
        height=size[1 - turns % 2],
        stored_size=size,
        turns=turns,
        fps=fps,
        frame_count=count,
        end_s=end_s,
        origin_s=_origin(stamps[0], start_s) if rising else None,
        wall_clock_s=wall_clock(container, stream),
        ends_torn=container.format.name == "mpegts" and all(container.size % packet for packet in _TS_PACKETS),
    )


def _origin(first_s: float | None, start_s: float | None) -> float | None:
    if first_s is None or start_s is None:
        return first_s
    return min(first_s, start_s)


def _end_s(container: Any, stream: Any, fps: float | None) -> float | None:
    if container.format.name == "avi":
        return stream.frames / fps if stream.frames and fps else None
    if stream.duration is not None:
        return float(stream.duration * stream.time_base)
    said = _CLOCK_TEXT.match(stream.metadata.get("DURATION", ""))
    if said is not None:
        hours, minutes, seconds = said.groups()
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    if container.duration is not None and len(container.streams) == 1:
        return container.duration / 1e6
    return None


def wall_clock(container: Any, stream: Any) -> float | None:
    """Unix time of the ``creation_time`` tag; None where it is absent, unreadable or a factory default."""
    text = container.metadata.get("creation_time") or stream.metadata.get("creation_time") or ""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment.timestamp() if moment > _OLDEST_WALL_CLOCK else None


class ToRgb:
    """Turns decoded frames into upright RGB pictures of one size."""

    def __init__(self, stored_size: tuple[int, int], turns: int) -> None:
        """Prepare.

        Args:
            stored_size: (width, height) every frame is brought to, as decoded.
            turns: quarter turns counter-clockwise.
        """
        from av.video.reformatter import VideoReformatter

        self._reformatter, self._size, self._turns = VideoReformatter(), stored_size, turns

    def __call__(self, frame: Any) -> Image:
        """Convert a frame to (H, W, 3) uint8 RGB."""
        width, height = self._size
        picture = self._reformatter.reformat(frame, width=width, height=height, format="rgb24", threads=1).to_ndarray()
        return np.ascontiguousarray(np.rot90(picture, self._turns), np.uint8)
