"""Text files that are rows of numbers, as many in each: what MOTChallenge files and their kin have in common."""

from pathlib import Path

import numpy as np

from data.errors import UserError
from data.foreign import TEXT_BYTES, check_file, encoding_of
from data.records import DoubleArray

LARGEST_WHOLE = 2.0**53


def read_number_rows(path: Path, what: str, columns: str) -> DoubleArray:
    """All numbers of a file; commas or white space separate them, blank lines are skipped.

    Args:
        path: the file.
        what: the kind of file in words, for errors.
        columns: what a row holds, for errors.

    Returns:
        (N, C) float64; (0, 0) for a file without rows.

    Raises:
        UserError: with file and line, when it cannot be read, or a row is no numbers or has another number of them.
    """
    try:
        check_file(path, TEXT_BYTES)
        encoding = encoding_of(path)
        with path.open(encoding=encoding) as stream:
            first = next((line for line in stream if line.strip()), None)
        if first is None:
            return np.zeros((0, 0))
        delimiter = "," if "," in first else None
        return np.loadtxt(path, np.float64, comments=None, delimiter=delimiter, ndmin=2, encoding=encoding)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); give an existing {what}") from None
    except ValueError:
        raise UserError(_explain(path, what, columns)) from None


def line_of(path: Path, row: int) -> int:
    """Line number, from 1, of a row, from 0, counting blank lines."""
    with path.open(encoding=encoding_of(path)) as stream:
        filled = [number for number, line in enumerate(stream, 1) if line.strip()]
    return filled[row]


def _explain(path: Path, what: str, columns: str) -> str:
    """Name the first row that is not like the first: not numbers, or another number of columns."""
    expected = 0
    delimiter = None
    with path.open(encoding=encoding_of(path), errors="replace") as stream:
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            if not expected:
                delimiter = "," if "," in line else None
            try:
                count = len([float(text) for text in line.split(delimiter)])
            except ValueError:
                return f"{path}:{number}: not a row of numbers: {line.strip()[:60]!r}; expected {columns}"
            expected = expected or count
            if count != expected:
                return f"{path}:{number}: {count} columns, where the rows above have {expected}"
    return f"{path}: not a {what}"
