from pathlib import Path

import numpy as np
import pytest

from data.errors import UserError
from data.formats.world import (
    COLUMNS,
    WorldPaths,
    read_world_mot,
    read_world_paths,
    write_world_paths,
)

HEADER = ",".join(COLUMNS)


def some_paths(count: int = 50) -> WorldPaths:
    rng = np.random.default_rng(4)
    factor = rng.normal(0, 0.2, (count, 2, 2))
    heights = np.where(rng.random(count) < 0.3, np.nan, rng.uniform(1.5, 2.0, count))
    return WorldPaths.make(
        rng.permutation(count) // 5 * 0.25,
        np.arange(count),
        rng.uniform(-20, 20, (count, 2)),
        factor @ factor.transpose(0, 2, 1),
        heights,
    )


def test_paths_come_back_sorted(tmp_path: Path) -> None:
    paths = some_paths()
    write_world_paths(tmp_path / "hall.csv", paths)
    back = read_world_paths(tmp_path / "hall.csv")
    order = np.lexsort((back.ids, back.times_s))
    np.testing.assert_array_equal(order, np.arange(len(back)))
    np.testing.assert_array_equal(back.ids, paths.ids)
    np.testing.assert_allclose(back.times_s, paths.times_s, atol=1e-6)
    np.testing.assert_allclose(back.xy, paths.xy, atol=1e-4)
    np.testing.assert_allclose(back.cov, paths.cov, atol=1e-6)
    np.testing.assert_allclose(back.heights, paths.heights, atol=1e-4)
    assert np.isnan(back.heights).any()


def test_same_paths_same_bytes_and_no_leftovers(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_world_paths(tmp_path / f"{name}.csv", some_paths())
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "b.csv"]


def test_nobody(tmp_path: Path) -> None:
    write_world_paths(tmp_path / "hall.csv", WorldPaths.empty())
    assert (tmp_path / "hall.csv").read_text() == HEADER + "\n"
    assert len(read_world_paths(tmp_path / "hall.csv")) == 0


def test_negative_zero_has_one_text(tmp_path: Path) -> None:
    write_world_paths(tmp_path / "hall.csv", WorldPaths.make([0.0], [0], [[-1e-9, 0]], np.zeros((1, 2, 2)), [np.nan]))
    assert (tmp_path / "hall.csv").read_text().splitlines()[1] == "0.000000,0,0.0000,0.0000,0.000001,0.000000,0.000001,"


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("0.0,1,2.0,3.0,1,0,1", "world.csv:3: 7 columns, where 8 are expected"),
        ("0.0,1,2.0,east,1,0,1,1.7", "world.csv:3: not a row of numbers"),
        ("0.0,1,nan,3.0,1,0,1,1.7", "world.csv:3: the row is not finite"),
        ("0.0,1,2.0,3.0,1,0,1,inf", "world.csv:3: the row is not finite"),
        ("0.0,-1,2.0,3.0,1,0,1,1.7", "id that is no whole number from 0"),
        ("0.0,1.5,2.0,3.0,1,0,1,1.7", "id that is no whole number from 0"),
        ("0.0,1,2.0,3.0,-1,0,1,1.7", "negative variance"),
        ("0.5,7,2.0,3.0,1,0,1,1.7", "gives an id twice at one time"),
    ],
)
def test_broken_paths(tmp_path: Path, line: str, complaint: str) -> None:
    path = tmp_path / "world.csv"
    path.write_text(f"{HEADER}\n0.5,7,1.0,1.0,1,0,1,\n{line}\n")
    with pytest.raises(UserError) as caught:
        read_world_paths(path)
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_are_no_paths(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot read the places"):
        read_world_paths(tmp_path / "absent.csv")
    (tmp_path / "tracks.txt").write_text("1,1,0,0,5,5,1,-1,-1,-1\n")
    with pytest.raises(UserError, match="the first line must be time_s,id"):
        read_world_paths(tmp_path / "tracks.txt")
    (tmp_path / "picture.csv").write_bytes(b"\xff\xfe\xfa\x00\x80")
    with pytest.raises(UserError, match="is no text in UTF-8"):
        read_world_paths(tmp_path / "picture.csv")


def test_truth_in_metres(tmp_path: Path) -> None:
    path = tmp_path / "world.txt"
    path.write_text("2,0,-1,-1,-1,-1,1,-3.0,4.5\n\n1,7,-1,-1,-1,-1,0,1,2\n")
    table = read_world_mot(path)
    np.testing.assert_array_equal(table.frames, [0, 1])
    np.testing.assert_array_equal(table.ids, [7, 0])
    np.testing.assert_array_equal(table.xy, [[1, 2], [-3, 4.5]])
    np.testing.assert_array_equal(table.flags, [False, True])
    for line, complaint in (
        ("0,1,-1,-1,-1,-1,1,1,2", "world.txt:4: the row has a frame"),
        ("1,1,-1,-1,-1,-1,1,1", "8 columns, where the rows above have 9"),
        ("2,0,-1,-1,-1,-1,1,1,2", "twice in one frame"),
        ("2,3,-1,-1,-1,-1,1,nan,2", "not finite"),
    ):
        path.write_text("2,0,-1,-1,-1,-1,1,-3.0,4.5\n\n1,7,-1,-1,-1,-1,0,1,2\n" + line + "\n")
        with pytest.raises(UserError, match=complaint):
            read_world_mot(path)


def test_places_may_be_written_as_other_tables(tmp_path: Path) -> None:
    path = tmp_path / "hall.txt"
    path.write_text("\ufeff# places\r\n\r\n3;7;-1;-1;-1;-1;1;2,5;-1,25\r\n")
    table = read_world_mot(path)
    assert (table.frames.tolist(), table.ids.tolist(), table.xy.tolist()) == ([2], [7], [[2.5, -1.25]])
    path.write_text("1,4,-1,-1,-1,-1,1,2\n")
    with pytest.raises(UserError, match=r"hall\.txt:1: 8 columns, where 9 are expected"):
        read_world_mot(path)
    path.write_text("# nobody\n")
    assert len(read_world_mot(path)) == 0
    path.write_text("\n1 4 -1 -1 -1 -1 1 2 3\n\n1 4 -1 -1 -1 -1 1 2 3\n")
    with pytest.raises(UserError, match=r"hall\.txt:4: the row gives an id twice in one frame"):
        read_world_mot(path)
