"""Matlab files of version 5 to 7.3, read in a process of their own.

SciPy's reader and HDF5, which version 7.3 is, are compiled code that a damaged file can crash or fill the memory with;
then only that process ends. What comes back are plain arrays in an ``.npz`` file. HDF5 needs h5py, an extra.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.errors import UserError
from data.foreign import ARRAY_BYTES, check_file, limit, open_arrays

_LONGEST_S = 120
_CHILD = "from data.formats.mat import answer; answer()"
_HDF5 = b"MATLAB 7.3"


def read_mat(path: Path, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Some variables of a Matlab file.

    Args:
        path: the file.
        names: of the variables, one at least; those that are not there are left out.

    Returns:
        By name: arrays of numbers as they are; cells of texts as an array of texts of the same shape.

    Raises:
        UserError: when the file is absent, no such file, damaged, too large, of version 7.3 without h5py, or a variable
            is something else.
    """
    check_file(path, ARRAY_BYTES)
    if _is_hdf5(path) and find_spec("h5py") is None:
        raise UserError(
            f"{path} is a Matlab file of version 7.3 (HDF5), for which h5py is needed: pip install h5py; or load it in "
            f"Matlab and save('{path.stem}_v7.mat', '{names[0]}', '-v7')"
        )
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "found.npz"
        home = str(Path(__file__).resolve().parents[2])
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([home, os.environ.get("PYTHONPATH", "")])}
        command = [sys.executable, "-c", _CHILD, str(path), str(target), str(limit(ARRAY_BYTES)), *names]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, errors="replace", timeout=_LONGEST_S, env=environment
            )
        except subprocess.TimeoutExpired:
            raise UserError(f"{path} takes over {_LONGEST_S} s to read as a Matlab file: it is damaged") from None
        if done.returncode or not target.exists():
            lines = done.stderr.strip().splitlines()
            reason = lines[-1][:200] if lines and done.returncode > 0 else "its reader broke down"
            raise UserError(f"{path} is no readable Matlab file, or it is damaged ({reason})")
        with open_arrays(target) as arrays:
            return arrays.read()


def answer() -> None:
    """What the process of its own does: read, and write what is plain."""
    path, target, most_bytes, *names = sys.argv[1:]
    _bound(int(most_bytes))
    if _is_hdf5(Path(path)):
        plain = _from_hdf5(path, names)
    else:
        from scipy.io import loadmat

        found = loadmat(path, variable_names=names)
        plain = {name: _plain(name, found[name]) for name in names if name in found}
    np.savez(target, **plain)


def _is_hdf5(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(len(_HDF5)) == _HDF5


def _from_hdf5(path: str, names: Sequence[str]) -> dict[str, Any]:
    """Variables that are numbers stored in the file itself: HDF5 may also point at other files."""
    import h5py

    found: dict[str, Any] = {}
    with h5py.File(path, "r") as file:
        for name in names:
            if name not in file:
                continue
            value = file[name]
            here = isinstance(file.get(name, getlink=True), h5py.HardLink) and isinstance(value, h5py.Dataset)
            if not here or value.is_virtual or value.external or value.dtype.kind not in "biuf":
                raise ValueError(f"variable '{name}' is no plain array of numbers")
            # Matlab stores columns first.
            found[name] = value[()].T
    return found


def _bound(most_bytes: int) -> None:
    """Memory the process may take, where the system knows such a bound."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (most_bytes, most_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _plain(name: str, value: Any) -> NDArray[Any]:
    array = np.asarray(value)
    if array.dtype.kind in "biufcU":
        return array
    if array.dtype.kind != "O":
        raise ValueError(f"variable '{name}' is neither numbers nor texts")
    texts = [np.asarray(cell).ravel() for cell in array.ravel()]
    if any(text.dtype.kind != "U" or len(text) > 1 for text in texts):
        raise ValueError(f"variable '{name}' has cells that are no texts")
    return np.array([str(text[0]) if len(text) else "" for text in texts], np.str_).reshape(array.shape)
