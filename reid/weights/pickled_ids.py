"""Pickled ``ids_*.npy`` of the published skeleton sets, read without running anything they contain.

Such a file is an array of no dimensions that holds one dictionary, {person: [sequence numbers]}. Every name in its
pickle resolves to an inert stand-in, as in ``torch_pickle``, except for the few that describe arrays and numbers of
NumPy.
"""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from data.errors import UserError
from data.foreign import check_file
from reid.weights.torch_pickle import Inert, InertUnpickler, check_pickle

_LARGEST_BYTES = 1 << 28
_MODULES = ("numpy.core.multiarray", "numpy._core.multiarray", "numpy.core._multiarray_umath")


class _Array(Inert):
    """An array as its pickle tells it: (version, shape, type, order, content)."""

    content: object = None
    told: object = None

    def __setstate__(self, state: object) -> None:
        if isinstance(state, tuple) and len(state) == 5:
            self.told, self.content = state[2], state[4]


class _Type(Inert):
    """A type of numbers by its code, as "i8"; "" where they are big-endian or something else."""

    def __init__(self, code: object = "", *_rest: object) -> None:
        super().__init__()
        self.code = code if isinstance(code, str) else ""

    def __setstate__(self, state: object) -> None:
        if isinstance(state, tuple) and ">" in state:
            self.code = ""


class _IdsUnpickler(InertUnpickler):
    def find_class(self, module: str, name: str, /) -> Any:
        # Everything returned is made anew, see ``InertUnpickler``.
        if module in _MODULES and name == "_reconstruct":
            return lambda *_args: _Array()
        if module in _MODULES and name == "scalar":
            return lambda told, raw=b"": _scalar(told, raw)
        if module == "numpy" and name == "dtype":
            return type("Type", (_Type,), {})
        if module == "_codecs" and name == "encode":
            return lambda text, coding="latin1", *_rest: str(text).encode("latin1")
        return super().find_class(module, name)


def _scalar(told: object, raw: object) -> int | Inert:
    found = _integers(told, raw)
    return found[0] if len(found) == 1 else Inert()


def _integers(told: object, raw: object) -> list[int]:
    if isinstance(told, _Type) and isinstance(raw, bytes) and told.code in ("i4", "i8", "u4", "u8"):
        dtype = np.dtype("<" + told.code)
        return np.frombuffer(raw, dtype).tolist() if len(raw) % dtype.itemsize == 0 else []
    return []


def read_ids(path: Path) -> dict[int, list[int]]:
    """People and their sequences.

    Raises:
        UserError: when the file is absent, damaged, or holds something else.
    """
    check_file(path, _LARGEST_BYTES)
    try:
        stream = io.BytesIO(path.read_bytes())
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        _, _, dtype = read(stream)
        tree = _IdsUnpickler(check_pickle(stream)).load() if dtype.hasobject else None
    except Exception as error:
        # A pickle can fail in any way its author, or a disk, likes.
        raise UserError(f"{path} is no .npy file of objects, or it is damaged ({type(error).__name__})") from None
    held = tree.content if isinstance(tree, _Array) else None
    found = held[0] if isinstance(held, list) and len(held) == 1 else None
    if not isinstance(found, Mapping) or not found:
        raise UserError(f"{path} holds no sequence numbers by person")
    ids = {}
    for person, rows in found.items():
        listed = _rows(rows)
        if not _whole(person) or listed is None:
            raise UserError(f"{path}: the entry of person {str(person)[:20]!r} is no list of sequence numbers")
        ids[int(person)] = listed
    return ids


def _whole(value: object) -> bool:
    return (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, str) and value.isdecimal())


def _rows(value: object) -> list[int] | None:
    if isinstance(value, _Array):
        return _integers(value.told, value.content) or None
    if isinstance(value, (list, tuple)) and all(_whole(item) for item in value):
        return [int(item) for item in value]
    return None
