"""Appearance features from files, row for row with a box file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.errors import UserError
from data.foreign import read_array
from data.records import DoubleArray, FloatArray, IntArray, PartEmbeddings, Rows

# Logits of detectors are lower, percentages higher.
_LARGE_SCORE = 10.0
# More than a week at any usual rate.
_LATE = 20_000_000
_FEW_BOXES = 5
SIBLING = "feat"


@dataclass(frozen=True, slots=True)
class FileFeatures:
    """One holistic vector per box, made elsewhere.

    Attributes:
        vectors: (N, D) float32 as the file gives them; a row with NaN or infinite numbers is zero, "no evidence".
        model_id: "file:<folder>"; vectors of different folders are not compared.
        broken: number of rows that had to be zeroed.
        path: the file.
    """

    vectors: FloatArray
    model_id: str
    broken: int
    path: Path

    def embeddings(self, rows: Rows | slice) -> PartEmbeddings:
        """Unit vectors of some rows, rounded to float16 as in the tracklet store; visibility 0 for a zero row."""
        vectors = self.vectors[rows]
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit = np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)
        unit = unit.astype(np.float16).astype(np.float32)
        seen = (length > 0).astype(np.float32)
        return PartEmbeddings(unit[:, None], seen, ("global",), ("holistic",), self.model_id)

    def select(self, rows: Rows) -> "FileFeatures":
        """Keep some rows, given as indices or as a mask."""
        return FileFeatures(self.vectors[rows], self.model_id, self.broken, self.path)


def make_features(values: NDArray[Any], path: Path, rows: int, model_id: str) -> FileFeatures:
    """Check a feature array.

    Args:
        values: the array as read.
        path: where it was read from, for messages.
        rows: number of boxes it must go with.
        model_id: what it is compared under.

    Raises:
        UserError: when it is no matrix of numbers or has another number of rows.
    """
    if values.ndim != 2 or values.dtype.kind not in "fiu" or not values.shape[1]:
        raise UserError(
            f"{path}: features must be a matrix of numbers (boxes x dimensions), not {values.dtype} {values.shape}"
        )
    if len(values) != rows:
        raise UserError(f"{path}: {len(values)} rows of features for {rows} boxes; they must go row for row")
    vectors = np.ascontiguousarray(values, np.float32)
    sound = np.asarray(np.isfinite(vectors).all(axis=1), bool)
    if not sound.all():
        vectors = np.where(sound[:, None], vectors, np.float32(0))
    return FileFeatures(vectors, model_id, int((~sound).sum()), path)


def find_features(boxes: Path, features: Path | None) -> Path | None:
    """The feature file of a box file: in ``features`` where that is given, else beside it, else in ``../feat``.

    Raises:
        UserError: when ``features`` is given and does not hold it.
    """
    name = f"{boxes.stem}.npy"
    if features is not None:
        path = features / name
        if not path.is_file():
            raise UserError(f"there is no {path}: the features of camera '{boxes.stem}'")
        return path
    places = (boxes.with_name(name), boxes.absolute().parent.parent / SIBLING / name)
    return next((path for path in places if path.is_file()), None)


def read_features(boxes: Path, features: Path | None, rows: int) -> FileFeatures | None:
    """Read the features that go with a box file of ``rows`` rows (blank lines not counted); None without any."""
    path = find_features(boxes, features)
    if path is None:
        return None
    values = read_array(path)
    return make_features(values, path, rows, f"file:{path.absolute().parent.name}")


def check_one_size(features: dict[str, FileFeatures | None]) -> None:
    """Raise ``UserError`` when cameras have vectors of different length."""
    sizes = {camera: one.vectors.shape[1] for camera, one in features.items() if one is not None}
    if len(set(sizes.values())) > 1:
        told = ", ".join(f"{camera}: {size}" for camera, size in sizes.items())
        raise UserError(f"the features of the cameras have different lengths ({told}); use one model for all")


def told_late(frames: IntArray) -> str | None:
    """A line about rising frames that begin where no video does; None where they do not."""
    if not len(frames) or frames[0] < _LATE:
        return None
    return f"they begin with frame {frames[0] + 1}: frames count the pictures of the video from 1, are these times?"


def told_corners(boxes: FloatArray | DoubleArray, size: tuple[int, int]) -> str | None:
    """A line about boxes whose width and height seem to be right and bottom; None where they do not.

    Args:
        boxes: (N, 4) xyxy px, as read from left, top, width, height.
        size: (width, height) of the picture in px; (0, 0): unknown.
    """
    if len(boxes) < _FEW_BOXES or size == (0, 0):
        return None
    beyond = (boxes[:, 2] > 1.1 * size[0]) | (boxes[:, 3] > 1.1 * size[1])
    second = boxes[:, 2:] - boxes[:, :2]
    inside = (second > boxes[:, :2]).all(axis=1) & (second <= 1.02 * np.array(size)).all(axis=1)
    if beyond.mean() < 0.5 or not inside.all():
        return None
    return (
        f"{int(beyond.sum())} of {len(boxes)} boxes reach far beyond the picture, and none would if width and height "
        "were right and bottom: write left, top, width, height"
    )


def told_outside(boxes: FloatArray | DoubleArray, size: tuple[int, int]) -> str | None:
    """A line about boxes of which no pixel is in the picture; None where there are none.

    Args:
        boxes: (N, 4) xyxy px.
        size: (width, height) of the picture in px.
    """
    reach = (boxes[:, 2:] > 0) & (boxes[:, :2] < np.array(size))
    outside = int((~reach.all(axis=1)).sum())
    return f"{outside} of {len(boxes)} boxes lie outside a picture of {size[0]}x{size[1]} px" if outside else None


def usable_scores(scores: FloatArray) -> tuple[FloatArray, str | None]:
    """Scores within 0-1: -1 ("not given" in MOTChallenge files) becomes 1, the rest is cut to the range.

    Returns:
        (N,) float32 and, where anything had to be cut, a line that says so.
    """
    scores = np.where(scores == -1, np.float32(1), scores)
    outside = (scores < 0) | (scores > 1)
    if not outside.any():
        return scores, None
    line = f"{int(outside.sum())} scores lie outside 0-1 ({scores.min():g} to {scores.max():g}) and were cut to it"
    if scores.min() >= 0 and np.median(scores) > _LARGE_SCORE:
        line += "; divide them by 100 if they are percentages"
    return np.clip(scores, 0, 1), line


def sound_boxes(boxes: FloatArray) -> tuple[IntArray, str | None]:
    """Rows of boxes that have an area, and, where others were left out, a line that says so."""
    with_area = ((boxes[:, 2:] - boxes[:, :2]) > 0).all(axis=1)
    dropped = int((~with_area).sum())
    return np.flatnonzero(with_area), f"{dropped} boxes without area were dropped" if dropped else None
