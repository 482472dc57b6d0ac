"""Reads files of ``torch.save`` without running anything they contain.

A checkpoint is a pickle, and a pickle is a program: it may name any function and call it. Published checkpoints also
carry objects of their authors' classes (a yacs config), which ``torch.load(weights_only=True)`` refuses. Here every
name in the pickle resolves to an inert stand-in that does nothing when it is created, called or filled, except for the
handful that describe tensors, which have implementations of our own. Tensor data stays in the file until it is asked
for.
"""

import math
import pickle
import pickletools
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from data.errors import UserError
from data.foreign import ARRAY_BYTES, check_file

if TYPE_CHECKING:
    import torch

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001
_STORAGE_DTYPES = {
    "FloatStorage": "float32", "DoubleStorage": "float64", "HalfStorage": "float16", "BFloat16Storage": "bfloat16",
    "LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16", "CharStorage": "int8",
    "ByteStorage": "uint8", "BoolStorage": "bool",
}  # fmt: skip
# More of a checkpoint's tensors than this times its size share storage: nothing real does.
_MOST_SHARED = 4
_ITEM_SIZES = {"float16": 2, "bfloat16": 2, "bool": 1}


class Inert(dict[Any, Any]):
    """Stands for an object of a class we do not know: keeps what it is filled with, runs nothing.

    Attributes:
        state: what the object's attributes would be set from (of a pickled network: its tensors and sub-modules).
    """

    state: object = None

    def __init__(self, *_args: object, **_kwargs: object) -> None:
        super().__init__()

    def __call__(self, *_args: object, **_kwargs: object) -> "Inert":
        """Stand in for the result of a call."""
        return Inert()

    def __setstate__(self, state: object) -> None:
        self.state = state

    def __hash__(self) -> int:  # type: ignore[override]
        return id(self)

    def append(self, _item: object) -> None:
        """Ignore an element."""

    def extend(self, _items: object) -> None:
        """Ignore elements."""

    def add(self, _item: object) -> None:
        """Ignore an element."""


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor that still lies in the file.

    Attributes:
        key: name of its storage in the file.
        dtype: name of the torch dtype.
        elements: length of the storage.
        offset: first element of the tensor in its storage.
        shape: of the tensor.
        stride: in elements.
    """

    key: str
    dtype: str
    elements: int
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


class TorchFile:
    """An open checkpoint.

    Args:
        path: a file of ``torch.save``, of the zip format (torch 1.6 and later) or of the one before.

    Attributes:
        tree: what was saved, with ``StoredTensor`` for tensors and ``Inert`` for unknown objects.

    Raises:
        UserError: when the file is absent, is no such checkpoint, or is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[bytes] | None = None
        self._archive: zipfile.ZipFile | None = None
        self._places: dict[str, tuple[int, int]] = {}
        self._loaded = 0
        self._size = check_file(path, ARRAY_BYTES, f"checkpoint {path}")
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise UserError(f"cannot read checkpoint {path}: {error.strerror}") from error
        try:
            self.tree = self._read_zip() if zipfile.is_zipfile(self._file) else self._read_legacy()
        except UserError:
            self.close()
            raise
        except Exception as error:
            # A pickle can fail in any way its author, or a disk, likes.
            self.close()
            raise UserError(f"{path} is not a torch checkpoint, or it is damaged ({type(error).__name__})") from error

    def __enter__(self) -> "TorchFile":
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; tensors can no longer be loaded."""
        if self._file is not None:
            self._file.close()

    def load(self, tensor: StoredTensor) -> "torch.Tensor":
        """Read one tensor's data.

        Raises:
            UserError: when its data is missing or shorter than announced.
        """
        import torch

        last = tensor.offset + sum((side - 1) * step for side, step in zip(tensor.shape, tensor.stride, strict=True))
        empty = 0 in tensor.shape
        if not empty and not (0 <= tensor.offset <= last < tensor.elements >= math.prod(tensor.shape)):
            raise UserError(f"{self.path} is damaged: a tensor reaches beyond its storage '{tensor.key}'")
        dtype = getattr(torch, tensor.dtype)
        if empty:
            return torch.empty(tensor.shape, dtype=dtype)
        size = tensor.elements * _item_size(tensor.dtype)
        self._loaded += size
        if self._loaded > _MOST_SHARED * max(self._size, 1 << 20):
            raise UserError(f"{self.path} is damaged: its tensors have many times the size of the file")
        try:
            raw = self._read_storage(tensor.key)
        except (KeyError, OSError, ValueError, RuntimeError, NotImplementedError, zipfile.BadZipFile) as error:
            raise UserError(f"{self.path} is damaged: storage '{tensor.key}' cannot be read") from error
        if len(raw) < size:
            raise UserError(f"{self.path} is damaged: storage '{tensor.key}' has {len(raw)} of {size} bytes")
        flat = torch.frombuffer(bytearray(raw), dtype=dtype, count=tensor.elements)
        return flat.as_strided(tensor.shape, tensor.stride, tensor.offset).clone()

    def _read_storage(self, key: str) -> bytes:
        if self._archive is not None:
            return self._archive.read(f"{self._prefix}data/{key}")
        assert self._file is not None
        start, size = self._places[key]
        self._file.seek(start)
        return self._file.read(size)

    def _read_zip(self) -> Any:
        assert self._file is not None
        self._archive = zipfile.ZipFile(self._file)
        entries = [entry for entry in self._archive.infolist() if entry.filename.endswith("/data.pkl")]
        if len(entries) != 1 or any(entry.compress_type != zipfile.ZIP_STORED for entry in self._archive.infolist()):
            raise UserError(f"{self.path} is a zip file, but no torch checkpoint")
        self._prefix = entries[0].filename.removesuffix("data.pkl")
        with self._archive.open(entries[0]) as stream:
            return InertUnpickler(check_pickle(stream)).load()

    def _read_legacy(self) -> Any:
        assert self._file is not None
        self._file.seek(0)
        if self._next().load() != _LEGACY_MAGIC or self._next().load() != _LEGACY_PROTOCOL:
            raise UserError(f"{self.path} is a pickle, but no torch checkpoint")
        self._next().load()
        unpickler = self._next()
        tree = unpickler.load()
        for key in self._next().load():
            elements = int(np.frombuffer(self._file.read(8), "<i8")[0])
            size = elements * _item_size(unpickler.storage_dtypes[key])
            self._places[key] = (self._file.tell(), size)
            self._file.seek(size, 1)
        return tree

    def _next(self) -> "InertUnpickler":
        assert self._file is not None
        return InertUnpickler(check_pickle(self._file))


def check_pickle(stream: IO[bytes]) -> IO[bytes]:
    """Look through a pickle before it is read: what it asks for must not cost more than it has bytes.

    Numbers of remembered objects rise one by one in every real pickle; a jump makes the reader allocate the gap.

    Args:
        stream: at the start of the pickle; seekable.

    Returns:
        The stream, where it was.

    Raises:
        UnpicklingError: for a jump, or when it breaks off.
    """
    start = stream.tell()
    remembered = 0
    for number, (code, value, _) in enumerate(pickletools.genops(stream)):
        if code.name in ("PUT", "BINPUT", "LONG_BINPUT"):
            remembered = max(remembered, int(value or 0))
            if remembered > number:
                raise pickle.UnpicklingError("it remembers objects it does not have")
    stream.seek(start)
    return stream


def plain(value: object) -> Any:
    """Keep only numbers, strings, booleans, None and containers of them; an unknown object's items become a dict."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items() if isinstance(key, str)}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return None


@dataclass(frozen=True, slots=True)
class _Storage:
    key: str
    dtype: str
    elements: int


class InertUnpickler(pickle.Unpickler):
    """Builds what a pickle describes out of stand-ins.

    Args:
        stream: at the start of the pickle.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__(stream, encoding="utf-8")
        self.storage_dtypes: dict[str, str] = {}

    def find_class(self, module: str, name: str, /) -> Any:
        """What stands in for a name; nothing is imported."""
        # Everything returned is made anew: a pickle can set attributes on what it was given.
        if module == "torch" and name in _STORAGE_DTYPES:
            return type(name, (Inert,), {"dtype": _STORAGE_DTYPES[name]})
        if module == "torch._utils" and name in ("_rebuild_tensor_v2", "_rebuild_tensor"):
            return lambda storage, offset, shape, stride, *_rest: _tensor(storage, offset, shape, stride)
        if module == "torch._utils" and name == "_rebuild_parameter":
            return lambda tensor, *_rest: tensor
        return type("Inert", (Inert,), {})

    def persistent_load(self, pid: Any, /) -> Any:
        """A storage of a tensor, which is all that may lie outside the pickle.

        Torch's older format names the classes of pickled networks here too, with their source code: a stand-in again.
        """
        if pid[0] == "module":
            return type("Inert", (Inert,), {})
        kind, storage_type, key, _location, elements = pid[:5]
        dtype = getattr(storage_type, "dtype", None)
        if kind != "storage" or not isinstance(dtype, str) or dtype not in _STORAGE_DTYPES.values():
            raise pickle.UnpicklingError("unknown persistent object")
        self.storage_dtypes[str(key)] = dtype
        return _Storage(str(key), dtype, int(elements))


def _tensor(storage: object, offset: object, shape: object, stride: object) -> StoredTensor:
    if not isinstance(storage, _Storage) or not isinstance(shape, tuple) or not isinstance(stride, tuple):
        raise pickle.UnpicklingError("malformed tensor")
    sides, steps = tuple(int(side) for side in shape), tuple(int(step) for step in stride)
    if len(sides) != len(steps) or any(number < 0 for number in (*sides, *steps)):
        raise pickle.UnpicklingError("malformed tensor")
    return StoredTensor(storage.key, storage.dtype, storage.elements, int(offset), sides, steps)  # type: ignore[call-overload]


def _item_size(dtype: str) -> int:
    return _ITEM_SIZES.get(dtype) or np.dtype(dtype).itemsize
