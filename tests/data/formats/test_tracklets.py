import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import UserError
from data.formats.tracklets import read_tracklets, write_tracklets
from data.records import PartEmbeddings, Tracklet


def make(seed: int, length: int = 5, prototypes: int | None = 3, parts: int = 4, dim: int = 6, **changes) -> Tracklet:
    random = np.random.default_rng(seed)
    embeddings = None
    if prototypes is not None:
        embeddings = PartEmbeddings(
            vectors=random.normal(size=(prototypes, parts, dim)).astype(np.float16).astype(np.float32),
            visibility=random.uniform(size=(prototypes, parts)).astype(np.float32),
            part_names=tuple(f"part{number}" for number in range(parts)),
            part_kinds=("holistic", *["part"] * (parts - 1))[:parts],
            model_id=f"net-{seed}",
        )
    values = {
        "camera": f"cam{seed % 3}",
        "local_id": seed,
        "times_s": np.cumsum(random.uniform(0.01, 0.1, length)) + 1e9 / 3,
        "frames": np.arange(length) * 2,
        "boxes": random.uniform(0, 1000, (length, 4)).astype(np.float32),
        "scores": random.uniform(size=length).astype(np.float32),
        "keypoints": random.normal(size=(length, 17, 3)).astype(np.float32),
        "prototypes": embeddings,
        "prototype_rows": np.arange(prototypes or 0),
        "continues": seed - 1,
        "group_id": seed + 7,
        "world_xy": random.normal(size=(length, 2)).astype(np.float32),
        "world_cov": random.normal(size=(length, 2, 2)).astype(np.float32),
        "world_height": random.uniform(1.5, 2, length).astype(np.float32),
        "frame_size": (1920, 1080),
    }
    return Tracklet(**{**values, **changes})


def assert_same(a: object, b: object) -> None:
    assert type(a) is type(b)
    for column in fields(a):
        left, right = getattr(a, column.name), getattr(b, column.name)
        if isinstance(left, np.ndarray):
            assert left.dtype == right.dtype, column.name
            assert left.shape == right.shape, column.name
            np.testing.assert_array_equal(left, right, err_msg=column.name)
            assert right.flags.c_contiguous
        elif isinstance(left, PartEmbeddings):
            assert_same(left, right)
        else:
            assert left == right, column.name


def round_trip(path: Path, tracklets: list[Tracklet]) -> None:
    write_tracklets(path, tracklets)
    back = read_tracklets(path)
    assert len(back) == len(tracklets)
    for a, b in zip(tracklets, back, strict=True):
        assert_same(a, b)


def test_everything_comes_back(tmp_path):
    round_trip(tmp_path / "part.parquet", [make(3), make(0, length=1, prototypes=16), make(7, length=300)])


def test_absent_and_empty_fields(tmp_path):
    bare = Tracklet("c", 0, np.array([0.1]), np.array([3]), np.zeros((1, 4), np.float32), np.zeros(1, np.float32))
    none = make(1, keypoints=None, world_xy=None, world_cov=None, world_height=None, prototypes=None)
    empty = make(2, prototypes=0)
    no_rows = make(4, length=0, prototypes=0)
    round_trip(tmp_path / "part.parquet", [bare, none, empty, no_rows, make(5)])
    round_trip(tmp_path / "none.parquet", [])


def test_models_and_shapes_may_differ(tmp_path):
    round_trip(tmp_path / "p.parquet", [make(0, parts=1, dim=512), make(1, parts=7, dim=3), make(2, prototypes=None)])


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(st.integers(0, 10**6), st.integers(0, 6), st.none() | st.integers(0, 4), st.integers(1, 3)),
        max_size=5,
    )
)
def test_any_tracklets_come_back(tmp_path_factory, shapes):
    tracklets = [make(seed, length, count, parts) for seed, length, count, parts in shapes]
    round_trip(tmp_path_factory.mktemp("any") / "p.parquet", tracklets)


def test_vectors_are_rounded_to_half_precision(tmp_path):
    tracklet = make(0)
    object.__setattr__(tracklet.prototypes, "vectors", np.full((3, 4, 6), 1 / 3, np.float32))
    write_tracklets(tmp_path / "p.parquet", [tracklet])
    (back,) = read_tracklets(tmp_path / "p.parquet")
    assert back.prototypes.vectors.dtype == np.float32
    assert (back.prototypes.vectors == np.float32(np.float16(1 / 3))).all()


def test_same_tracklets_same_bytes_and_no_leftovers(tmp_path):
    a, b = tmp_path / "deep" / "a.parquet", tmp_path / "deep" / "b.parquet"
    write_tracklets(a, [make(n) for n in range(20)])
    write_tracklets(b, [make(n) for n in range(20)])
    assert a.read_bytes() == b.read_bytes()
    assert sorted(path.name for path in a.parent.iterdir()) == ["a.parquet", "b.parquet"]


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "p.parquet"
    write_tracklets(path, [make(0)])
    before = path.read_bytes()

    def fail(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(pq, "write_table", fail)
    with pytest.raises(OSError, match="disk full"):
        write_tracklets(path, [make(1)])
    assert path.read_bytes() == before


def test_outsiders_can_read_the_columns(tmp_path):
    write_tracklets(tmp_path / "p.parquet", [make(0, length=4)])
    row = pq.read_table(tmp_path / "p.parquet").to_pylist()[0]
    assert len(row["boxes"]) == 16
    assert row["model_id"] == "net-0"
    assert row["part_names"] == ["part0", "part1", "part2", "part3"]


def test_files_that_hold_no_tracklets(tmp_path):
    path = tmp_path / "p.parquet"
    with pytest.raises(UserError, match="no such tracklet file"):
        read_tracklets(path)
    path.write_bytes(b"PAR1 this is not parquet PAR1")
    with pytest.raises(UserError):
        read_tracklets(path)
    path.write_bytes(b"")
    with pytest.raises(UserError):
        read_tracklets(path)
    pq.write_table(pa.table({"a": [1, 2]}), path)
    with pytest.raises(UserError, match="holds no tracklets"):
        read_tracklets(path)
    pq.write_table(pa.table({"camera": ["a"]}).replace_schema_metadata({"mtmct_tracklets_version": "1"}), path)
    with pytest.raises(UserError, match="do not fit together"):
        read_tracklets(path)
    pq.write_table(pa.table({"camera": ["a"]}).replace_schema_metadata({"mtmct_tracklets_version": "99"}), path)
    with pytest.raises(UserError, match="version 99"):
        read_tracklets(path)


@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
def test_a_cut_off_file(tmp_path, share):
    path = tmp_path / "p.parquet"
    write_tracklets(path, [make(n) for n in range(5)])
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(UserError) as caught:
        read_tracklets(path)
    assert "\n" not in str(caught.value)


def test_columns_of_different_length(tmp_path):
    path = tmp_path / "p.parquet"
    write_tracklets(path, [make(0)])
    table = pq.read_table(path)
    column = table.schema.get_field_index("scores")
    pq.write_table(
        table.set_column(column, table.schema.field(column), pa.array([[0.5]], pa.list_(pa.float32()))), path
    )
    with pytest.raises(UserError, match="do not fit together"):
        read_tracklets(path)


def test_files_from_before_heights_were_kept(tmp_path):
    path = tmp_path / "p.parquet"
    write_tracklets(path, [make(0)])
    pq.write_table(pq.read_table(path).drop_columns(["world_height"]), path)
    (back,) = read_tracklets(path)
    assert back.world_height is None
    np.testing.assert_array_equal(back.world_xy, make(0).world_xy)


def test_to_read_them_loads_no_library_of_tables(tmp_path):
    """Whatever looks at a run reads tracklets first: pandas and the reader of data sets take longer than the rest."""
    write_tracklets(tmp_path / "t.parquet", [make(3)])
    told = (
        "import sys\nfrom pathlib import Path\nfrom data.formats.tracklets import read_tracklets\n"
        f"assert len(read_tracklets(Path({str(tmp_path / 't.parquet')!r}))) == 1\n"
        "print([name for name in ('pandas', 'pyarrow.dataset') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
