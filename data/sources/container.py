"""What the PyAV sources share: opening, which stream, and the facts of it."""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import Any

from data.errors import UserError
from data.sources.base import is_address
from data.sources.fields import FieldOrder, Fields
from data.sources.geometry import Orientation, Orientations, Size, believed_aspect, common_size, shown_size
from data.sources.rate import nominal_rate
from data.sources.timeline import mostly_rises

PROBE_FRAMES = 32
# Frames looked at for how their two fields follow each other.
_FIELD_FRAMES = 150
# Places in a file at which its picture size is looked at, and packets that may be read for it at each.
_LOOKS = 12
_LOOK_PACKETS = 60
# Packets of a stream that knows no places, of which the key frames are looked at.
_PASS_PACKETS = 3000
# FFmpeg reads plain text as a video of a terminal; nobody means that.
_TEXT_CODECS = {"ansi", "bintext", "xbin", "idf"}
# Streams without a container: what FFmpeg says of their rate and stamps is its own guess, only the codec may know.
_BARE = re.compile("av1|cavsvideo|dirac|evc|h26[1345]|hevc|m4v|mjpeg|mpegvideo|obu|vc1|vvc")
# Transport streams: bytes from packet to packet, and of them from the sync byte to the end; plain, with time codes
# (Blu-ray), with error correction (broadcast).
_TS_PACKETS = ((188, 188), (192, 188), (204, 204))
_TS_SYNC = 0x47
# Transfer characteristics of ITU-T H.273.
_HIGH_RANGES = {16: "PQ", 18: "HLG"}
_TS_LOOKS = 4
_OLDEST_WALL_CLOCK = datetime(1990, 1, 1, tzinfo=UTC)
_CLOCK_TEXT = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)")


class Unreadable(Exception):
    """PyAV cannot open it; another decoder may."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What the header and the first frames say of a video stream.

    Attributes:
        size: (width, height) every picture is brought to: the commonest size as shown, of several the largest.
        stored_size: (width, height) of the first picture as stored.
        aspect: width of a stored pixel over its height; None: square.
        orientation: how the first picture is to be shown.
        interlaced: any of the first frames is marked so.
        fields: whether the two fields of the first frames are of different instants, where they are marked.
        high_range: name of the transfer function of high dynamic range, or "".
        fps: frames per second; None where nothing tells.
        frame_count: what the header says, as far as its length agrees; None where unknown.
        end_s: where the header says the stream ends, seconds from its start; None where it does not.
        stamped: timestamps are there and rise.
        start_s: timestamp at which the header says the stream starts.
        wall_clock_s: Unix time at which the container says recording began, or None.
        ends_torn: the file is a transport stream that ends within a packet.
    """

    size: Size
    stored_size: Size
    aspect: Fraction | None
    orientation: Orientation
    interlaced: bool
    fields: Fields
    high_range: str
    fps: float | None
    frame_count: int | None
    end_s: float | None
    stamped: bool
    start_s: float | None
    wall_clock_s: float | None
    ends_torn: bool


def open_container(uri: str, timeout_s: float) -> Any:
    """Open a file or address with PyAV.

    Raises:
        Unreadable: for anything it cannot open, with its reason.
    """
    import av

    options = {"rtsp_transport": "tcp"} if uri.startswith("rtsp") else {}
    far = is_address(uri)
    # A name with a colon is no protocol where a file has it.
    place = uri if far else os.path.abspath(uri)
    try:
        return av.open(place, options=options, timeout=timeout_s if far else None, metadata_errors="replace")
    except (av.FFmpegError, OSError, ValueError) as error:
        raise Unreadable(getattr(error, "strerror", None) or str(error)) from None


def video_streams(container: Any) -> list[Any]:
    """The video streams, cover pictures and thumbnails left out."""
    import av

    kinds = av.stream.Disposition
    stills = kinds.attached_pic | kinds.still_image | kinds.timed_thumbnails
    return [stream for stream in container.streams.video if not stream.disposition & stills]


def video_stream(container: Any, camera: str, uri: str, number: int = 1) -> Any:
    """A video stream, ready to decode.

    Args:
        container: opened.
        camera: for errors.
        uri: for errors.
        number: of the stream among the video streams, from 1.

    Raises:
        UserError: where there is none of this number.
        Unreadable: where PyAV has no decoder for it.
    """
    streams = video_streams(container)
    if not streams:
        kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
        raise UserError(f"camera '{camera}': {uri} has no video stream (it holds {kinds}); give a video file")
    if not 0 < number <= len(streams):
        raise UserError(f"camera '{camera}': {uri}: there is no video stream {number}, the last is {len(streams)}")
    stream = streams[number - 1]
    if stream.codec_context is None:
        raise Unreadable("no decoder for its video stream")
    if stream.codec_context.name in _TEXT_CODECS:
        raise Unreadable("it is a text file")
    # Frame threads hide damage in a way that depends on timing; slice threads give the same pictures every time.
    stream.thread_type = "SLICE"
    return stream


def stamp_s(frame: Any) -> float | None:
    """Presentation timestamp in seconds."""
    return None if frame.pts is None or frame.time_base is None else float(frame.pts * frame.time_base)


def probe(container: Any, stream: Any, far: bool = False) -> Probe:
    """Look at the header and decode the first frames. The container has to be opened afresh afterwards.

    Args:
        container: opened.
        stream: of it.
        far: it lies behind an address: only its start is looked at.

    Raises:
        UserError: when not a single frame decodes.
    """
    frames, ended = _first_frames(container, stream)
    if not frames:
        raise UserError("holds no frame that decodes (empty, or damaged from the start); record or export it again")
    first = frames[0]
    aspect = believed_aspect(stream.sample_aspect_ratio)
    bare = _BARE.fullmatch(container.format.name) is not None
    stamps = [stamp_s(frame) for frame in frames]
    stamped = not bare and mostly_rises(stamps)
    rates = [stream.codec_context.framerate]
    if not bare:
        rates = [stream.average_rate, stream.guessed_rate, stream.base_rate, *rates]
    fps = nominal_rate([float(rate) if rate else None for rate in rates], stamps if stamped else [])
    end_s = _end_s(container, stream, fps)
    orientations = Orientations()
    sizes = [shown_size(frame, aspect, orientations(frame)) for frame in frames]
    interlaced = any(frame.interlaced_frame for frame in frames)
    fields = _fields_of(container, stream, frames) if interlaced else "unknown"
    if not ended and not far:
        sizes = [sizes[0], *_sizes_elsewhere(container, stream, aspect, end_s, orientations)]
    return Probe(
        size=common_size(sizes),
        stored_size=(first.width, first.height),
        aspect=aspect,
        orientation=orientations(first),
        interlaced=interlaced,
        fields=fields,
        high_range=_HIGH_RANGES.get(int(first.color_trc), ""),
        fps=fps,
        frame_count=_frame_count(stream, end_s, fps),
        end_s=end_s,
        stamped=stamped,
        start_s=None if stream.start_time is None else float(stream.start_time * stream.time_base),
        wall_clock_s=wall_clock(container, stream),
        ends_torn=not far and container.format.name == "mpegts" and ends_torn(Path(container.name)),
    )


def _first_frames(container: Any, stream: Any) -> tuple[list[Any], bool]:
    """The first frames that decode, and whether there are no more."""
    import av

    frames: list[Any] = []
    try:
        for packet in container.demux(stream):
            try:
                frames.extend(packet.decode())
            except av.FFmpegError:
                continue
            if len(frames) >= PROBE_FRAMES:
                return frames, False
    except av.FFmpegError:
        pass
    return frames, True


def _fields_of(container: Any, stream: Any, first: Sequence[Any]) -> Fields:
    """How the fields of a stream follow each other: by its first frames, and further ones while too little moves."""
    order = FieldOrder()
    for frame in first:
        order.add(frame)
    further = _decoded(_packets(container, stream, _FIELD_FRAMES))
    for frame in islice(further, _FIELD_FRAMES - len(first)):
        if order.decide() != "unknown":
            break
        order.add(frame)
    return order.decide()


def _sizes_elsewhere(
    container: Any, stream: Any, aspect: Fraction | None, end_s: float | None, orientations: Orientations
) -> list[Size]:
    """Picture sizes at places spread over a file; of the key frames that come next where it knows no places."""
    import av

    if end_s is None:
        stream.codec_context.skip_frame = "NONKEY"
        frames = _decoded(_packets(container, stream, _PASS_PACKETS))
        return [shown_size(frame, aspect, orientations(frame)) for frame in frames]
    found: list[Size | None] = []
    known: dict[int | None, Size | None] = {}
    for number in range(1, _LOOKS + 1):
        at_s = end_s * number / (_LOOKS + 1)
        try:
            container.seek((stream.start_time or 0) + round(at_s / stream.time_base), stream=stream)
        except av.FFmpegError:
            continue
        packets = _packets(container, stream, _LOOK_PACKETS)
        first = next(packets, None)
        if first is None:
            continue
        # Where key frames are few, several places lead to one.
        if first.pos is None or first.pos not in known:
            frame = next(_decoded(chain([first], packets)), None)
            known[first.pos] = None if frame is None else shown_size(frame, aspect, orientations(frame))
        found.append(known[first.pos])
    return [size for size in found if size is not None]


def _packets(container: Any, stream: Any, most: int) -> Iterator[Any]:
    import av

    try:
        yield from islice(container.demux(stream), most)
    except av.FFmpegError:
        return


def _decoded(packets: Iterable[Any]) -> Iterator[Any]:
    import av

    for packet in packets:
        try:
            yield from packet.decode()
        except av.FFmpegError:
            continue


def _frame_count(stream: Any, end_s: float | None, fps: float | None) -> int | None:
    """A guess: an edit list may show fewer frames than are stored, and a length may be wrong."""
    by_length = round(end_s * fps) if end_s and fps else None
    counts = [count for count in (stream.frames or None, by_length) if count]
    return min(counts, default=None)


def _end_s(container: Any, stream: Any, fps: float | None) -> float | None:
    if container.format.name == "avi":
        return stream.frames / fps if stream.frames and fps else None
    if container.format.name.startswith("matroska"):
        # Its lengths count from 0, wherever the first frame is.
        first_s = float((stream.start_time or 0) * stream.time_base)
        said_s = _said_s(container, stream)
        return None if said_s is None else said_s - max(first_s, 0.0)
    return _said_s(container, stream)


def _said_s(container: Any, stream: Any) -> float | None:
    if stream.duration is not None:
        return float(stream.duration * stream.time_base)
    said = _CLOCK_TEXT.match(stream.metadata.get("DURATION", ""))
    if said is not None:
        hours, minutes, seconds = said.groups()
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    if container.duration is not None and len(container.streams) == 1:
        return container.duration / 1e6
    return None


def ends_torn(path: Path) -> bool:
    """Whether a transport stream ends within a packet: sync bytes at even distances, the last too near to the end.

    What lies before the first packet, and what was filled in behind the last, does not count.
    """
    with path.open("rb") as stream:
        stream.seek(-min(path.stat().st_size, 204 * (_TS_LOOKS + 1)), os.SEEK_END)
        tail = stream.read()
    for distance, whole in _TS_PACKETS:
        for left in range(1, whole):
            last = len(tail) - left
            if last - (_TS_LOOKS - 1) * distance >= 0 and all(
                tail[last - number * distance] == _TS_SYNC for number in range(_TS_LOOKS)
            ):
                return True
    return False


def wall_clock(container: Any, stream: Any) -> float | None:
    """Unix time of the ``creation_time`` tag; None where it is absent, unreadable or a factory default."""
    text = container.metadata.get("creation_time") or stream.metadata.get("creation_time") or ""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment.timestamp() if moment > _OLDEST_WALL_CLOCK else None
