"""Tracks of several cameras, in whatever format they are handed in."""

from dataclasses import dataclass
from typing import NamedTuple

from data.errors import UserError
from data.formats.mot import MotTable
from data.records import DoubleArray, FloatArray

# Four days of 25 frames a second.
_MOST_FRAMES = 10_000_000


class PictureName(NamedTuple):
    """A picture as the files of a data set name it.

    Attributes:
        number: its id.
        file_name: relative to the data set's folder.
    """

    number: int
    file_name: str


@dataclass(frozen=True, slots=True, eq=False)
class CameraTracks:
    """Tracks of one camera or sequence.

    Attributes:
        name: of the camera.
        length: number of frames; where a format does not say, the last row ends it.
        size: (width, height) px; (0, 0) where unknown.
        table: N rows, frames from 0, ids as in the file.
        keypoints: (N, 17, 3) float32 row for row with the table: x px, y px, confidence 0-1; or None.
        skeleton: their layout, a key of ``data.skeletons.SKELETONS``.
        pictures: of its frames, one each, where they are known; else empty.
        places: (N, 2) float64 row for row with the table: metres on the ground, NaN where unknown; or None.
    """

    name: str
    length: int
    size: tuple[int, int]
    table: MotTable
    keypoints: FloatArray | None = None
    skeleton: str = "coco17"
    pictures: tuple[PictureName, ...] = ()
    places: DoubleArray | None = None


def every_frame(tracks: CameraTracks) -> range:
    """The frames of a camera, for formats that have an entry for each.

    Raises:
        UserError: when there are more than anybody filmed.
    """
    if tracks.length > _MOST_FRAMES:
        raise UserError(
            f"camera '{tracks.name}' has {tracks.length} frames, and this format tells of each; number them anew from "
            "the first that is used"
        )
    return range(tracks.length)


def from_table(name: str, table: MotTable) -> CameraTracks:
    """Tracks of a camera that end with their last row."""
    return CameraTracks(name, int(table.frames[-1]) + 1 if len(table) else 0, (0, 0), table)
