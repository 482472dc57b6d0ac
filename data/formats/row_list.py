"""Rows of a table, named on a command line: a range, or a file of numbers."""

import re
from pathlib import Path

import numpy as np

from data.errors import UserError
from data.foreign import read_array, read_text
from data.records import IntArray


def read_rows(text: str, count: int, what: str) -> IntArray:
    """Rows in the order they are named.

    Args:
        text: ``A:B`` (from A to B - 1; either may be left out), or a file: a text of row numbers from 0, separated by
            white space or commas, or an ``.npy`` of row numbers or of ``count`` truth values.
        count: N rows of the table.
        what: the rows in words, for errors.

    Raises:
        UserError: when it is neither, or names a row twice, none, or one the table lacks.
    """
    span = re.fullmatch(r"(\d*):(\d*)", text)
    if span is not None:
        first, end = (int(part) if part else default for part, default in zip(span.groups(), (0, count)))
        if end > count:
            raise UserError(f"{what} {text}: there are only {count} rows")
        rows = np.arange(first, end)
    else:
        rows = _from_file(Path(text), count, what)
    if not len(rows):
        raise UserError(f"{what} {text}: names no row")
    if rows.min() < 0 or rows.max() >= count:
        raise UserError(f"{what} {text}: row {rows.min() if rows.min() < 0 else rows.max()} is none of the {count}")
    if len(np.unique(rows)) < len(rows):
        raise UserError(f"{what} {text}: {len(rows) - len(np.unique(rows))} rows are named twice")
    return rows


def _from_file(path: Path, count: int, what: str) -> IntArray:
    if path.suffix != ".npy":
        words = read_text(path, what=f"{what} from {path}").replace(",", " ").split()
        wrong = [word for word in words if re.fullmatch(r"\d{1,15}", word) is None]
        if wrong:
            raise UserError(f"{what} {path}: '{wrong[0]}' is no row number; rows count from 0")
        return np.array(words, np.int64)
    rows = read_array(path)
    if rows.dtype == bool and rows.shape == (count,):
        return np.flatnonzero(rows)
    if rows.ndim != 1 or rows.dtype.kind not in "iu":
        raise UserError(f"{what} {path}: row numbers, or {count} truth values, not {rows.dtype} of shape {rows.shape}")
    return rows.astype(np.int64)
