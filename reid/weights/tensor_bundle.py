"""TensorFlow checkpoints read without TensorFlow: ``<name>.index`` and ``<name>.data-00000-of-00001``.

The index is a sorted string table in the format of LevelDB (its documentation, "table format"): blocks of keys that
share prefixes with the one before, each followed by its compression and a checksum, the last block naming the others.
Its first key, the empty one, holds a header; every other key is the name of a tensor, with type, shape and place in
the data file as protocol buffer fields (TensorFlow's tensor_bundle.proto). Everything is checked: lengths before they
are used, checksums (CRC-32C) before content is.
"""

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from data.errors import UserError
from data.foreign import check_file

_MAGIC = 0xDB4775248B80FB57
_FOOTER_BYTES, _TRAILER_BYTES = 48, 5
_LARGEST_INDEX_BYTES = 1 << 28
_POLYNOMIAL = 0x82F63B78
_MASK_DELTA = 0xA282EAD8
_TYPES = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8", 10: "|b1"}
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MOST_SHARDS = 99999

Table = list[tuple[bytes, bytes]]
Fields = dict[int, list[int | bytes]]


class _Damaged(Exception):
    """What is wrong with a file."""


@dataclass(frozen=True, slots=True)
class _Entry:
    dtype: int
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    checksum: int


def read_checkpoint(path: Path, names: Collection[str] | None = None) -> dict[str, NDArray[np.generic]]:
    """Variables of a checkpoint of TensorFlow 1 or 2.

    Args:
        path: the ``.index`` file, or its name without the ending, as TensorFlow takes it.
        names: which are wanted; None: all. Those the checkpoint lacks are left out.

    Raises:
        UserError: when a file is absent, damaged or of another kind.
    """
    stem = path.with_name(path.name.removesuffix(".index"))
    index = stem.with_name(stem.name + ".index")
    check_file(index, _LARGEST_INDEX_BYTES, f"checkpoint {index}")
    try:
        shards, entries = _entries(_table(index.read_bytes()))
        return {
            name: _tensor(stem, shards, name, entry)
            for name, entry in entries.items()
            if names is None or name in names
        }
    except OSError as error:
        raise UserError(f"cannot read checkpoint {error.filename or index}: {error.strerror}") from None
    except _Damaged as problem:
        raise UserError(f"{index} is no TensorFlow checkpoint, or it is damaged: {problem}") from None


def crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli), eight bytes at a time (slicing-by-8)."""
    t0, t1, t2, t3, t4, t5, t6, t7 = _crc_tables()
    value = 0xFFFFFFFF
    whole = len(data) // 8 * 8
    for word in np.frombuffer(data, "<u8", whole // 8).tolist():
        word ^= value
        value = (
            t7[word & 255] ^ t6[word >> 8 & 255] ^ t5[word >> 16 & 255] ^ t4[word >> 24 & 255]
            ^ t3[word >> 32 & 255] ^ t2[word >> 40 & 255] ^ t1[word >> 48 & 255] ^ t0[word >> 56]
        )  # fmt: skip
    for byte in data[whole:]:
        value = value >> 8 ^ t0[(value ^ byte) & 255]
    return value ^ 0xFFFFFFFF


def masked(checksum: int) -> int:
    """The form in which LevelDB and TensorFlow store a checksum: turned by 15 bits, a constant added."""
    return ((checksum >> 15 | checksum << 17) + _MASK_DELTA) & 0xFFFFFFFF


@cache
def _crc_tables() -> list[list[int]]:
    first = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
        first.append(value)
    tables = [first]
    for _ in range(7):
        tables.append([first[value & 255] ^ value >> 8 for value in tables[-1]])
    return tables


def _table(data: bytes) -> Table:
    """Keys and values of a sorted string table, in order."""
    if len(data) < _FOOTER_BYTES or int.from_bytes(data[-8:], "little") != _MAGIC:
        raise _Damaged("it does not end as a table does")
    footer = data[-_FOOTER_BYTES:-8]
    place = 0
    handle = (0, 0)
    # The first handle is that of the block about blocks, which says nothing here; the second that of the index.
    for _ in range(2):
        offset, place = _varint(footer, place)
        size, place = _varint(footer, place)
        handle = offset, size
    rows: Table = []
    for _, value in _block(data, *handle):
        offset, end = _varint(value, 0)
        size, end = _varint(value, end)
        rows += _block(data, offset, size)
    if any(before >= after for (before, _), (after, _) in pairwise(rows)):
        raise _Damaged("its names are not in order")
    return rows


def _block(data: bytes, offset: int, size: int) -> Table:
    if offset + size + _TRAILER_BYTES > len(data):
        raise _Damaged("a block lies outside the file")
    content, trailer = data[offset : offset + size], data[offset + size : offset + size + _TRAILER_BYTES]
    if masked(crc32c(data[offset : offset + size + 1])) != int.from_bytes(trailer[1:], "little"):
        raise _Damaged("a block fails its checksum")
    if trailer[0]:
        raise _Damaged(f"a block is compressed (kind {trailer[0]}), which TensorFlow does not do")
    if size < 4:
        raise _Damaged("a block is empty")
    end = size - 4 - 4 * int.from_bytes(content[-4:], "little")
    if end < 0:
        raise _Damaged("a block has more restarts than bytes")
    rows: Table = []
    place, key = 0, b""
    while place < end:
        shared, place = _varint(content, place)
        fresh, place = _varint(content, place)
        length, place = _varint(content, place)
        if shared > len(key) or place + fresh + length > end:
            raise _Damaged("an entry reaches beyond its block")
        key = key[:shared] + content[place : place + fresh]
        rows.append((key, content[place + fresh : place + fresh + length]))
        place += fresh + length
    return rows


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """A whole number of 7 bits a byte, low first, and the place after it."""
    value = 0
    for count in range(10):
        if place + count >= len(data):
            break
        byte = data[place + count]
        value |= (byte & 127) << 7 * count
        if byte < 128:
            return value & 0xFFFFFFFFFFFFFFFF, place + count + 1
    raise _Damaged("a number does not end")


def _fields(data: bytes) -> Fields:
    """A protocol buffer message: values by the number of their field."""
    found: Fields = {}
    place = 0
    while place < len(data):
        tag, place = _varint(data, place)
        number, wire = tag >> 3, tag & 7
        value: int | bytes
        if wire == _VARINT:
            value, place = _varint(data, place)
        elif wire in (_FIXED32, _FIXED64, _BYTES):
            length = {_FIXED32: 4, _FIXED64: 8}.get(wire, 0)
            if wire == _BYTES:
                length, place = _varint(data, place)
            if place + length > len(data):
                raise _Damaged("a field reaches beyond its message")
            raw = data[place : place + length]
            value = raw if wire == _BYTES else int.from_bytes(raw, "little")
            place += length
        else:
            raise _Damaged(f"a field is of the unknown kind {wire}")
        found.setdefault(number, []).append(value)
    return found


def _number(fields: Fields, number: int) -> int:
    """The last value of a field, 0 where it is absent, as the format says."""
    value = fields.get(number, [0])[-1]
    return value if isinstance(value, int) else _wrong_kind(number)


def _messages(fields: Fields, number: int) -> Iterator[Fields]:
    for value in fields.get(number, []):
        yield _fields(value) if isinstance(value, bytes) else _wrong_kind(number)


def _wrong_kind(number: int) -> NoReturn:
    raise _Damaged(f"field {number} is of another kind than it should be")


def _entries(rows: Table) -> tuple[int, dict[str, _Entry]]:
    """Number of data files, and where each tensor lies."""
    if not rows or rows[0][0] != b"":
        raise _Damaged("it has no header")
    header = _fields(rows[0][1])
    shards = _number(header, 1)
    if not 1 <= shards <= _MOST_SHARDS:
        raise _Damaged(f"it speaks of {shards} data files")
    if _number(header, 2):
        raise _Damaged("its numbers are big-endian")
    entries = {}
    for key, value in rows[1:]:
        fields = _fields(value)
        if 7 in fields:
            raise _Damaged("a tensor is cut into slices")
        sides = [_number(dim, 1) for shape in _messages(fields, 2) for dim in _messages(shape, 2)]
        try:
            name = key.decode()
        except UnicodeDecodeError:
            raise _Damaged("a name is no text") from None
        entries[name] = _Entry(
            _number(fields, 1), tuple(sides), _number(fields, 3), _number(fields, 4), _number(fields, 5),
            _number(fields, 6),
        )  # fmt: skip
    return shards, entries


def _tensor(stem: Path, shards: int, name: str, entry: _Entry) -> NDArray[np.generic]:
    if entry.dtype not in _TYPES:
        raise _Damaged(f"'{name}' is of type {entry.dtype}, no plain numbers")
    dtype = np.dtype(_TYPES[entry.dtype])
    if math.prod(entry.shape) * dtype.itemsize != entry.size or entry.shard >= shards:
        raise _Damaged(f"'{name}' has {entry.size} bytes for shape {entry.shape}")
    path = stem.with_name(f"{stem.name}.data-{entry.shard:05d}-of-{shards:05d}")
    if entry.offset + entry.size > path.stat().st_size:
        raise _Damaged(f"'{name}' reaches beyond {path.name}")
    with path.open("rb") as stream:
        stream.seek(entry.offset)
        raw = stream.read(entry.size)
    if masked(crc32c(raw)) != entry.checksum:
        raise _Damaged(f"'{name}' fails its checksum")
    return np.frombuffer(raw, dtype).reshape(entry.shape).copy()
