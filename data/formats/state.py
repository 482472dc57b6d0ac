"""Checkpoints of live state: a tree of plain values and arrays in one npz file, read back without pickle."""

import io
import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from data.atomic import open_atomic
from data.errors import UserError
from data.foreign import ARRAY_BYTES, check_file, open_zip

_VERSION = 1
_TREE = "tree.json"
_BROKEN = (
    OSError, EOFError, KeyError, ValueError, MemoryError, RecursionError, NotImplementedError, RuntimeError,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip


def _encode(value: Any, arrays: dict[str, Any]) -> Any:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return {"f": value.hex()}
    if isinstance(value, np.ndarray | bytes):
        name = f"a{len(arrays)}"
        arrays[name] = np.frombuffer(value, np.uint8) if isinstance(value, bytes) else value
        return {"b" if isinstance(value, bytes) else "a": name}
    if isinstance(value, list | tuple):
        return {"l" if isinstance(value, list) else "t": [_encode(item, arrays) for item in value]}
    if isinstance(value, dict):
        return {"d": [[_encode(key, arrays), _encode(item, arrays)] for key, item in value.items()]}
    raise TypeError(f"a checkpoint cannot hold {type(value).__name__}")


def _decode(value: Any, arrays: Any) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, body),) = value.items()
    if kind == "f":
        return float.fromhex(body)
    if kind == "a":
        return arrays[body]
    if kind == "b":
        return arrays[body].tobytes()
    if kind == "l":
        return [_decode(item, arrays) for item in body]
    if kind == "t":
        return tuple(_decode(item, arrays) for item in body)
    return {_decode(key, arrays): _decode(item, arrays) for key, item in body}


def save_state(path: Path, tree: Any) -> None:
    """Write a checkpoint durably: the file holds the old state or the new one, never a mixture.

    Args:
        path: the npz file.
        tree: dicts, lists and tuples of None, bool, int, float, str, bytes and numpy arrays (no object arrays). Floats
            and arrays come back bit by bit.

    Raises:
        TypeError: for a value of any other type.
    """
    arrays: dict[str, Any] = {}
    text = json.dumps({"version": _VERSION, "tree": _encode(tree, arrays)})
    with open_atomic(path, "wb") as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(_TREE, text)
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.asarray(array), allow_pickle=False)
            archive.writestr(f"{name}.npy", buffer.getbuffer())


def load_state(path: Path) -> Any:
    """Read a checkpoint back.

    Raises:
        UserError: when the file is absent, damaged or of another version.
    """
    check_file(path, ARRAY_BYTES)
    try:
        with open_zip(path) as archive:
            content = json.loads(archive.read(_TREE))
            arrays = {
                name.removesuffix(".npy"): np.lib.format.read_array(io.BytesIO(archive.read(name)), allow_pickle=False)
                for name in archive.namelist()
                if name != _TREE
            }
    except _BROKEN as error:
        raise UserError(f"{path} is not a readable checkpoint ({error}); start again with --overwrite") from error
    if not isinstance(content, dict) or content.get("version") != _VERSION:
        raise UserError(f"{path} is a checkpoint of another version; start again with --overwrite")
    try:
        return _decode(content["tree"], arrays)
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{path} is a damaged checkpoint ({error!r}); start again with --overwrite") from None
