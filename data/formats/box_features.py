"""Described boxes in one npz file: people of pictures, and how they look.

| entry       | shape, type                    | what                                                        |
|-------------|--------------------------------|-------------------------------------------------------------|
| owners      | (N,) whole numbers             | whose each row is: ids of pictures, or of annotations       |
| boxes       | (N, 4)                         | xyxy px                                                     |
| scores      | (N,)                           | optional: 0-1 of the detector; without them all are 1       |
| vectors     | (N, P, D) or (N, D)            | of each part, or of the whole person; any length            |
| visibility  | (N, P)                         | optional: 0-1; all zero: no evidence                        |
| model_id    | text                           | optional: features of different ids cannot be compared      |
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data.atomic import open_atomic
from data.errors import UserError
from data.foreign import open_arrays
from data.formats.number_rows import LARGEST_WHOLE
from data.records import DoubleArray, FloatArray, IntArray, PartEmbeddings, Rows


@dataclass(frozen=True, slots=True, eq=False)
class BoxFeatures:
    """N described boxes.

    Attributes:
        owners: (N,) int64.
        boxes: (N, 4) float64 xyxy px.
        scores: (N,) float32, 0-1.
        embeddings: N rows, unit length per part.
        broken: rows that were not finite, and are "no evidence" now.
    """

    owners: IntArray
    boxes: DoubleArray
    scores: FloatArray
    embeddings: PartEmbeddings
    broken: int = 0

    def __len__(self) -> int:
        return len(self.owners)

    def select(self, rows: Rows) -> "BoxFeatures":
        """Keep some rows, given as indices or as a mask."""
        return BoxFeatures(
            self.owners[rows], self.boxes[rows], self.scores[rows], self.embeddings.select(rows), self.broken
        )


def write_box_features(path: Path, features: BoxFeatures) -> None:
    """Write the file whole or not at all; vectors are rounded to float16.

    Raises:
        OSError: when it cannot be written.
    """
    made = features.embeddings
    with open_atomic(path, "wb") as stream:
        np.savez(
            stream,
            owners=features.owners,
            boxes=features.boxes.astype(np.float32),
            scores=features.scores,
            vectors=made.vectors.astype(np.float16),
            visibility=made.visibility.astype(np.float32),
            model_id=np.array(made.model_id, np.str_),
        )


def read_box_features(path: Path) -> BoxFeatures:
    """Read a file.

    Raises:
        UserError: when it is absent, damaged, no such file, or its rows do not go together.
    """
    with open_arrays(path) as archive:
        found = archive.read()
    missing = [name for name in ("owners", "boxes", "vectors") if name not in found]
    if missing:
        raise UserError(f"{path} holds no described boxes: it lacks {', '.join(missing)}")
    owners, boxes, vectors = found["owners"], found["boxes"], found["vectors"]
    if vectors.ndim == 2:
        vectors = vectors[:, None]
    count = len(owners) if owners.ndim else 0
    scores = found.get("scores", np.ones(count, np.float32))
    visibility = found.get("visibility", np.ones(vectors.shape[:2], np.float32))
    told = (("owners", owners, (count,)), ("boxes", boxes, (count, 4)), ("scores", scores, (count,)))
    more = (("vectors", vectors, (count, *vectors.shape[1:])), ("visibility", visibility, (count, *vectors.shape[1:2])))
    for name, values, shape in (*told, *more):
        if values.shape != shape or values.dtype.kind not in "fiu" or (name == "vectors" and values.ndim != 3):
            raise UserError(f"{path}: '{name}' is {values.dtype} {values.shape}, which does not go with {count} owners")
    if owners.dtype.kind == "f" and ((owners != np.floor(owners)) | (np.abs(owners) > LARGEST_WHOLE)).any():
        raise UserError(f"{path}: 'owners' are ids, whole numbers; ids above 2^53 must not be floats")
    if not np.isfinite(boxes).all() or (boxes[:, 2:] < boxes[:, :2]).any():
        raise UserError(f"{path}: 'boxes' are left, top, right, bottom px; a box is not finite or the wrong way round")
    if not np.isfinite(scores).all() or not ((visibility >= 0) & (visibility <= 1)).all():
        raise UserError(f"{path}: a score is not finite, or a visibility outside 0-1")
    return BoxFeatures(
        owners.astype(np.int64),
        boxes.astype(np.float64),
        scores.astype(np.float32),
        *_embeddings(vectors, visibility, str(found["model_id"]) if "model_id" in found else ""),
    )


def _embeddings(vectors: Any, visibility: Any, model_id: str) -> tuple[PartEmbeddings, int]:
    """Unit vectors; a row that is not finite is "no evidence", and counted."""
    sound = np.isfinite(vectors).all(axis=(1, 2))
    values = np.where(sound[:, None, None], vectors, 0).astype(np.float32)
    length = np.linalg.norm(values, axis=2)
    unit = np.divide(values, length[..., None], out=np.zeros_like(values), where=length[..., None] > 0)
    seen = np.where(length > 0, visibility, 0).astype(np.float32)
    parts = values.shape[1]
    names = tuple(f"part{number}" for number in range(parts)) if parts > 1 else ("global",)
    kinds = ("part",) * parts if parts > 1 else ("holistic",)
    return PartEmbeddings(unit, seen, names, kinds, model_id), int((~sound).sum())
