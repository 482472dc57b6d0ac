"""Arrays and names from a caller, checked: what would give a wrong answer without a word is one line instead."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data.errors import UserError
from data.records import IntArray


def one_of(value: str, choices: Sequence[str], what: str) -> None:
    """Check a name against those there are.

    Raises:
        UserError: when it is none of them.
    """
    if value not in choices:
        raise UserError(f"{what} is one of {', '.join(choices)}, not {value!r}")


def integers(values: ArrayLike, what: str) -> IntArray:
    """(N,) whole numbers as int64; an empty list has any type.

    Raises:
        UserError: when they are of another shape, or not of an integer type (0.5 would be cut to 0, NaN be anything).
    """
    array = np.asarray(values)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise UserError(f"{what} must be (N,) integers, not {array.dtype} of shape {array.shape}")
    return array.astype(np.int64, copy=False)


def indices(values: ArrayLike, count: int, what: str, least: int = 0) -> IntArray:
    """(N,) indices of ``count`` members; ``least`` -1 allows -1, which stands for none.

    Raises:
        UserError: when they are no integers, or one is out of range: NumPy would count it from the end.
    """
    array = integers(values, what)
    if array.size and (array.min() < least or array.max() >= count):
        raise UserError(f"{what} run from {array.min()} to {array.max()}, where {least} to {count - 1} are there")
    return array


def matrix(values: ArrayLike, shape: Sequence[int | None], what: str) -> NDArray[np.floating[Any]]:
    """Real numbers of a shape, floating: integers and truth values become float64.

    Args:
        values: the numbers.
        shape: wanted; None fits any length.
        what: they are, for errors.

    Raises:
        UserError: when they are of another shape, or no real numbers.
    """
    array = np.asarray(values)
    fits = array.ndim == len(shape) and all(want in (None, have) for have, want in zip(array.shape, shape))
    if not fits or array.dtype.kind not in "biuf":
        wanted = ", ".join("any" if side is None else str(side) for side in shape)
        raise UserError(f"{what} must be real numbers of shape ({wanted}), not {array.dtype} of shape {array.shape}")
    return array if array.dtype.kind == "f" else array.astype(np.float64)
