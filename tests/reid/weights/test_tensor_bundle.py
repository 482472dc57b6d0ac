"""TensorFlow checkpoints, written here byte by byte as the formats' documentation has them."""

import struct
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from data.errors import UserError
from reid.weights.tensor_bundle import crc32c, masked, read_checkpoint

Arrays = Mapping[str, NDArray[np.generic]]
TYPES = {"float32": 1, "float64": 2, "int32": 3, "int64": 9}


def varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def message(field: int, content: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(content)) + content


def trailer(content: bytes, kind: int = 0) -> bytes:
    return bytes([kind]) + struct.pack("<I", masked(crc32c(content + bytes([kind]))))


def block(rows: list[tuple[bytes, bytes]], every: int = 3) -> bytes:
    """Keys that share prefixes with the one before, whole again at every third."""
    out, restarts, last = b"", [], b""
    for place, (key, value) in enumerate(rows):
        shared = 0
        if place % every == 0:
            restarts.append(len(out))
        else:
            while shared < min(len(key), len(last)) and key[shared] == last[shared]:
                shared += 1
        out += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        last = key
    restarts = restarts or [0]
    return out + b"".join(struct.pack("<I", place) for place in restarts) + struct.pack("<I", len(restarts))


def table(rows: list[tuple[bytes, bytes]], per_block: int = 4, kind: int = 0) -> bytes:
    out, handles = b"", []
    for begin in range(0, len(rows), per_block):
        part = rows[begin : begin + per_block]
        content = block(part)
        handles.append((part[-1][0], varint(len(out)) + varint(len(content))))
        out += content + trailer(content, kind)
    ends = []
    for content in (block([]), block(handles, 1)):
        ends.append(varint(len(out)) + varint(len(content)))
        out += content + trailer(content)
    return out + b"".join(ends).ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57)


def write_checkpoint(stem: Path, arrays: Arrays, change: Callable[[bytes], bytes] | None = None) -> None:
    """``<stem>.index`` and its one data file; ``change`` alters the record of the first tensor."""
    data, rows = b"", [(b"", number(1, 1) + number(2, 0) + message(3, number(1, 1)))]
    for name, array in sorted(arrays.items()):
        raw = array.tobytes()
        shape = b"".join(message(2, number(1, side)) for side in array.shape)
        record = number(1, TYPES[array.dtype.name]) + message(2, shape) + number(4, len(data)) + number(5, len(raw))
        record += varint(6 << 3 | 5) + struct.pack("<I", masked(crc32c(raw)))
        if change is not None and len(rows) == 1:
            record = change(record)
        rows.append((name.encode(), record))
        data += raw
    stem.with_name(stem.name + ".index").write_bytes(table(rows))
    stem.with_name(stem.name + ".data-00000-of-00001").write_bytes(data)


@pytest.fixture
def arrays() -> dict[str, NDArray[np.generic]]:
    rng = np.random.default_rng(0)
    names = ["W", "W1", "Variable", "decode/decoder/dense/bias", "decode/decoder/dense/kernel", "learning_rate"]
    found: dict[str, NDArray[np.generic]] = {
        name: rng.normal(size=(place + 1, 3)).astype(np.float32) for place, name in enumerate(names)
    }
    return {**found, "scalar": np.array(0.5), "step": np.array([7, 8], np.int64), "none": np.zeros((0, 2), np.float32)}


def test_checksums_are_those_of_the_standard() -> None:
    """RFC 3720, appendix B.4, and the usual check value."""
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E


def test_variables_are_read_as_they_were_written(tmp_path: Path, arrays: Arrays) -> None:
    write_checkpoint(tmp_path / "model.ckpt", arrays)
    for path in (tmp_path / "model.ckpt", tmp_path / "model.ckpt.index"):
        found = read_checkpoint(path)
        assert list(found) == sorted(arrays)
        for name, array in arrays.items():
            assert found[name].dtype == array.dtype
            assert np.array_equal(found[name], array)


def test_only_what_is_wanted_is_read(tmp_path: Path, arrays: Arrays) -> None:
    write_checkpoint(tmp_path / "model.ckpt", arrays)
    assert list(read_checkpoint(tmp_path / "model.ckpt", {"W1", "absent"})) == ["W1"]


def test_absent_files_are_explained(tmp_path: Path, arrays: Arrays) -> None:
    with pytest.raises(UserError, match=r"model\.ckpt\.index: No such file"):
        read_checkpoint(tmp_path / "model.ckpt")
    write_checkpoint(tmp_path / "model.ckpt", arrays)
    (tmp_path / "model.ckpt.data-00000-of-00001").unlink()
    with pytest.raises(UserError, match="00000-of-00001: No such file"):
        read_checkpoint(tmp_path / "model.ckpt")


@pytest.mark.parametrize("name", ["model.ckpt.index", "model.ckpt.data-00000-of-00001"])
def test_any_broken_byte_is_noticed(tmp_path: Path, arrays: Arrays, name: str) -> None:
    write_checkpoint(tmp_path / "model.ckpt", arrays)
    path = tmp_path / name
    whole = path.read_bytes()
    wanted = read_checkpoint(tmp_path / "model.ckpt")
    # The footer's padding and the block about blocks are read by nobody.
    places = range(0, len(whole) - 48 if name.endswith("index") else len(whole), 7)
    unnoticed = 0
    for place in places:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 64]) + whole[place + 1 :])
        try:
            found = read_checkpoint(tmp_path / "model.ckpt")
        except UserError:
            continue
        assert all(np.array_equal(found[key], wanted[key]) for key in wanted)
        unnoticed += 1
    assert unnoticed <= 2


def test_a_cut_file_is_noticed(tmp_path: Path, arrays: Arrays) -> None:
    write_checkpoint(tmp_path / "model.ckpt", arrays)
    for name in ("model.ckpt.index", "model.ckpt.data-00000-of-00001"):
        path = tmp_path / name
        whole = path.read_bytes()
        for length in (0, 10, len(whole) // 2, len(whole) - 1):
            path.write_bytes(whole[:length])
            with pytest.raises(UserError, match="damaged"):
                read_checkpoint(tmp_path / "model.ckpt")
        path.write_bytes(whole)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda record: record + number(1, 7), "of type 7"),
        (lambda record: record + number(5, 1 << 40), "bytes for shape"),
        (lambda record: record + number(4, 1 << 40), "reaches beyond"),
        (lambda record: record + number(3, 5), "bytes for shape"),
        (lambda record: record + message(7, b""), "slices"),
        (lambda record: record + message(2, message(2, number(1, 5))), "bytes for shape"),
        (lambda record: record + message(4, b"x"), "field 4"),
        (lambda record: record + b"\x80", "does not end"),
        (lambda record: record + varint(2 << 3 | 2) + varint(1 << 30), "beyond its message"),
        (lambda record: record + b"\x0b", "unknown kind 3"),
    ],
)
def test_records_that_lie_are_refused(
    tmp_path: Path, arrays: Arrays, change: Callable[[bytes], bytes], words: str
) -> None:
    write_checkpoint(tmp_path / "model.ckpt", arrays, change)
    with pytest.raises(UserError, match=words):
        read_checkpoint(tmp_path / "model.ckpt")


def test_tables_of_other_things_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.ckpt.index"
    for content, words in (
        (table([(b"name", b"")]), "no header"),
        (table([]), "no header"),
        (table([(b"", number(1, 1) + number(2, 1))]), "big-endian"),
        (table([(b"", number(1, 0))]), "0 data files"),
        (table([(b"", number(1, 1)), (b"b", b""), (b"a", b"")]), "not in order"),
        (table([(b"", number(1, 1)), (b"\xff", b"")]), "no text"),
        (table([(b"", number(1, 1))], kind=1), "compressed"),
    ):
        path.write_bytes(content)
        with pytest.raises(UserError, match=words):
            read_checkpoint(path)
