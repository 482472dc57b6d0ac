"""Text files that are rows of numbers, as many in each: what MOTChallenge files and their kin have in common.

Commas, semicolons, tabs or white space separate the numbers; where it is not a comma that separates, a comma is the
decimal point. Blank lines, comments (# and %) and a row of names before the first numbers are no rows. Quotes and
separators at the end of a line mean nothing.
"""

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import chain, islice
from pathlib import Path

import numpy as np

from data.errors import UserError
from data.foreign import TEXT_BYTES, check_file, encoding_of
from data.records import DoubleArray, IntArray

LARGEST_WHOLE = 2.0**53
_LARGEST_INT64 = 2**63 - 1
_NO_ID_UNSIGNED = 2**64 - 1
"""What -1 becomes in a program that keeps ids as unsigned numbers of 64 bits."""
_MARK = "\ufeff"
_COMMENTS = ("#", "%", "sep=")
_QUOTED = re.compile(r'"([^",;\t]*)"')
_DECIMAL_COMMA = re.compile(r"[-+]?\d+(,\d+)?([eE][-+]?\d+)?")
_FEWEST = 2


def read_number_rows(path: Path, what: str, columns: str, names: Sequence[Sequence[str]] = ()) -> DoubleArray:
    """All numbers of a file.

    Args:
        path: the file.
        what: the kind of file in words, for errors.
        columns: what a row holds, for errors.
        names: per column, what a row of names may call it, in small letters and digits; columns beyond are called
            anything. Empty: a row of names is no row of numbers.

    Returns:
        (N, C) float64; (0, 0) for a file without rows.

    Raises:
        UserError: with file and line, when it cannot be read, a row is no numbers or has another number of them, or
            the names are those of other columns.
    """
    try:
        check_file(path, TEXT_BYTES)
        plain = _plain(path)
        if plain is not None:
            return plain
        rows = _rows(path)
        first = next(rows, None)
        if names:
            _check_comment(path, names)
        if first is not None and names and _is_heading(first[1]):
            _check_heading(path, first, names)
            first = next(rows, None)
        if first is None:
            return np.zeros((0, 0))
        texts = (text for _, text in chain([first], rows))
        return np.loadtxt(texts, np.float64, comments=None, delimiter="\t", ndmin=2)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); give an existing {what}") from None
    except UnicodeError:
        raise UserError(f"{path} is no text in UTF-8; save it as UTF-8") from None
    except ValueError:
        raise UserError(_explain(path, what, columns, bool(names))) from None


def read_whole_column(path: Path, column: int, name: str) -> IntArray:
    """One column as whole numbers of 64 bits, to the last digit: float64 has 53 bits.

    The largest number of 64 bits without sign is read as -1, which is what it was before its sign was lost.

    Args:
        path: a file that ``read_number_rows`` reads.
        column: from 0.
        name: of the column, for errors.

    Returns:
        (N,) int64.

    Raises:
        UserError: with file and line, where it is no whole number of 64 bits.
    """
    found = []
    for number, text in _number_rows(path):
        field = text.split("\t")[column].strip()
        value = _whole(field)
        if value is None:
            raise UserError(
                f"{path}:{number}: {name} is not a whole number of 64 bits: {field[:40]!r}; mend or remove the row"
            )
        found.append(value)
    return np.array(found, np.int64)


def line_of(path: Path, row: int) -> int:
    """Line number, from 1, of a row, from 0; lines that are no rows are counted."""
    return next(number for index, (number, _) in enumerate(_number_rows(path)) if index == row)


def seems_rows(path: Path, fewest: int) -> bool:
    """Whether a file is empty, or any line of it seems a row: enough fields, the first and most others of them numbers.

    Args:
        path: the file.
        fewest: fields of a row.

    Raises:
        UserError: when it cannot be read.
    """
    check_file(path, TEXT_BYTES)
    empty = True
    for _, text in _rows(path, errors="replace"):
        empty = False
        numbers = [_is_number(field) for field in text.split("\t")]
        if len(numbers) >= fewest and numbers[0] and 2 * sum(numbers) > len(numbers):
            return True
    return empty


def _number_rows(path: Path) -> Iterator[tuple[int, str]]:
    """Rows without the names above them."""
    rows = _rows(path)
    first = next(rows, None)
    if first is not None and not _is_heading(first[1]):
        yield first
    yield from rows


def _plain(path: Path) -> DoubleArray | None:
    """The numbers of a file that is nothing but numbers, commas or white space; None where it needs a closer look."""
    encoding = encoding_of(path)
    try:
        with path.open(encoding=encoding) as stream:
            first = stream.readline().strip()
        separator = _separator(first)
        if not first or separator not in (",", None):
            return None
        return np.loadtxt(path, np.float64, comments=None, delimiter=separator, ndmin=2, encoding=encoding)
    except ValueError:
        return None


def _rows(path: Path, errors: str = "strict") -> Iterator[tuple[int, str]]:
    """(line number from 1, fields joined by tabs) of every line that is neither blank nor a comment."""
    with path.open(encoding=encoding_of(path), errors=errors) as stream:
        filled = (
            (number, text)
            for number, line in enumerate(stream, 1)
            if (text := _QUOTED.sub(r"\1", line.strip().strip(_MARK))) and not text.startswith(_COMMENTS)
        )
        # Names above the numbers have no decimals: the line below them shows what a comma means.
        head = list(islice(filled, 2))
        named = bool(head) and head[0][1][:1].isalpha()
        separator = _separator(head[-1 if named else 0][1]) if head else None
        for number, text in chain(head, filled):
            if separator is None:
                yield number, "\t".join(text.replace(",", ".").split())
            elif separator == ",":
                yield number, text.rstrip(", \t").replace("\t", " ").replace(",", "\t")
            else:
                yield number, text.rstrip(f"{separator} \t").replace(",", ".").replace(separator, "\t")


def _separator(text: str) -> str | None:
    """What separates the numbers of a line; None is white space."""
    if ";" in text:
        return ";"
    if "," in text:
        fields = text.split()
        decimal = len(fields) >= _FEWEST and all(_DECIMAL_COMMA.fullmatch(field) for field in fields)
        if not decimal:
            return ","
    return "\t" if "\t" in text and " " not in text.strip() else None


def _count(text: str) -> int:
    """How many numbers a row has; 0 where a field of it is none."""
    fields = text.split("\t")
    return len(fields) if all(_is_number(field) for field in fields) else 0


def _whole(field: str) -> int | None:
    """A whole number of 64 bits; None where a text is none."""
    try:
        exact = Decimal(field)
        small = exact.is_finite() and abs(exact) <= _NO_ID_UNSIGNED and exact == exact.to_integral_value()
    except ArithmeticError:
        return None
    if not small:
        return None
    value = -1 if exact == _NO_ID_UNSIGNED else int(exact)
    return value if abs(value) <= _LARGEST_INT64 else None


def _is_heading(text: str) -> bool:
    """Whether no field of a row is a number, and each begins with a letter."""
    return all(field.strip()[:1].isalpha() and not _is_number(field) for field in text.split("\t"))


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return "_" not in field and field.isascii()


def _check_heading(path: Path, row: tuple[int, str], names: Sequence[Sequence[str]]) -> None:
    """Raise where a column is called what it is not read as."""
    number, text = row
    for column, (field, known) in enumerate(zip(text.split("\t"), names, strict=False), 1):
        if _letters(field) not in known:
            raise UserError(
                f"{path}:{number}: column {column} is called {field.strip()[:40]!r}, where {known[0]} is "
                "expected; put the columns in this order, or leave the names out if they are"
            )


def _check_comment(path: Path, names: Sequence[Sequence[str]]) -> None:
    """Raise where a comment on the first line calls the columns what they are not read as."""
    with path.open(encoding=encoding_of(path), errors="replace") as stream:
        first = stream.readline()
    fields = re.split(r"[\s,;]+", first.strip().strip(_MARK).lstrip("#% ").strip())
    if first.startswith(_COMMENTS) and len(fields) >= len(names) - 1 and _letters(fields[0]) in names[0]:
        _check_heading(path, (1, "\t".join(fields)), names)


def _letters(name: str) -> str:
    """Small letters and digits of a column's name."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _explain(path: Path, what: str, columns: str, named: bool) -> str:
    """Name the first row that is not like the first: not numbers, or another number of columns."""
    expected = 0
    for index, (number, text) in enumerate(_rows(path, errors="replace")):
        if named and index == 0 and _is_heading(text):
            continue
        count = _count(text)
        if not count:
            shown = text.replace("\t", ",")[:60]
            return f"{path}:{number}: not a row of numbers: {shown!r}; expected {columns}"
        expected = expected or count
        if count != expected:
            return f"{path}:{number}: {count} columns, where the rows above have {expected}"
    return f"{path}: not a {what}"
