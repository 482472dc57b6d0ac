"""Tracklets in Parquet: one row per tracklet, what runs along its frames in list columns.

| column | type | meaning |
|---|---|---|
| camera, local_id | string, int64 | key of the tracklet |
| continues, group_id | int64 | must-links, -1 = none |
| frame_width, frame_height | int32 | pixels, 0 = unknown |
| times_s, frames, scores | list of T | source seconds, frame index from 0, score 0-1 |
| boxes | list of 4 T | x1 y1 x2 y2 px of each row in turn |
| keypoints | list of 17 x 3 T or null | x px, y px, confidence |
| world_xy, world_cov, world_height | list of 2 T, 4 T, T or null | metres, square metres, metres |
| model_id | string or null | null: no prototypes |
| part_names, part_kinds | list of P or null | |
| vector_size | int32 or null | D |
| prototype_rows | list of G | row each prototype was taken from |
| vectors | list of G P D or null | float16, unit length per part |
| visibility | list of G P or null | 0-1 |
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.atomic import open_atomic
from data.errors import UserError
from data.foreign import ARRAY_BYTES, check_file, limit
from data.names import is_plain_name
from data.records import PartEmbeddings, Tracklet

_VERSION = 1
_VERSION_KEY = b"mtmct_tracklets_version"
_KEYPOINTS = 17
# Absent from files that were written before the column was.
_LATER_COLUMNS = ("world_height",)
_REPEATED = ["camera", "model_id", "part_names.list.element", "part_kinds.list.element"]


def write_tracklets(path: Path, tracklets: Sequence[Tracklet]) -> None:
    """Write tracklets durably: a reader or a crash sees the old file or the whole new one.

    The same tracklets always give the same bytes. Prototype vectors are stored as float16.

    Args:
        path: the file; its folder is made where it is missing.
        tracklets: any number, also none.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table(_columns(tracklets), schema=_schema())
    with open_atomic(path, "wb") as stream:
        pq.write_table(table, stream, compression="snappy", use_dictionary=_REPEATED)


def read_tracklets(path: Path) -> list[Tracklet]:
    """Read what ``write_tracklets`` wrote, in the same order; prototype vectors come as float32.

    Raises:
        UserError: for a file that is missing, damaged, of another kind or of a newer version.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.exists():
        raise UserError(f"{path}: there is no such tracklet file")
    check_file(path, ARRAY_BYTES)
    try:
        described = pq.read_metadata(path)
        unpacked = sum(described.row_group(number).total_byte_size for number in range(described.num_row_groups))
        if unpacked > limit(ARRAY_BYTES):
            raise UserError(f"{path} unpacks to {unpacked >> 20} MiB: no run wrote that")
        # Not read_table: it loads the reader of whole data sets, and pandas with it.
        with pq.ParquetFile(path, memory_map=False) as file:
            table = file.read()
    except OSError as error:
        raise UserError(
            f"{path} is damaged ({_one_line(error)}); delete it and go on with `python -m pipeline.run --resume`"
        ) from None
    except (pa.ArrowException, MemoryError, ValueError, OverflowError) as error:
        raise UserError(f"{path} is not a readable Parquet file ({_one_line(error)})") from None
    version = (table.schema.metadata or {}).get(_VERSION_KEY)
    if version is None:
        raise UserError(f"{path} is a Parquet file but holds no tracklets; give the tracklets of a run")
    if version != str(_VERSION).encode():
        raise UserError(f"{path} was written by another version of this program (tracklets version {version.decode()})")
    try:
        return _tracklets(_Columns(table))
    except (KeyError, ValueError, TypeError, AttributeError, OverflowError) as error:
        raise UserError(f"{path} is damaged: its columns do not fit together ({_one_line(error)})") from None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:160]


def _schema() -> Any:
    import pyarrow as pa

    fields = [
        ("camera", pa.string()),
        ("local_id", pa.int64()),
        ("continues", pa.int64()),
        ("group_id", pa.int64()),
        ("frame_width", pa.int32()),
        ("frame_height", pa.int32()),
        ("times_s", pa.list_(pa.float64())),
        ("frames", pa.list_(pa.int64())),
        ("boxes", pa.list_(pa.float32())),
        ("scores", pa.list_(pa.float32())),
        ("keypoints", pa.list_(pa.float32())),
        ("world_xy", pa.list_(pa.float32())),
        ("world_cov", pa.list_(pa.float32())),
        ("world_height", pa.list_(pa.float32())),
        ("model_id", pa.string()),
        ("part_names", pa.list_(pa.string())),
        ("part_kinds", pa.list_(pa.string())),
        ("vector_size", pa.int32()),
        ("prototype_rows", pa.list_(pa.int64())),
        ("vectors", pa.list_(pa.float16())),
        ("visibility", pa.list_(pa.float32())),
    ]
    return pa.schema(fields, metadata={_VERSION_KEY: str(_VERSION).encode()})


def _columns(tracklets: Sequence[Tracklet]) -> dict[str, Any]:
    import pyarrow as pa

    def numbers(get: Callable[[Tracklet], Any], dtype: Any) -> Any:
        return _list_array([get(tracklet) for tracklet in tracklets], dtype)

    def of_parts(get: Callable[[PartEmbeddings], Any]) -> list[Any]:
        return [None if one.prototypes is None else get(one.prototypes) for one in tracklets]

    return {
        "camera": pa.array([one.camera for one in tracklets], pa.string()),
        "local_id": pa.array([one.local_id for one in tracklets], pa.int64()),
        "continues": pa.array([one.continues for one in tracklets], pa.int64()),
        "group_id": pa.array([one.group_id for one in tracklets], pa.int64()),
        "frame_width": pa.array([one.frame_size[0] for one in tracklets], pa.int32()),
        "frame_height": pa.array([one.frame_size[1] for one in tracklets], pa.int32()),
        "times_s": numbers(lambda one: one.times_s, np.float64),
        "frames": numbers(lambda one: one.frames, np.int64),
        "boxes": numbers(lambda one: one.boxes, np.float32),
        "scores": numbers(lambda one: one.scores, np.float32),
        "keypoints": numbers(lambda one: one.keypoints, np.float32),
        "world_xy": numbers(lambda one: one.world_xy, np.float32),
        "world_cov": numbers(lambda one: one.world_cov, np.float32),
        "world_height": numbers(lambda one: one.world_height, np.float32),
        "model_id": pa.array(of_parts(lambda parts: parts.model_id), pa.string()),
        "part_names": pa.array(of_parts(lambda parts: list(parts.part_names)), pa.list_(pa.string())),
        "part_kinds": pa.array(of_parts(lambda parts: list(parts.part_kinds)), pa.list_(pa.string())),
        "vector_size": pa.array(of_parts(lambda parts: parts.vectors.shape[2]), pa.int32()),
        "prototype_rows": numbers(lambda one: one.prototype_rows, np.int64),
        "vectors": _list_array(of_parts(lambda parts: parts.vectors), np.float16),
        "visibility": _list_array(of_parts(lambda parts: parts.visibility), np.float32),
    }


def _list_array(values: Sequence[NDArray[Any] | None], dtype: Any) -> Any:
    """A list column from one array per row, flattened; None becomes null."""
    import pyarrow as pa

    flat = [np.zeros(0, dtype) if value is None else np.asarray(value, dtype).ravel() for value in values]
    offsets = np.concatenate([[0], np.cumsum([len(one) for one in flat], dtype=np.int64)])
    content = pa.array(np.concatenate([np.zeros(0, dtype), *flat]))
    absent = np.array([value is None for value in values], bool)
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), content, mask=pa.array(absent))


class _Columns:
    """Columns of a table by name; list columns as one array per row."""

    def __init__(self, table: Any) -> None:
        self._table, self.count = table, table.num_rows

    def plain(self, name: str) -> list[Any]:
        return list(self._table.column(name).to_pylist())

    def lists(self, name: str, dtype: Any) -> list[NDArray[Any] | None]:
        if name in _LATER_COLUMNS and name not in self._table.column_names:
            return [None] * self.count
        column = self._table.column(name).combine_chunks()
        # Not to_numpy: it loads pandas.
        offsets, content = np.from_dlpack(column.offsets), np.from_dlpack(column.values)
        if content.dtype != dtype:
            raise ValueError(f"column {name} is {content.dtype}")
        valid = column.is_valid().to_pylist()
        # A copy of each row's slice: a tracklet that is kept must not keep the whole file in memory.
        return [
            content[start:stop].copy() if there else None
            for start, stop, there in zip(offsets[:-1], offsets[1:], valid, strict=True)
        ]


def _tracklets(columns: _Columns) -> list[Tracklet]:
    plain = {
        name: columns.plain(name)
        for name in ("camera", "local_id", "continues", "group_id", "frame_width", "frame_height")
    }
    times, frames = columns.lists("times_s", np.float64), columns.lists("frames", np.int64)
    boxes, scores = columns.lists("boxes", np.float32), columns.lists("scores", np.float32)
    keypoints = columns.lists("keypoints", np.float32)
    world_xy, world_cov = columns.lists("world_xy", np.float32), columns.lists("world_cov", np.float32)
    world_height = columns.lists("world_height", np.float32)
    rows = columns.lists("prototype_rows", np.int64)
    prototypes = _prototypes(columns)
    found = []
    for row in range(columns.count):
        _check_names(plain, row)
        length = len(_shaped(times[row], (-1,)))
        found.append(
            Tracklet(
                camera=plain["camera"][row],
                local_id=plain["local_id"][row],
                times_s=_shaped(times[row], (length,)),
                frames=_shaped(frames[row], (length,)),
                boxes=_shaped(boxes[row], (length, 4)),
                scores=_shaped(scores[row], (length,)),
                keypoints=_maybe(keypoints[row], (length, _KEYPOINTS, 3)),
                prototypes=prototypes[row],
                prototype_rows=_shaped(rows[row], (-1,)),
                continues=plain["continues"][row],
                group_id=plain["group_id"][row],
                world_xy=_maybe(world_xy[row], (length, 2)),
                world_cov=_maybe(world_cov[row], (length, 2, 2)),
                world_height=_maybe(world_height[row], (length,)),
                frame_size=(plain["frame_width"][row], plain["frame_height"][row]),
            )
        )
    return found


def _check_names(plain: Mapping[str, Sequence[Any]], row: int) -> None:
    """A camera's name ends up in paths, and the numbers are always there."""
    if not is_plain_name(plain["camera"][row]):
        raise ValueError(f"{plain['camera'][row]!r} cannot name a camera")
    for name, values in plain.items():
        if name != "camera" and not isinstance(values[row], int):
            raise ValueError(f"{name} is {values[row]!r}")


def _prototypes(columns: _Columns) -> list[PartEmbeddings | None]:
    models, sizes = columns.plain("model_id"), columns.plain("vector_size")
    names, kinds = columns.plain("part_names"), columns.plain("part_kinds")
    vectors, visibility = columns.lists("vectors", np.float16), columns.lists("visibility", np.float32)
    rows = columns.lists("prototype_rows", np.int64)
    found: list[PartEmbeddings | None] = []
    for row, model in enumerate(models):
        if model is None:
            found.append(None)
            continue
        parts = len(names[row])
        count = len(_shaped(visibility[row], (-1,))) // parts if parts else len(_shaped(rows[row], (-1,)))
        found.append(
            PartEmbeddings(
                vectors=_shaped(vectors[row], (count, parts, sizes[row])).astype(np.float32),
                visibility=_shaped(visibility[row], (count, parts)),
                part_names=tuple(names[row]),
                part_kinds=tuple(kinds[row]),
                model_id=model,
            )
        )
    return found


def _maybe(values: NDArray[Any] | None, shape: tuple[int, ...]) -> Any:
    return None if values is None else _shaped(values, shape)


def _shaped(values: NDArray[Any] | None, shape: tuple[int, ...]) -> NDArray[Any]:
    if values is None:
        raise ValueError("a column is empty where it must not be")
    return values.reshape(shape)
