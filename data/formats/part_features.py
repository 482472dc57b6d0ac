"""Features of pictures in one npz file: what ``tools.extract_features`` writes, and all tools read that take features.

| entry        | shape, type          | what                                                         |
|--------------|----------------------|--------------------------------------------------------------|
| names        | (N,) text            | picture, its path below the folder                           |
| vectors      | (N, P, D) float16    | unit length per part; zero where the visibility is 0         |
| visibility   | (N, P) float32       | 0-1; all zero: no evidence                                   |
| part_names   | (P,) text            |                                                              |
| part_kinds   | (P,) text            | holistic or part                                             |
| model_id     | text                 | features of different ids cannot be compared                 |
| masks        | (N, P, h, w) float16 | optional: 0-1, where each part looked                        |

Features made elsewhere may come as ``names`` and ``feature``, (N, D) numbers of any length: one vector of the whole
picture each. A vector of zeros is no evidence. Names may be byte strings (UTF-8).

The ``.npy`` features that ``data.formats.features_in`` reads are another thing: one vector per box of a detection file,
row for row, with neither parts nor visibilities nor names.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.atomic import open_atomic
from data.errors import UserError
from data.foreign import open_arrays
from data.records import PartEmbeddings

_KINDS = ("holistic", "part")
_NEEDED = ("names", "vectors", "visibility", "part_names", "part_kinds", "model_id")
UNKNOWN_MODEL = "features"
"""The model_id of features made elsewhere."""


@dataclass(frozen=True, slots=True, eq=False)
class PartFeatures:
    """Features of N pictures.

    Attributes:
        names: N paths.
        embeddings: N rows; the vectors are float16, or float32 where they came as ``feature``.
        masks: (N, P, h, w) float16, 0-1, or None.
    """

    names: tuple[str, ...]
    embeddings: PartEmbeddings
    masks: NDArray[np.float16] | None = None

    def __len__(self) -> int:
        return len(self.names)


def write_part_features(path: Path, features: PartFeatures) -> None:
    """Write the file whole or not at all; equal features give equal bytes.

    Raises:
        UserError: when it cannot be written.
    """
    made = features.embeddings
    entries: dict[str, Any] = {
        "names": np.array(features.names, np.str_),
        "vectors": made.vectors.astype(np.float16),
        "visibility": made.visibility.astype(np.float32),
        "part_names": np.array(made.part_names, np.str_),
        "part_kinds": np.array(made.part_kinds, np.str_),
        "model_id": np.array(made.model_id, np.str_),
    }
    if features.masks is not None:
        entries["masks"] = features.masks.astype(np.float16)
    try:
        with open_atomic(path, "wb") as stream:
            np.savez(stream, **entries)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from None


def read_part_features(path: Path) -> PartFeatures:
    """Read the file back, in either form.

    Raises:
        UserError: when it is absent, damaged, or no such file, or a number is not finite.
    """
    if not path.exists():
        raise UserError(f"there is no {path}")
    with open_arrays(path) as archive:
        found = archive.read()
    if "feature" in found and "vectors" not in found:
        return _plain(path, found)
    missing = [name for name in _NEEDED if name not in found]
    if missing:
        raise UserError(
            f"{path} holds no part features: it lacks {', '.join(missing)}; one vector per picture may also come as "
            "'names' and 'feature'"
        )
    vectors, visibility, masks = found["vectors"], found["visibility"], found.get("masks")
    shape = vectors.shape[:2]
    fits = (
        vectors.ndim == 3
        and vectors.dtype.kind == visibility.dtype.kind == "f"
        and visibility.shape == shape
        and found["names"].shape == shape[:1]
        and found["part_names"].shape == found["part_kinds"].shape == shape[1:]
        and found["model_id"].ndim == 0
        and (masks is None or (masks.ndim == 4 and masks.shape[:2] == shape))
    )
    kinds = _texts(found["part_kinds"], path)
    if not fits or not set(kinds) <= set(_KINDS):
        raise UserError(f"{path} holds no part features: its entries do not fit one another")
    _check_finite(path, vectors)
    if not ((visibility >= 0) & (visibility <= 1)).all():
        raise UserError(f"{path}: visibilities lie between 0 and 1")
    embeddings = PartEmbeddings(
        vectors, visibility, _texts(found["part_names"], path), kinds, _texts(found["model_id"].ravel(), path)[0]
    )
    return PartFeatures(_texts(found["names"], path), embeddings, masks)


def whole_picture(vectors: NDArray[np.floating[Any]], model_id: str) -> PartEmbeddings:
    """One vector per picture as embeddings of one part.

    Args:
        vectors: (N, D) finite, of any length; zeros are no evidence.
        model_id: which network made them.
    """
    rows = np.ascontiguousarray(vectors, np.float32)
    length = np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))
    scale = np.divide(1.0, length, out=np.zeros_like(length), where=length > 0).astype(np.float32)
    seen = (length > 0).astype(np.float32)[:, None]
    return PartEmbeddings((rows * scale[:, None])[:, None], seen, ("global",), ("holistic",), model_id)


def _plain(path: Path, found: dict[str, NDArray[Any]]) -> PartFeatures:
    if "names" not in found:
        raise UserError(f"{path} holds no 'names' beside 'feature': whose features they are is not known")
    names, vectors = _texts(found["names"].ravel(), path), found["feature"]
    if vectors.dtype.kind not in "fiu":
        raise UserError(f"{path}: 'feature' must be numbers, not {vectors.dtype}")
    if vectors.ndim != 2 or len(vectors) != len(names):
        raise UserError(f"{path}: {len(names)} names, but features of shape {vectors.shape}; rows must agree")
    _check_finite(path, vectors)
    return PartFeatures(names, whole_picture(vectors, UNKNOWN_MODEL))


def _texts(values: NDArray[Any], path: Path) -> tuple[str, ...]:
    """Text, or bytes in UTF-8."""
    if values.dtype.kind not in "US":
        raise UserError(f"{path}: names are text, not {values.dtype}")
    try:
        return tuple(one.decode() if isinstance(one, bytes) else str(one) for one in values.tolist())
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: a name is no text in UTF-8 ({error})") from None


def _check_finite(path: Path, vectors: NDArray[Any]) -> None:
    finite = np.isfinite(vectors.reshape(len(vectors), -1)).all(axis=1)
    if not finite.all():
        raise UserError(
            f"{path}: {int((~finite).sum())} of {len(vectors)} feature rows hold NaN or infinity, first row "
            f"{int(np.flatnonzero(~finite)[0])}; remove them or extract them again"
        )
