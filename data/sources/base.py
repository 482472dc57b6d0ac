"""The protocol of a frame source, what is known of it before the first frame, and how its place is named."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from data.records import Frame


@dataclass(frozen=True, slots=True)
class CameraSpec:
    """One ``[name=]path`` argument: the camera's name and where its pictures come from."""

    camera: str
    uri: str


def is_address(uri: str) -> bool:
    """Whether pictures come over a network: what exists on disk is never an address."""
    return "://" in uri and not os.path.lexists(uri)


def is_webcam(uri: str) -> bool:
    """Whether a number names a camera of this machine: what exists on disk is never a webcam."""
    return uri.isascii() and uri.isdigit() and not os.path.lexists(uri)


def file_and_stream(uri: str) -> tuple[Path, int | None]:
    """The file a name means, and the video stream of it, from 1: ``a.mkv#2`` is the second of ``a.mkv``.

    None for the stream where none is named; a file whose name ends in such a mark is that file.
    """
    head, mark, tail = uri.rpartition("#")
    if mark and head and tail.isascii() and tail.isdigit() and not os.path.lexists(uri) and os.path.isfile(head):
        return Path(head), int(tail)
    return Path(uri), None


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What a source says of itself.

    Attributes:
        camera: name of the camera.
        uri: path or address.
        width: pixels, as a viewer sees the picture.
        height: pixels.
        fps: nominal frames per second.
        frame_count: a guess from the header; None where unknown (live, or a container that does not say).
        live: frames that are not taken in time are lost.
        wall_clock_start_s: Unix time of the first frame where the container says so, else None.
        timestamps: where frame times come from: "container" (presentation timestamps), "fps" (index / fps), "arrival".
    """

    camera: str
    uri: str
    width: int
    height: int
    fps: float
    frame_count: int | None
    live: bool
    wall_clock_start_s: float | None
    timestamps: str


class Warnings(list[str]):
    """What a source has to say, each line once, in the order in which it came up."""

    def tell(self, line: str) -> None:
        """Add a line that is not there yet."""
        if line not in self:
            self.append(line)


class FrameSource(Protocol):
    """An opened source.

    ``warnings`` fills while frames are read: one line each, without the camera's name. ``counted`` is the number of
    frames there are, known once a pass came to the end; None before, and of a live source.
    """

    info: SourceInfo
    warnings: Warnings
    counted: int | None

    def frames(self, start_index: int = 0) -> Iterator[Frame]:
        """Decode from a frame index on, in rising time. A file cut off in the middle ends with a warning.

        Frame n is the n-th picture the decoder gives, from 0, as OpenCV and FFmpeg count: a damaged picture that it
        gives is left out but has its number, data it gives no picture for has none.
        """
        ...

    def close(self) -> None:
        """Release the decoder; may be called twice."""
        ...
