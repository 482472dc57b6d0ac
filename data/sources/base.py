"""The protocol of a frame source, and what is known of it before the first frame."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from data.records import Frame


@dataclass(frozen=True, slots=True)
class CameraSpec:
    """One ``[name=]path`` argument: the camera's name and where its pictures come from."""

    camera: str
    uri: str


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What a source says of itself.

    Attributes:
        camera: name of the camera.
        uri: path or address.
        width: pixels.
        height: pixels.
        fps: nominal frames per second.
        frame_count: None where unknown (live, or a container that does not say).
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


class FrameSource(Protocol):
    """An opened source.

    ``warnings`` fills while frames are read: one line each, without the camera's name.
    """

    info: SourceInfo
    warnings: list[str]

    def frames(self, start_index: int = 0) -> Iterator[Frame]:
        """Decode from a frame index on, in rising time. A file cut off in the middle ends with a warning."""
        ...

    def close(self) -> None:
        """Release the decoder; may be called twice."""
        ...
