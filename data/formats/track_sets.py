"""Tracks of several cameras, in whatever format they are handed in."""

from dataclasses import dataclass

from data.formats.mot import MotTable
from data.records import FloatArray


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
    """

    name: str
    length: int
    size: tuple[int, int]
    table: MotTable
    keypoints: FloatArray | None = None
    skeleton: str = "coco17"


def from_table(name: str, table: MotTable) -> CameraTracks:
    """Tracks of a camera that end with their last row."""
    return CameraTracks(name, int(table.frames[-1]) + 1 if len(table) else 0, (0, 0), table)
