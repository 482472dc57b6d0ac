"""Upright boxes in the world: what the AI City Challenge calls 3-D perception (2025 on).

A submission is a text file of rows of scene, class, id, frame, x, y, z, width, length, height, yaw, separated by white
space; frames count from 0, x, y, z is the middle of the box in metres, yaw in radians. Width lies along the box's x.
"""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from data.errors import UserError
from data.formats.number_rows import LARGEST_WHOLE, line_of, read_number_rows
from data.records import DoubleArray, IntArray, Rows

CLASSES = ("Person", "Forklift", "NovaCarter", "Transporter", "FourierGR1T2", "AgilityDigit", "PalletTruck")
"""By class id, which counts from 0; the last since 2026."""
_COLUMNS = 11


@dataclass(frozen=True, slots=True, eq=False)
class SolidTable:
    """Boxes frame by frame, sorted by (frame, class, id).

    Attributes:
        frames: (N,) int64, from 0.
        ids: (N,) int64, unique within a frame and class.
        class_ids: (N,) int64, places in ``CLASSES``.
        boxes: (N, 7) float64: x, y, z, width, length, height in metres, yaw in radians.
    """

    frames: IntArray
    ids: IntArray
    class_ids: IntArray
    boxes: DoubleArray

    def __len__(self) -> int:
        return len(self.frames)

    @staticmethod
    def make(frames: IntArray, ids: IntArray, class_ids: IntArray, boxes: DoubleArray) -> "SolidTable":
        """Sort rows by (frame, class, id)."""
        order = np.lexsort((ids, class_ids, frames))
        return SolidTable(frames[order], ids[order], class_ids[order], boxes[order].reshape(-1, 7))

    def select(self, rows: Rows) -> "SolidTable":
        """Keep some rows, given as rising indices or as a mask."""
        return SolidTable(**{column.name: getattr(self, column.name)[rows] for column in fields(self)})

    def repeated(self) -> IntArray:
        """Rows that repeat the id of the row before in its frame and class."""
        keys = np.stack([self.frames, self.class_ids, self.ids])
        return np.flatnonzero((np.diff(keys, axis=1) == 0).all(axis=0)) + 1


def read_solids(path: Path) -> dict[int, SolidTable]:
    """Read a submission.

    Returns:
        Boxes by number of the scene.

    Raises:
        UserError: with file and line: no numbers, another number of columns, a number that is not finite, a scene,
            class, id or frame that is none, a size that is not above 0, an id twice in a frame and class.
    """
    values = read_number_rows(path, "submission of AI City", "scene class id frame x y z width length height yaw")
    if not len(values):
        return {}
    if values.shape[1] != _COLUMNS:
        raise UserError(f"{path}:{line_of(path, 0)}: {values.shape[1]} columns, where {_COLUMNS} are expected")
    whole = values[:, :4]
    for bad, what in (
        (~np.isfinite(values).all(axis=1), "a number is not finite"),
        ((whole != np.floor(whole)).any(axis=1), "scene, class, id and frame are whole"),
        ((whole < 0).any(axis=1) | (whole > LARGEST_WHOLE).any(axis=1), "scene, class, id and frame count from 0"),
        (whole[:, 1] >= len(CLASSES), f"classes are 0 to {len(CLASSES) - 1}"),
        ((values[:, 7:10] <= 0).any(axis=1), "a size is not above 0"),
    ):
        if bad.any():
            row = int(np.argmax(bad))
            raise UserError(f"{path}:{line_of(path, row)}: {what}; mend or remove the row ({int(bad.sum())} such rows)")
    found = {}
    scenes, classes, ids, frames = whole.astype(np.int64).T
    for scene in np.unique(scenes).tolist():
        mine = scenes == scene
        table = SolidTable.make(frames[mine], ids[mine], classes[mine], values[mine, 4:])
        again = table.repeated()
        if len(again):
            raise UserError(
                f"{path}: id {table.ids[again[0]]} of class {table.class_ids[again[0]]} is given twice in frame "
                f"{table.frames[again[0]]} of scene {scene} ({len(again)} such rows)"
            )
        found[scene] = table
    return found
