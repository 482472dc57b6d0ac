"""Where people stood on the ground: the paths of a camera group, and ground truth in metres.

``world/<group>.csv`` of a run, one row per person and instant, sorted by time and id:

| column | meaning |
|---|---|
| time_s | seconds on the common clock |
| id | the run's global id of the person |
| x_m, y_m | place on the ground, metres, in the coordinates of the calibration |
| cov_xx_m2, cov_xy_m2, cov_yy_m2 | its covariance, square metres |
| height_m | body height, metres; empty where unknown (cameras known by a ground homography only) |

Ground truth is a MOTChallenge-like text file of nine columns, ``frame,id,-1,-1,-1,-1,flag,x,y``: frames from 1, metres;
a row of flag 0 is don't-care.
"""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data.atomic import open_atomic
from data.errors import UserError
from data.foreign import read_text
from data.formats.number_rows import LARGEST_WHOLE, line_of, read_number_rows
from data.records import DoubleArray, IntArray, Rows

COLUMNS = ("time_s", "id", "x_m", "y_m", "cov_xx_m2", "cov_xy_m2", "cov_yy_m2", "height_m")
_HEADER = ",".join(COLUMNS)
_MOT_COLUMNS = 9


@dataclass(frozen=True, slots=True)
class WorldPaths:
    """Places of people over time, sorted by (time, id).

    Attributes:
        times_s: (N,) float64 seconds on the common clock.
        ids: (N,) int64, from 0.
        xy: (N, 2) float64 metres on the ground.
        cov: (N, 2, 2) float64 square metres.
        heights: (N,) float64 body heights in metres, NaN where unknown.
    """

    times_s: DoubleArray
    ids: IntArray
    xy: DoubleArray
    cov: DoubleArray
    heights: DoubleArray

    def __len__(self) -> int:
        return len(self.times_s)

    @staticmethod
    def make(times_s: ArrayLike, ids: ArrayLike, xy: ArrayLike, cov: ArrayLike, heights: ArrayLike) -> "WorldPaths":
        """Sort rows by (time, id)."""
        times, whose = np.asarray(times_s, np.float64), np.asarray(ids, np.int64)
        order = np.lexsort((whose, times))
        return WorldPaths(
            times[order],
            whose[order],
            np.asarray(xy, np.float64).reshape(-1, 2)[order],
            np.asarray(cov, np.float64).reshape(-1, 2, 2)[order],
            np.asarray(heights, np.float64)[order],
        )

    @staticmethod
    def empty() -> "WorldPaths":
        """Nobody."""
        none = np.zeros(0)
        return WorldPaths.make(none, none, none, none, none)

    def select(self, rows: Rows) -> "WorldPaths":
        """Keep some rows, given as rising indices or as a mask."""
        return WorldPaths(**{column.name: getattr(self, column.name)[rows] for column in fields(self)})


@dataclass(frozen=True, slots=True)
class WorldTable:
    """Places of people frame by frame, sorted by (frame, id).

    Attributes:
        frames: (N,) int64, from 0.
        ids: (N,) int64; 0 is valid.
        xy: (N, 2) float64 metres on the ground.
        flags: (N,) bool; False = don't-care.
    """

    frames: IntArray
    ids: IntArray
    xy: DoubleArray
    flags: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.frames)

    @staticmethod
    def make(frames: IntArray, ids: IntArray, xy: DoubleArray, flags: NDArray[np.bool_] | None = None) -> "WorldTable":
        """Sort rows by (frame, id); flags default to True."""
        counted = np.ones(len(frames), bool) if flags is None else np.asarray(flags, bool)
        order = np.lexsort((ids, frames))
        return WorldTable(
            np.asarray(frames, np.int64)[order],
            np.asarray(ids, np.int64)[order],
            np.asarray(xy, np.float64).reshape(-1, 2)[order],
            counted[order],
        )

    def select(self, rows: Rows) -> "WorldTable":
        """Keep some rows, given as rising indices or as a mask."""
        return WorldTable(**{column.name: getattr(self, column.name)[rows] for column in fields(self)})


def write_world_paths(path: Path, paths: WorldPaths) -> None:
    """Write ``world/<group>.csv`` so that a reader or a crash sees the old file or the new one, never a mixture.

    Times have 6 decimals, places and heights 4, covariances 6: the same paths always give the same bytes. A variance
    that would round to 0 is written as 0.000001, so that no place looks perfectly known.

    Args:
        path: the file; its folder is made where it is missing.
        paths: the rows.
    """
    spread = np.stack([paths.cov[:, 0, 0], paths.cov[:, 0, 1], paths.cov[:, 1, 1]], axis=1)
    spread[:, [0, 2]] = np.maximum(spread[:, [0, 2]], 1e-6)
    # Adding 0.0 turns the -0.0 that rounding leaves into 0.0: they are one value and must be one text.
    values = np.column_stack([paths.times_s, paths.ids, np.round(paths.xy, 4) + 0.0, np.round(spread, 6) + 0.0])
    row = "%.6f,%d,%.4f,%.4f,%.6f,%.6f,%.6f,"
    lines = [row % tuple(line) for line in values.tolist()]
    heights = ["" if np.isnan(height) else f"{height:.4f}" for height in paths.heights.tolist()]
    with open_atomic(path, newline="\n") as stream:
        stream.write(_HEADER + "\n")
        stream.writelines(f"{line}{height}\n" for line, height in zip(lines, heights, strict=True))


def read_world_paths(path: Path) -> WorldPaths:
    """Read ``world/<group>.csv``.

    Raises:
        UserError: with file and line, for a file that cannot be read, has another header, or whose rows are not
            numbers, have another number of columns, an id below 0 or not whole, a negative variance, or an id twice at
            one time.
    """
    lines = _lines(path)
    if not lines or lines[0][1] != _HEADER:
        raise UserError(f"{path}: the first line must be {_HEADER}; give a world/<group>.csv of a run")
    values = _numbers(path, lines[1:])
    numbers = [number for number, _ in lines[1:]]
    unbounded = np.concatenate([~np.isfinite(values[:, :-1]), np.isinf(values[:, -1:])], axis=1)
    _reject(path, numbers, np.any(unbounded, axis=1), "is not finite")
    _reject(path, numbers, (values[:, 1] < 0) | _not_whole(values[:, 1]), "has an id that is no whole number from 0")
    _reject(path, numbers, np.any(values[:, [4, 6]] < 0, axis=1), "has a negative variance")
    _reject(path, numbers, _repeated(values[:, 0], values[:, 1]), "gives an id twice at one time")
    cov = values[:, [4, 5, 5, 6]].reshape(-1, 2, 2)
    return WorldPaths.make(values[:, 0], values[:, 1], values[:, 2:4], cov, values[:, 7])


def read_world_mot(path: Path) -> WorldTable:
    """Read places frame by frame: ``frame,id,-1,-1,-1,-1,flag,x,y``, frames from 1, metres.

    Spellings are those of ``data.formats.number_rows``.

    Raises:
        UserError: with file and line, for a file that cannot be read, and rows that are not numbers, have another
            number of columns, a frame below 1, an id below 0, or an id twice in a frame.
    """
    values = read_number_rows(path, "file of places in metres", "frame,id,-1,-1,-1,-1,flag,x,y")
    values = values if len(values) else np.zeros((0, _MOT_COLUMNS))
    if values.shape[1] != _MOT_COLUMNS:
        raise UserError(f"{path}:{line_of(path, 0)}: {values.shape[1]} columns, where {_MOT_COLUMNS} are expected")
    for faults, what in (
        (np.any(~np.isfinite(values), axis=1), "is not finite"),
        ((values[:, 0] < 1) | _not_whole(values[:, 0]), "has a frame that is no whole number from 1"),
        ((values[:, 1] < 0) | _not_whole(values[:, 1]), "has an id that is no whole number from 0"),
        (_repeated(values[:, 0], values[:, 1]), "gives an id twice in one frame"),
    ):
        if faults.any():
            raise UserError(f"{path}:{line_of(path, int(np.argmax(faults)))}: the row {what}; mend or remove it")
    return WorldTable.make(
        values[:, 0].astype(np.int64) - 1, values[:, 1].astype(np.int64), values[:, 7:9], values[:, 6] != 0
    )


def _lines(path: Path) -> list[tuple[int, str]]:
    """Filled lines with their numbers from 1."""
    text = read_text(path, what=f"the places in metres {path}")
    return [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]


def _numbers(path: Path, lines: list[tuple[int, str]]) -> DoubleArray:
    """(N, 8) float64; the last column may be empty, which reads as NaN."""
    columns = len(COLUMNS)
    values = np.full((len(lines), columns), np.nan)
    for row, (number, line) in enumerate(lines):
        cells = line.split(",")
        if len(cells) != columns:
            raise UserError(f"{path}:{number}: {len(cells)} columns, where {columns} are expected")
        if not cells[-1].strip():
            cells[-1] = "nan"
        try:
            values[row] = [float(cell) for cell in cells]
        except ValueError:
            raise UserError(f"{path}:{number}: not a row of numbers: {line[:60]!r}") from None
    return values


def _not_whole(values: DoubleArray) -> NDArray[np.bool_]:
    return (values != np.floor(values)) | (np.abs(values) > LARGEST_WHOLE)


def _repeated(when: DoubleArray, ids: DoubleArray) -> NDArray[np.bool_]:
    """Mask of the rows that repeat an earlier row's time and id."""
    order = np.lexsort((np.arange(len(when)), ids, when))
    again = np.zeros(len(when), bool)
    again[order[1:]] = (np.diff(when[order]) == 0) & (np.diff(ids[order]) == 0)
    return again


def _reject(path: Path, numbers: list[int], faults: NDArray[np.bool_], what: str) -> None:
    """Raise for the first fault, if there is one."""
    bad = np.flatnonzero(faults)
    if len(bad):
        raise UserError(f"{path}:{numbers[int(bad[0])]}: the row {what}; mend or remove it")
