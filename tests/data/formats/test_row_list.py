"""Rows named on a command line."""

import numpy as np
import pytest

from data.errors import UserError
from data.formats.row_list import read_rows


def test_ranges_and_files_name_rows(tmp_path):
    assert read_rows("2:4", 9, "rows").tolist() == [2, 3]
    assert read_rows(":2", 9, "rows").tolist() == [0, 1]
    assert read_rows("7:", 9, "rows").tolist() == [7, 8]
    (tmp_path / "rows.txt").write_text("3, 1\n8\n")
    assert read_rows(str(tmp_path / "rows.txt"), 9, "rows").tolist() == [3, 1, 8]
    np.save(tmp_path / "rows.npy", np.array([5, 2], np.int32))
    assert read_rows(str(tmp_path / "rows.npy"), 9, "rows").tolist() == [5, 2]
    np.save(tmp_path / "mask.npy", np.arange(9) % 4 == 0)
    assert read_rows(str(tmp_path / "mask.npy"), 9, "rows").tolist() == [0, 4, 8]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1 2 x", "'x' is no row number"),
        ("1 -2", "'-2' is no row number"),
        ("1 9", "row 9 is none of the 9"),
        ("1 2 1", "1 rows are named twice"),
        ("", "names no row"),
        (np.array([0.5, 1]), "row numbers, or 9 truth values, not float64"),
        (np.ones(5, bool), "9 truth values, not bool"),
        (np.array([-1]), "row -1 is none"),
    ],
)
def test_wrong_files_are_told(tmp_path, content, message):
    path = tmp_path / ("rows.txt" if isinstance(content, str) else "rows.npy")
    path.write_text(content) if isinstance(content, str) else np.save(path, content)
    with pytest.raises(UserError, match=message):
        read_rows(str(path), 9, "rows")


@pytest.mark.parametrize(("text", "message"), [("4:4", "no row"), ("0:10", "only 9 rows"), ("absent", "cannot read")])
def test_wrong_ranges_are_told(text, message):
    with pytest.raises(UserError, match=message):
        read_rows(text, 9, "rows")
