"""Part features of pictures in one npz file: what ``tools.extract_features`` writes.

| entry        | shape, type          | what                                                         |
|--------------|----------------------|--------------------------------------------------------------|
| names        | (N,) text            | picture, its path below the folder                           |
| vectors      | (N, P, D) float16    | unit length per part; zero where the visibility is 0         |
| visibility   | (N, P) float32       | 0-1; all zero: no evidence                                   |
| part_names   | (P,) text            |                                                              |
| part_kinds   | (P,) text            | holistic or part                                             |
| model_id     | text                 | features of different ids cannot be compared                 |
| masks        | (N, P, h, w) float16 | optional: 0-1, where each part looked                        |

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


@dataclass(frozen=True, slots=True, eq=False)
class PartFeatures:
    """Features of N pictures.

    Attributes:
        names: N paths.
        embeddings: N rows; the vectors are float16.
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
    """Read the file back.

    Raises:
        UserError: when it is absent, damaged, or no such file.
    """
    if not path.exists():
        raise UserError(f"there is no {path}")
    with open_arrays(path) as archive:
        found = archive.read()
    needed = ("names", "vectors", "visibility", "part_names", "part_kinds", "model_id")
    missing = [name for name in needed if name not in found]
    if missing:
        raise UserError(f"{path} holds no part features: it lacks {', '.join(missing)}")
    vectors, visibility, masks = found["vectors"], found["visibility"], found.get("masks")
    shape = vectors.shape[:2]
    fits = (
        vectors.ndim == 3
        and visibility.shape == shape
        and found["names"].shape == shape[:1]
        and found["part_names"].shape == found["part_kinds"].shape == shape[1:]
        and found["model_id"].ndim == 0
        and (masks is None or (masks.ndim == 4 and masks.shape[:2] == shape))
    )
    if not fits or not {str(kind) for kind in found["part_kinds"]} <= set(_KINDS):
        raise UserError(f"{path} holds no part features: its entries do not fit one another")
    embeddings = PartEmbeddings(
        vectors,
        visibility,
        tuple(str(name) for name in found["part_names"]),
        tuple(str(kind) for kind in found["part_kinds"]),
        str(found["model_id"]),
    )
    return PartFeatures(tuple(str(name) for name in found["names"]), embeddings, masks)
