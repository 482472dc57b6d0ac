"""Skeleton recordings in one ``.npz``, from ``tools.make_skeletons`` and ``tools.make_gaits`` to gait training.

| key | type | content |
|---|---|---|
| version | int64 | 1 |
| joints | (J,) str | names of the joints, those of ``data.skeleton_sequences.JOINTS`` |
| points | (T, J, 3) float32 | all skeletons, recording by recording; NaN = not known |
| times_s | (T,) float64 | rising within a recording |
| lengths | (R,) int64 | skeletons of each recording |
| person, view_deg | (R,) int64 | -1 = not known |
| condition, name | (R,) str | |
| form | str | "full", "plane" or "flat", see ``data.skeleton_forms`` |
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np

from data.atomic import replacing
from data.errors import UserError
from data.foreign import open_arrays
from data.skeleton_forms import Form
from data.skeleton_sequences import JOINTS, Recording

_VERSION = 1
_KEYS = ("version", "joints", "points", "times_s", "lengths", "person", "view_deg", "condition", "name", "form")


def write_recordings(path: Path, recordings: Sequence[Recording], form: Form) -> None:
    """Write recordings; the same ones give the same bytes.

    Args:
        path: a ``.npz`` file.
        recordings: any number, also none.
        form: of all of them.
    """
    none = np.zeros((0, len(JOINTS), 3), np.float32)
    arrays: dict[str, Any] = {
        "version": np.int64(_VERSION),
        "joints": np.array(JOINTS),
        "points": np.concatenate([none, *(item.points for item in recordings)]),
        "times_s": np.concatenate([np.zeros(0), *(item.times_s for item in recordings)]),
        "lengths": np.array([len(item.points) for item in recordings], np.int64),
        "person": np.array([item.person for item in recordings], np.int64),
        "view_deg": np.array([item.view_deg for item in recordings], np.int64),
        "condition": np.array([item.condition for item in recordings], np.str_),
        "name": np.array([item.name for item in recordings], np.str_),
        "form": np.str_(form),
    }
    with replacing(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **arrays)


def read_recordings(path: Path) -> list[Recording]:
    """Read what ``write_recordings`` wrote; nothing is unpickled.

    Raises:
        UserError: for a file that is missing, damaged, or of another kind, version or skeleton.
    """
    return _read(path)[0]


def read_form(path: Path) -> Form:
    """Form of the recordings in a file; see ``read_recordings``."""
    return _read(path)[1]


def _read(path: Path) -> tuple[list[Recording], Form]:
    with open_arrays(path) as archive:
        found = archive.read()
    if not set(_KEYS) <= set(found):
        raise UserError(f"{path} holds no skeleton recordings; `python -m tools.make_skeletons` writes them")
    if str(found["form"]) not in get_args(Form):
        raise UserError(f"{path}: form '{found['form']}' is unknown to this program")
    if int(found["version"]) != _VERSION:
        raise UserError(f"{path}: version {found['version']} of the format is unknown to this program")
    if tuple(found["joints"].tolist()) != JOINTS:
        raise UserError(f"{path}: its joints are {', '.join(found['joints'].tolist())}; {', '.join(JOINTS)} are wanted")
    lengths = found["lengths"]
    ends = np.cumsum(lengths)
    if (len(ends) and (lengths.min() < 0 or ends[-1] != len(found["points"]))) or len(found["points"]) != len(
        found["times_s"]
    ):
        raise UserError(f"{path} is damaged: {len(found['points'])} skeletons for recordings of {lengths.sum()}")
    recordings = [
        Recording(
            found["points"][end - length : end], found["times_s"][end - length : end], int(person), str(condition),
            int(view), str(name),
        )
        for end, length, person, condition, view, name in zip(
            ends.tolist(), lengths.tolist(), found["person"], found["condition"], found["view_deg"], found["name"],
            strict=True,
        )
    ]  # fmt: skip
    form: Form = str(found["form"])  # type: ignore[assignment]
    return recordings, form
