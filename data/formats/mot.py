"""MOTChallenge text files: ground truth, tracks and detections, one file per camera or sequence.

A row is ``frame,id,left,top,width,height,c7[,c8[,c9[,c10]]]``; frames count from 1 in the file and from 0 in the table.
Column 7 is the "consider" flag in ground truth and the confidence elsewhere. Ground truth of 8 or 9 columns has the
class and the visible share in columns 8 and 9 (MOT16 and later); columns 8-10 of a row of ten, and of all tracks and
detections, are MOT15's world coordinates and are not read.

Source: Milan et al., "MOT16: A Benchmark for Multi-Object Tracking" (2016), section 3.4 and table 3.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from itertools import chain
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from data.atomic import open_atomic
from data.errors import UserError
from data.formats.number_rows import LARGEST_WHOLE, line_of, read_number_rows, read_whole_column
from data.records import DoubleArray, FloatArray, IntArray, Rows

logger = logging.getLogger(__name__)

MotKind = Literal["gt", "tracks", "det"]

PEDESTRIAN = 1
# Less than any person: shares that reach a little beyond the picture stay below.
LARGEST_SHARE = 1.5
_COLUMNS = ("frame", "id", "left", "top", "width", "height", "column 7", "column 8", "column 9", "column 10")
_NAMES = (
    ("frame", "frameid", "frameno", "framenum", "framenumber", "frameindex", "frameidx", "fn", "frames", "t"),
    ("id", "ids", "trackid", "objectid", "objid", "targetid", "personid", "pid", "tid", "identity", "track"),
    ("left", "x", "bbleft", "bboxleft", "boxleft", "bbx", "bboxx", "boxx", "xmin", "x1", "l", "topleftx"),
    ("top", "y", "bbtop", "bboxtop", "boxtop", "bby", "bboxy", "boxy", "ymin", "y1", "t", "toplefty"),
    ("width", "w", "bbwidth", "bboxwidth", "boxwidth", "bbw", "bboxw", "boxw"),
    ("height", "h", "bbheight", "bboxheight", "boxheight", "bbh", "bboxh", "boxh"),
    ("confidence", "conf", "score", "scores", "flag", "consider", "active", "notignored", "detconf", "confidencescore"),
)
_CHUNK_ROWS = 65536
_TAIL = {"gt": "%d,%d,%.4f\n", "tracks": "%.4f,-1,-1,-1\n", "det": "%.4f,-1,-1,-1\n"}


@dataclass(frozen=True, slots=True)
class MotTable:
    """Boxes of one sequence over all its frames, sorted by (frame, id); equal keys keep the order of the file.

    Attributes:
        frames: (N,) int64, from 0.
        ids: (N,) int64; -1 = none, 0 is valid.
        boxes: (N, 4) float64, x1 y1 x2 y2 in pixels as the file gives them: continuous, neither clipped nor shifted by
            MOTChallenge's origin of 1. Double, because scores are compared with reference figures to the last digit.
        scores: (N,) float32; 1 in ground truth.
        flags: (N,) bool, ground truth's "consider" column; True elsewhere (see ``read_mot`` for the one exception).
        class_ids: (N,) int64, MOTChallenge's numbers (1 = pedestrian); 1 where the file has none (or -1).
        visibility: (N,) float32, visible share 0-1; 1 where the file has none (or -1).
        rows: (N,) int64, number of the row in the file (blank lines not counted), from 0: what a feature file that
            goes row for row with this one is indexed by.
    """

    frames: IntArray
    ids: IntArray
    boxes: DoubleArray
    scores: FloatArray
    flags: NDArray[np.bool_]
    class_ids: IntArray
    visibility: FloatArray
    rows: IntArray

    def __len__(self) -> int:
        return len(self.frames)

    @staticmethod
    def make(
        frames: IntArray,
        ids: IntArray,
        boxes: DoubleArray | FloatArray,
        scores: FloatArray | None = None,
        flags: NDArray[np.bool_] | None = None,
        class_ids: IntArray | None = None,
        visibility: FloatArray | None = None,
    ) -> "MotTable":
        """Sort rows by (frame, id) and fill absent columns: score 1, flag True, pedestrian, fully visible."""
        count = len(frames)
        frames, ids = np.asarray(frames, np.int64), np.asarray(ids, np.int64)
        table = MotTable(
            frames=frames,
            ids=ids,
            boxes=np.asarray(boxes, np.float64).reshape(count, 4),
            scores=np.ones(count, np.float32) if scores is None else np.asarray(scores, np.float32),
            flags=np.ones(count, bool) if flags is None else np.asarray(flags, bool),
            class_ids=np.full(count, PEDESTRIAN) if class_ids is None else np.asarray(class_ids, np.int64),
            visibility=np.ones(count, np.float32) if visibility is None else np.asarray(visibility, np.float32),
            rows=np.arange(count),
        )
        return table.select(np.lexsort((ids, frames)))

    @staticmethod
    def empty() -> "MotTable":
        """No rows."""
        none = np.zeros(0, np.int64)
        return MotTable.make(none, none, np.zeros((0, 4)))

    def select(self, rows: Rows) -> "MotTable":
        """Keep some rows, given as rising indices or as a mask."""
        return MotTable(**{column.name: getattr(self, column.name)[rows] for column in fields(self)})

    def frame_offsets(self, length: int) -> IntArray:
        """(length + 1,) int64: frame f owns the rows ``offsets[f]:offsets[f + 1]``."""
        return np.searchsorted(self.frames, np.arange(length + 1), side="left").astype(np.int64)

    def shifted(self, frames: int) -> "MotTable":
        """The same rows, ``frames`` later."""
        return replace(self, frames=self.frames + frames)


def read_mot(path: Path, kind: MotKind) -> MotTable:
    """Read a MOTChallenge file.

    Spellings are those of ``data.formats.number_rows``; 7 to 10 columns (6 are enough for tracks and detections: score
    1), the same number in every row. Whole numbers may be written as floats, ids have 64 bits. An empty file is a
    sequence without boxes. Tracks whose nine columns can only be ground truth's (column 7 all 0 or 1, column 8 a class,
    column 9 a share) keep flag, class and visibility, so that ground truth can stand in for a tracker's output. Ground
    truth with scores in place of the flag counts in every row, with a warning.

    Args:
        path: the file.
        kind: what it holds. Ground truth and tracks need ids >= 0, at most once in a frame; detections need none.

    Raises:
        UserError: with file and line, for a file that cannot be read and for the first row that is broken: not
            numbers, NaN or infinite, wrong number of columns, frame below 1, frame, id, flag or class not a whole
            number, negative width or height, a share above 1, an id missing or given twice in a frame. Also for boxes
            in shares of the picture.
    """
    values = read_number_rows(path, "MOTChallenge text file", "frame,id,x,y,w,h,...", _NAMES)
    if not len(values):
        return MotTable.empty()
    if values.shape[1] == 6 and kind != "gt":
        values = np.concatenate([values, np.ones((len(values), 1))], axis=1)
    if not 7 <= values.shape[1] <= 10:
        decimals = " (are there commas for decimal points? put ; between columns)" if values.shape[1] > 10 else ""
        raise UserError(f"{path}:{line_of(path, 0)}: {values.shape[1]} columns, where 7 to 10 are expected{decimals}")
    with_flag = kind == "gt" or (kind == "tracks" and _is_ground_truth(values))
    used = values if with_flag and values.shape[1] < 10 else values[:, :7]
    if kind == "gt" and _is_visdrone(values):
        logger.warning(
            "%s: columns 8 to 10 are not read, and seem VisDrone's category, truncation and occlusion: every row "
            "counts as a person; keep rows of categories 1 and 2, and columns 1 to 7",
            path,
        )
    if kind == "gt" and _has_scores_for_flags(used[:, 6]):
        logger.warning("%s: column 7 holds scores where the flag is expected: every row counts", path)
        used[:, 6] = 1
    # Ids that have a number of their own for each box of the world do not fit the floats that boxes are read as.
    large = bool((np.abs(used[:, 1]) > LARGEST_WHOLE).any())
    ids = read_whole_column(path, 1, _COLUMNS[1]) if large else None
    if ids is not None:
        used[:, 1] = np.minimum(ids, 0)
    _check(path, used, kind)
    check_pixels(str(path), used[:, 2:6])
    corners = np.concatenate([used[:, 2:4], used[:, 2:4] + used[:, 4:6]], axis=1)
    # Files of nine columns without class and share fill them with -1.
    class_ids, visibility = (np.where(column < 0, 1.0, column) for column in (used[:, 7:8], used[:, 8:9]))
    table = MotTable.make(
        frames=used[:, 0].astype(np.int64) - 1,
        ids=used[:, 1].astype(np.int64) if ids is None else ids,
        boxes=corners,
        scores=None if kind == "gt" else used[:, 6].astype(np.float32),
        flags=used[:, 6] != 0 if with_flag else None,
        class_ids=class_ids.ravel().astype(np.int64) if class_ids.size else None,
        visibility=visibility.ravel().astype(np.float32) if visibility.size else None,
    )
    if kind != "det":
        _check_unique(path, table)
    return table


def write_mot(path: Path, table: MotTable, kind: MotKind = "tracks") -> None:
    """Write a MOTChallenge file so that a reader or a crash sees the old file or the new one, never a mixture.

    Boxes have 3 decimals, scores and visibility 4, so the same table always gives the same bytes. Ground truth gets
    nine columns, tracks and detections ten. No rows give an empty file.

    Args:
        path: the file; its folder exists.
        table: the rows, written in the table's order.
        kind: which columns follow the box.
    """
    with open_atomic(path, newline="\n") as stream:
        for text in _lines(table, kind):
            stream.write(text)


def _lines(table: MotTable, kind: MotKind) -> Iterator[str]:
    """Text of the rows, many at a time."""
    sizes = table.boxes[:, 2:] - table.boxes[:, :2]
    # Adding 0.0 turns the -0.0 that rounding leaves into 0.0: "-0.000" and "0.000" are one value and must be one text.
    places = np.round(np.concatenate([table.boxes[:, :2], sizes], axis=1), 3) + 0.0
    tail = [table.flags, table.class_ids, table.visibility] if kind == "gt" else [table.scores]
    # Column by column: ids of 64 bits do not survive a matrix of floats.
    columns = [table.frames + 1, table.ids, *places.T, *tail]
    row = "%d,%d,%.3f,%.3f,%.3f,%.3f," + _TAIL[kind]
    for start in range(0, len(table), _CHUNK_ROWS):
        chunk = list(zip(*(column[start : start + _CHUNK_ROWS].tolist() for column in columns), strict=True))
        yield (row * len(chunk)) % tuple(chain.from_iterable(chunk))


def check_pixels(where: str, boxes: DoubleArray | FloatArray) -> None:
    """Refuse boxes that are shares of the picture.

    Args:
        where: they are from, for the error.
        boxes: (N, 4) left, top, width, height, or corners.

    Raises:
        UserError: when there are boxes with an area and all of them lie within the first pixels of the picture.
    """
    if boxes[:, 2:].all(axis=1).any() and np.abs(boxes).max() <= LARGEST_SHARE:
        raise UserError(
            f"{where}: all boxes lie between 0 and {np.abs(boxes).max():.3g}: they are shares of the picture, not "
            "pixels; multiply x and width by the picture's width, y and height by its height"
        )


def _has_scores_for_flags(flags: DoubleArray) -> bool:
    """Whether a column of flags holds numbers from 0 to 1 that are not all 0 or 1."""
    return bool(((flags >= 0) & (flags <= 1)).all() and (flags != np.floor(flags)).any())


def _is_visdrone(values: DoubleArray) -> bool:
    """Whether columns 8-10 hold categories 0-11 and two small classes in place of a place in the world."""
    if values.shape[1] != 10:
        return False
    categories, classes = values[:, 7], values[:, 8:]
    whole = (values[:, 7:] == np.floor(values[:, 7:])).all() and (values[:, 7:] >= 0).all()
    return bool(whole and (categories <= 11).all() and (categories > 0).any() and (classes <= 2).all())


def _is_ground_truth(values: DoubleArray) -> bool:
    """Whether rows of tracks are in ground truth's layout: frame, id, box, flag, class, visible share."""
    if values.shape[1] != 9:
        return False
    flag, class_id, share = values[:, 6:].T
    classes = (class_id >= 1) & (class_id == np.floor(class_id))
    return bool((np.isin(flag, (0, 1)) & classes & (share >= 0) & (share <= 1)).all())


def _check(path: Path, values: DoubleArray, kind: MotKind) -> None:
    """Raise for the first row whose values cannot be what their columns mean."""
    whole = [0, 1] if kind != "gt" else [0, 1, 6, *range(7, min(values.shape[1], 8))]
    finite = np.isfinite(values)
    _reject(path, ~finite, "is not a finite number")
    faults = np.zeros(values.shape, bool)
    faults[:, whole] = (values[:, whole] != np.floor(values[:, whole])) | (np.abs(values[:, whole]) > LARGEST_WHOLE)
    _reject(path, faults & (np.abs(values) > LARGEST_WHOLE), "is not a whole number below 2^53")
    _reject(path, faults, "is not a whole number")
    faults = np.zeros(values.shape, bool)
    faults[:, 0] = values[:, 0] < 1
    _reject(
        path, faults, "is below 1 (frames count from 1 in MOTChallenge files; add 1 to all where yours count from 0)"
    )
    faults[:, 0] = False
    faults[:, 4:6] = values[:, 4:6] < 0
    _reject(path, faults, "is negative")
    faults[:, 4:6] = False
    faults[:, 8:9] = values[:, 8:9] > 1
    _reject(path, faults, "is no visible share from 0 to 1")
    faults[:, 8:9] = False
    if kind != "det":
        faults[:, 1] = values[:, 1] < 0
        _reject(path, faults, "is negative: every row needs an id here (is this a detection file?)")


def _reject(path: Path, faults: NDArray[np.bool_], what: str) -> None:
    """Raise for the first fault, if there is one."""
    bad = np.flatnonzero(faults.any(axis=1))
    if len(bad):
        column = _COLUMNS[int(np.argmax(faults[bad[0]]))]
        raise UserError(f"{path}:{line_of(path, int(bad[0]))}: {column} {what}; mend or remove the row")


def _check_unique(path: Path, table: MotTable) -> None:
    """Raise where one id is given twice in a frame."""
    twice = np.flatnonzero((np.diff(table.frames) == 0) & (np.diff(table.ids) == 0))
    if len(twice):
        row = twice[np.argmin(table.rows[twice + 1])] + 1
        raise UserError(
            f"{path}:{line_of(path, int(table.rows[row]))}: id {table.ids[row]} is given twice in frame "
            f"{table.frames[row] + 1}; an id may own one box of a frame"
        )
