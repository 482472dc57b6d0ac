"""Predictions of all cameras in one text file: rows of camera, id, frame, left, top, width, height[, x, y].

DukeMTMC and the AI City Challenge hand tracks in so. A camera is the last number in its name.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.errors import UserError
from data.formats.camera_rows import CameraRows, read_camera_rows
from data.formats.mot import MotTable
from data.formats.submissions import camera_number
from data.records import DoubleArray


@dataclass(frozen=True, slots=True, eq=False)
class FoundRows:
    """Predictions of one camera.

    Attributes:
        table: N boxes, frames from 0.
        places: (N, 2) metres on the ground row for row with them; None where a row has none.
    """

    table: MotTable
    places: DoubleArray | None


def read_rows(path: Path, what: str, base: int, fewest: int = 7) -> CameraRows:
    """The rows of a file.

    Args:
        path: the file.
        what: the data set in words, for errors.
        base: what its frames count from.
        fewest: columns; 9 where each row must have a place.

    Raises:
        UserError: a row is broken, or gives an id twice in a frame of a camera.
    """
    rows = read_camera_rows(path, what, base, ("camera", "id", "frame"), fewest)
    keys = np.stack([rows.cameras, rows.frames, rows.ids], axis=1)
    unique, counts = np.unique(keys, axis=0, return_counts=True)
    if (counts > 1).any():
        camera, frame, whose = unique[np.argmax(counts > 1)].tolist()
        raise UserError(
            f"{path}: id {whose} is given twice in frame {frame + base} of camera {camera} "
            f"({int((counts > 1).sum())} such ids); an id may own one box there"
        )
    return rows


def by_camera(rows: CameraRows, names: Sequence[str]) -> tuple[dict[str, FoundRows], list[str]]:
    """Rows of each camera, and what is to be said of rows of others.

    Args:
        rows: of all cameras.
        names: of the cameras of the truth.
    """
    numbers = {camera_number(name): name for name in names}
    found = {}
    for number, name in numbers.items():
        own = rows.of_camera(number)
        table = own.table()
        places = own.xy[table.rows]
        found[name] = FoundRows(table, places if np.isfinite(places).all() else None)
    lines = []
    for number in np.unique(rows.cameras).tolist():
        if number not in numbers:
            count = int((rows.cameras == number).sum())
            lines.append(f"camera {number}: predictions without a truth ({count} rows), not scored")
    return found, lines
