"""Text files with one row per camera, frame and person: NLPR_MCT, DukeMTMC and AI City share them but for the order.

The first three columns are camera, frame and id in some order, then follow left, top, width, height in px and, where
the data set has them, the place on the ground. What frames count from is said by the caller: it is 1 in NLPR_MCT and
DukeMTMC, 0 in AI City.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np

from data.atomic import open_atomic
from data.errors import UserError
from data.formats.mot import MotTable
from data.formats.number_rows import LARGEST_WHOLE, line_of, read_number_rows
from data.records import DoubleArray, IntArray, Rows

Key = Literal["camera", "frame", "id"]
_BOX = ("left", "top", "width", "height")


@dataclass(frozen=True, slots=True, eq=False)
class CameraRows:
    """Boxes of several cameras in the order of a file.

    Attributes:
        cameras: (N,) int64 as numbered in the file.
        frames: (N,) int64, from 0, of the camera's video.
        ids: (N,) int64 over all cameras.
        boxes: (N, 4) float64 xyxy px.
        xy: (N, 2) float64 place on the ground in the data set's units; NaN where there is none.
    """

    cameras: IntArray
    frames: IntArray
    ids: IntArray
    boxes: DoubleArray
    xy: DoubleArray

    def __len__(self) -> int:
        return len(self.frames)

    def select(self, rows: Rows) -> "CameraRows":
        """Keep some rows, given as indices or as a mask."""
        return CameraRows(self.cameras[rows], self.frames[rows], self.ids[rows], self.boxes[rows], self.xy[rows])

    def of_camera(self, number: int) -> "CameraRows":
        """The rows of one camera."""
        return self.select(self.cameras == number)

    def table(self) -> MotTable:
        """Frames, ids and boxes, of rows of one camera."""
        return MotTable.make(self.frames, self.ids, self.boxes)

    @staticmethod
    def make(cameras: IntArray, table: MotTable, xy: DoubleArray | None = None) -> "CameraRows":
        """From boxes and the camera of each; places are row for row with the table."""
        places = np.full((len(table), 2), np.nan) if xy is None else xy
        return CameraRows(cameras, table.frames, table.ids, table.boxes, places)

    @staticmethod
    def join(parts: Sequence["CameraRows"]) -> "CameraRows":
        """Rows of several cameras, one after the other; at least one part."""
        return CameraRows(
            *(np.concatenate([getattr(part, column.name) for part in parts]) for column in fields(CameraRows))
        )


def read_camera_rows(path: Path, what: str, base: int, keys: tuple[Key, Key, Key], fewest: int) -> CameraRows:
    """Read a file.

    Args:
        path: the file.
        what: the data set in words, for errors.
        base: what its frames count from, 0 or 1.
        keys: the order of its first three columns.
        fewest: 7, or 9 where each row must have a place.

    Raises:
        UserError: with file and line: no numbers, too few columns, a frame below ``base``, camera, frame or id no whole
            number, an id below 0, a negative width or height.
    """
    columns = ",".join((*keys, *_BOX, *(("x", "y") if fewest > 7 else ())))
    values = read_number_rows(path, f"file of {what}", columns)
    if not len(values):
        values = np.zeros((0, 9))
    return check_camera_rows(str(path), values, base, keys, fewest, path)


def check_camera_rows(
    where: str, values: DoubleArray, base: int, keys: tuple[Key, Key, Key], fewest: int, path: Path | None = None
) -> CameraRows:
    """Rows of numbers, checked; arguments and errors as for ``read_camera_rows``.

    Args:
        where: they are from, for errors.
        values: (N, C) float64.
        base: what frames count from.
        keys: the order of the first three columns.
        fewest: columns.
        path: text file whose lines the rows are, for errors; None: rows are numbered.
    """
    if values.shape[1] < fewest:
        raise UserError(f"{where}: {values.shape[1]} columns, where at least {fewest} are expected")

    def reject(bad: Any, what: str) -> None:
        rows = np.flatnonzero(bad)
        if len(rows):
            line = line_of(path, int(rows[0])) if path else int(rows[0]) + 1
            raise UserError(f"{where}:{line}: {what}; mend or remove the row ({len(rows)} such rows)")

    order = {key: index for index, key in enumerate(keys)}
    named = values[:, : min(fewest, 9)]
    reject(~np.isfinite(named).all(axis=1), "a number is not finite")
    whole = values[:, :3]
    reject(((whole != np.floor(whole)) | (np.abs(whole) > LARGEST_WHOLE)).any(axis=1), f"{', '.join(keys)} are whole")
    reject(whole[:, order["frame"]] < base, f"the frame is below {base}, from which this data set counts")
    reject(whole[:, order["id"]] < 0, "the id is negative")
    reject((values[:, 5:7] < 0).any(axis=1), "width or height is negative")
    xy = values[:, 7:9] if values.shape[1] >= 9 else np.full((len(values), 2), np.nan)
    return CameraRows(
        cameras=whole[:, order["camera"]].astype(np.int64),
        frames=whole[:, order["frame"]].astype(np.int64) - base,
        ids=whole[:, order["id"]].astype(np.int64),
        boxes=np.concatenate([values[:, 3:5], values[:, 3:5] + values[:, 5:7]], axis=1),
        xy=xy,
    )


def write_camera_rows(
    path: Path, rows: CameraRows, base: int, keys: tuple[Key, Key, Key], places: bool, whole_boxes: bool = False
) -> None:
    """Write a file, atomically; white space between columns, boxes with 3 decimals, places with 4.

    Args:
        path: the file; its folder exists.
        rows: written sorted by camera, frame and id.
        base: what its frames count from.
        keys: the order of its first three columns.
        places: end each row with its place; -1 -1 where there is none.
        whole_boxes: write boxes as whole px.
    """
    rows = rows.select(np.lexsort((rows.ids, rows.frames, rows.cameras)))
    columns: dict[Key, IntArray] = {"camera": rows.cameras, "frame": rows.frames + base, "id": rows.ids}
    sizes = rows.boxes[:, 2:] - rows.boxes[:, :2]
    boxes = np.round(np.concatenate([rows.boxes[:, :2], sizes], axis=1), 0 if whole_boxes else 3) + 0.0
    xy = np.where(np.isfinite(rows.xy), np.round(rows.xy, 4) + 0.0, -1.0)
    number = "%d" if whole_boxes else "%.3f"
    form = " ".join(["%d"] * 3 + [number] * 4 + (["%.4f"] * 2 if places else [])) + "\n"
    # Column by column: ids of 64 bits do not survive a matrix of floats.
    values = [*(columns[key] for key in keys), *boxes.T, *(xy.T if places else [])]
    with open_atomic(path, newline="\n") as stream:
        for row in zip(*(column.tolist() for column in values), strict=True):
            stream.write(form % tuple(row))
