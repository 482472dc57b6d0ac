"""Ways in which a file can be damaged."""

import io
import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ZIP, _NPY, _PARQUET = b"PK\x03\x04", b"\x93NUMPY", b"PAR1"

_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_ODD_TEXTS = (
    b"nan", b"-inf", b"1e999", b"-1", b"0", b"99999999999999999999", b"", b"null", b"true", b"[]", b"{}", b'"x"',
    b"1.5", b"\xff", b"\x00", b",,", b"../../x",
)  # fmt: skip
_ODD_VALUES: tuple[Any, ...] = (
    None, True, -1, 1.5, 1e308, 2**70, "", "../../x", "x" * 1000, [], {}, [None], {"a": None}, "nan", "\x00", [[]],
)  # fmt: skip


def mutate(content: bytes, draw: np.random.Generator) -> bytes:
    """A damaged copy; which damage and where is drawn.

    Args:
        content: of a sound file.
        draw: the only source of chance.
    """
    ways: list[Callable[[bytes, np.random.Generator], bytes]] = [_flip, _cut, _repeat, _drop, _fill, _numbers]
    if content.startswith(_NPY) or (content.startswith(_ZIP) and b".npy" in content[:64]):
        ways += [_arrays] * 12
    elif content.startswith(_PARQUET):
        ways += [_columns] * 12
    elif _json(content) is not None:
        ways += [_values] * 4
    return ways[int(draw.integers(len(ways)))](content, draw)


def _json(content: bytes) -> Any:
    """The tree of a JSON file, or the trees of a file of JSON lines; None for anything else."""
    try:
        return json.loads(content)
    except ValueError:
        pass
    try:
        lines = [json.loads(line) for line in content.splitlines()]
    except ValueError:
        return None
    return ("lines", lines) if lines else None


def _place(content: bytes, draw: np.random.Generator) -> int:
    return int(draw.integers(max(len(content), 1)))


def _flip(content: bytes, draw: np.random.Generator) -> bytes:
    result = bytearray(content)
    for _ in range(int(draw.integers(1, 9))):
        if result:
            result[_place(content, draw)] ^= 1 << int(draw.integers(8))
    return bytes(result)


def _cut(content: bytes, draw: np.random.Generator) -> bytes:
    return content[: _place(content, draw)]


def _repeat(content: bytes, draw: np.random.Generator) -> bytes:
    start, end = sorted((_place(content, draw), _place(content, draw)))
    return content[:end] + content[start:end] + content[end:]


def _drop(content: bytes, draw: np.random.Generator) -> bytes:
    start, end = sorted((_place(content, draw), _place(content, draw)))
    return content[:start] + content[end:]


def _fill(content: bytes, draw: np.random.Generator) -> bytes:
    start, length = _place(content, draw), int(draw.integers(1, 17))
    return content[:start] + bytes([int(draw.choice([0, 255, 127, 32]))]) * length + content[start + length :]


def _numbers(content: bytes, draw: np.random.Generator) -> bytes:
    """Put something odd in place of a number of a text."""
    found = list(_NUMBER.finditer(content))
    if not found:
        return _flip(content, draw)
    where = found[int(draw.integers(len(found)))]
    return content[: where.start()] + _ODD_TEXTS[int(draw.integers(len(_ODD_TEXTS)))] + content[where.end() :]


def _values(content: bytes, draw: np.random.Generator) -> bytes:
    """Put an odd value in place of one somewhere in a tree, or leave it out."""
    tree = _json(content)
    lines = isinstance(tree, tuple)
    changed = _changed(tree[1] if lines else tree, draw)
    if lines and isinstance(changed, list):
        return "".join(json.dumps(line) + "\n" for line in changed).encode()
    return json.dumps(changed).encode()


def _changed(node: Any, draw: np.random.Generator) -> Any:
    stop = draw.random() < 0.25
    if stop or not isinstance(node, dict | list) or not node:
        return _ODD_VALUES[int(draw.integers(len(_ODD_VALUES)))]
    keys = list(node) if isinstance(node, dict) else list(range(len(node)))
    key = keys[int(draw.integers(len(keys)))]
    copy = node.copy()
    if draw.random() < 0.1:
        del copy[key]
    else:
        copy[key] = _changed(node[key], draw)
    return copy


def _arrays(content: bytes, draw: np.random.Generator) -> bytes:
    """Sound files of arrays, one of which is not what it should be."""
    stream = io.BytesIO()
    if content.startswith(_NPY):
        np.save(stream, _odd_array(np.load(io.BytesIO(content)), draw))
        return stream.getvalue()
    with np.load(io.BytesIO(content)) as archive:
        arrays = {name: archive[name] for name in archive.files}
    name = sorted(arrays)[int(draw.integers(len(arrays)))]
    if draw.random() < 0.1:
        del arrays[name]
    else:
        arrays[name] = _odd_array(arrays[name], draw)
    np.savez(stream, **arrays)
    return stream.getvalue()


def _odd_array(array: NDArray[Any], draw: np.random.Generator) -> NDArray[Any]:
    way = int(draw.integers(8))
    if way == 0:
        return array.astype("U8")
    if way == 1:
        return np.asarray(array, array.dtype)[None]
    if way == 2:
        return array.ravel()
    if way == 3:
        return array[:-1] if array.ndim and len(array) else np.zeros((0,), array.dtype)
    if way == 4:
        return np.zeros((0, 0), array.dtype)
    if way == 5:
        return np.zeros(array.shape, np.dtype(["?", "c8", "M8[s]", "u1", "f2", "S3"][int(draw.integers(6))]))
    changed = array.copy() if array.dtype.kind in "fiu" else np.zeros(array.shape)
    if changed.size:
        place = tuple(int(draw.integers(side)) for side in changed.shape)
        odd = [np.nan, np.inf, -1, 2**62, 1e308, 0][int(draw.integers(6))]
        with np.errstate(all="ignore"):
            changed = changed.astype(np.float64) if not np.isfinite(odd) or abs(odd) > 2**62 else changed
            changed[place] = odd
    return changed


def _columns(content: bytes, draw: np.random.Generator) -> bytes:
    """A sound table, one column of which is not what it should be."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(io.BytesIO(content))
    names = table.schema.names
    place = int(draw.integers(len(names)))
    column = table.column(place).combine_chunks()
    way, rows = int(draw.integers(6)), table.num_rows
    if way == 0:
        table = table.remove_column(place)
    elif way == 1:
        table = table.set_column(place, names[place], pa.nulls(rows, column.type))
    elif way == 2:
        table = table.set_column(place, names[place], pa.array(["../../x"] * rows))
    elif way == 3:
        table = table.set_column(place, names[place], pa.array(np.arange(rows)))
    elif way == 4:
        table = table.set_column(place, names[place], column.take(pa.array(np.arange(rows)[::-1])))
    else:
        values = column.to_pylist()
        row = int(draw.integers(max(rows, 1)))
        if isinstance(values[row], list) and values[row]:
            spot = int(draw.integers(len(values[row])))
            values[row] = [None, *values[row][:spot], *values[row][spot + 1 :]][int(draw.integers(2)) :]
        elif isinstance(values[row], int):
            values[row] = [-1, 2**31 - 1, None][int(draw.integers(3))]
        else:
            values[row] = None
        table = table.set_column(place, table.schema.field(place), pa.array(values, column.type))
    stream = io.BytesIO()
    pq.write_table(table, stream)
    return stream.getvalue()
