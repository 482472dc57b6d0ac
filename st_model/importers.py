"""Distributions that other programs wrote: ST-ReID's ``.mat`` and MTMCT's joblib pickle, read without running them."""

import pickle
from pathlib import Path
from typing import IO, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from data.errors import UserError, first_line
from data.formats.mat import read_mat
from data.records import DoubleArray
from st_model.published import BIN_FRAMES, SIGMA_BINS, PublishedDistribution, smooth_published

MAT_KEY = "distribution"
_LARGEST_BYTES = 2**31
_COMPRESSED = (b"\x78", b"\x1f\x8b", b"BZ", b"\xfd7zXZ", b"\x5d\x00", b"\x04\x22\x4d\x18")


def import_mat(path: Path, sigma_bins: float = SIGMA_BINS) -> PublishedDistribution:
    """ST-ReID's file: probabilities [later, earlier, bin] before smoothing, which is done here.

    Args:
        path: Matlab file of version 5 (what scipy writes).
        sigma_bins: Gaussian smoothing in bins.

    Raises:
        UserError: when it cannot be read or holds no such table.
    """
    content = read_mat(path, [MAT_KEY])
    if MAT_KEY not in content:
        raise UserError(f"{path} holds no '{MAT_KEY}'; ST-ReID's gen_st_model writes it")
    table = _checked(content[MAT_KEY], path).transpose(1, 0, 2)
    smoothed = smooth_published(np.ascontiguousarray(table), sigma_bins) if sigma_bins > 0 else table
    return _distribution(smoothed, sigma_bins, {"source": str(path), "offsets": "as in the file"})


def import_joblib(path: Path) -> PublishedDistribution:
    """MTMCT's file: smoothed probabilities. Its table holds each unordered camera pair once; both directions get it.

    Only a plain array is read; a file that asks for anything else is refused.

    Raises:
        UserError: when it cannot be read, is compressed, or holds no such table.
    """
    try:
        with path.open("rb") as stream:
            head = stream.read(6)
            if head.startswith(_COMPRESSED):
                raise UserError(f"{path} is compressed; write it again with joblib.dump(array, file, compress=0)")
            stream.seek(0)
            array = _ArrayUnpickler(stream).load()
    except UserError:
        raise
    except Exception as error:
        # A pickle can fail in any way its author, or a disk, likes.
        what = f"cannot read {path} as a joblib file of one array"
        raise UserError(f"{what}: {type(error).__name__} {first_line(error)}") from None
    table = _checked(array, path)
    meta = {"source": str(path), "offsets": "as in the file"}
    lower = np.tril_indices(len(table), -1)
    if not table[lower].any():
        table = table + table.transpose(1, 0, 2) * (1 - np.eye(len(table)))[..., None]
        meta["directions"] = "undirected in the file"
    else:
        table = np.ascontiguousarray(table.transpose(1, 0, 2))
    return _distribution(table, SIGMA_BINS, meta)


def _distribution(table: DoubleArray, sigma_bins: float, meta: dict[str, Any]) -> PublishedDistribution:
    cameras = tuple(f"c{number + 1}" for number in range(len(table)))
    return PublishedDistribution(
        cameras, table, None, np.zeros(table.shape[:2]), BIN_FRAMES, sigma_bins, {**meta, "counts": "unknown"}
    )


def _checked(value: object, path: Path) -> DoubleArray:
    array: NDArray[Any] = value if isinstance(value, np.ndarray) and value.dtype.kind in "fiu" else np.zeros(0)
    table = array.astype(np.float64)
    if table.ndim != 3 or table.shape[0] != table.shape[1] or not table.size:
        raise UserError(f"{path} must hold a table (cameras, cameras, bins), holds {array.shape}")
    if not (np.isfinite(table).all() and (table >= 0).all()):
        raise UserError(f"{path} holds values that are no probabilities (negative, NaN or infinite)")
    return table


class _ArrayType:
    """Stands for ``numpy.ndarray``."""

    def __new__(cls, *_: object) -> "_ArrayType":
        """Refuse: a file that makes arrays by a call is not joblib's."""
        raise pickle.UnpicklingError("the file makes an array by a call")


class _Wrapper:
    """joblib's description of an array whose bytes follow in the stream."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.state = state


# The C unpickler has no hook after an object is complete; the one in Python has.
_PythonUnpickler: Any = vars(pickle)["_Unpickler"]


class _ArrayUnpickler(_PythonUnpickler):
    """Reads the one kind of object joblib writes for a plain array; every other class is refused."""

    dispatch: ClassVar[dict[int, Any]] = dict(_PythonUnpickler.dispatch)

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__(stream)
        self._stream = stream

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("joblib.numpy_pickle", "NumpyArrayWrapper"):
            return _Wrapper
        if (module, name) == ("numpy", "ndarray"):
            return _ArrayType  # Named as the kind of array it is. Called, numpy's would make an array of any size.
        if (module, name) == ("numpy", "dtype"):
            return np.dtype
        raise pickle.UnpicklingError(f"the file asks for {module}.{name}, which an array does not need")

    def load_build(self) -> None:
        """Apply a state; where that completes a wrapper, put the array it describes in its place."""
        super().load_build()
        top = self.stack[-1]
        if isinstance(top, _Wrapper):
            self.stack[-1] = self._read_array(top.state)

    dispatch[pickle.BUILD[0]] = load_build

    def _read_array(self, state: dict[str, Any]) -> NDArray[Any]:
        dtype, shape = state["dtype"], tuple(int(side) for side in state["shape"])
        if not isinstance(dtype, np.dtype) or dtype.hasobject or dtype.kind not in "fiu":
            raise pickle.UnpicklingError(f"an array of {dtype} is not read")
        size = int(np.prod(shape, dtype=np.float64)) * dtype.itemsize
        if min(shape, default=0) < 0 or size > _LARGEST_BYTES:
            raise pickle.UnpicklingError(f"an array of shape {shape} is not read")
        if state.get("numpy_array_alignment_bytes") is not None:
            self._stream.read(self._stream.read(1)[0])
        raw = self._stream.read(size)
        if len(raw) < size:
            raise EOFError(f"{len(raw)} of {size} bytes")
        flat = np.frombuffer(raw, dtype)
        return flat.reshape(shape[::-1]).T if state.get("order") == "F" else flat.reshape(shape)
