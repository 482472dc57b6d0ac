"""Checkpoints come back bit by bit and never run code."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import UserError
from data.formats.state import load_state, save_state

_LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
_TREES = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner) | st.dictionaries(st.integers() | st.text(), inner) | st.tuples(inner, inner),
    max_leaves=12,
)


@given(tree=_TREES)
def test_plain_values_round_trip(tree: object, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("state") / "c.npz"
    save_state(path, tree)
    assert load_state(path) == tree


def test_arrays_keep_bytes_dtype_and_shape(tmp_path: Path) -> None:
    bytes_ = np.arange(6, dtype=np.int8).reshape(2, 3)
    arrays = [np.zeros((0, 4), np.float32), np.array(7), bytes_, np.array([math.nan])]
    save_state(tmp_path / "c.npz", {"arrays": arrays})
    for before, after in zip(arrays, load_state(tmp_path / "c.npz")["arrays"], strict=True):
        assert (before.dtype, before.shape, before.tobytes()) == (after.dtype, after.shape, after.tobytes())


def test_same_state_same_bytes(tmp_path: Path) -> None:
    tree = {"a": np.arange(5), "b": [1.5, "x"]}
    save_state(tmp_path / "a.npz", tree)
    first = (tmp_path / "a.npz").read_bytes()
    save_state(tmp_path / "a.npz", load_state(tmp_path / "a.npz"))
    assert load_state(tmp_path / "a.npz")["b"] == [1.5, "x"]
    assert len(first) == len((tmp_path / "a.npz").read_bytes())


def test_objects_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        save_state(tmp_path / "c.npz", {"x": object()})
    with pytest.raises(ValueError, match=r"pickle|Object"):
        save_state(tmp_path / "c.npz", {"x": np.array([object()])})


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04broken"])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "c.npz"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"c\.npz"):
        load_state(path)
