from pathlib import Path

import pytest

from data.errors import UserError
from data.formats.number_rows import line_of, read_number_rows, seems_rows

NAMES = (("frame", "fn"), ("left", "x"))


def written(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "a.txt"
    path.write_bytes(text.encode(encoding))
    return path


def rows(path: Path) -> list[list[float]]:
    return read_number_rows(path, "file of numbers", "frame,left", NAMES).tolist()


@pytest.mark.parametrize(
    "text",
    [
        "1,2.5\n2,3\n",
        "1, 2.5\r\n2, 3\r\n",
        "1,2.5\r2,3\r",
        "1,2.5,\n2,3,\n",
        "1,2.5,,\n2,3,,\n",
        "1;2.5\n2;3\n",
        "1;2,5\n2;3\n",
        "1;2,5;\n2;3;\n",
        "1\t2,5\n2\t3\n",
        "1\t2.5\t\n2\t3\t\n",
        "1 2,5\n2 3\n",
        "1   2.5\n2\t3",
        '"1","2.5"\n"2","3"\n',
        "sep=;\n1;2,5\n2;3\n",
        "# by a tracker\n1,2.5\n% half way\n2,3\n",
        "frame,left\n1,2.5\n2,3\n",
        "Frame;X\n1;2,5\n2;3\n",
        "fn x\n1 2,5\n2 3\n",
        "\n\n1,2.5\n\n2,3\n\n",
    ],
)
def test_spellings_of_the_same_numbers(tmp_path: Path, text: str) -> None:
    assert rows(written(tmp_path, text)) == [[1, 2.5], [2, 3]]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_encodings_of_the_same_numbers(tmp_path: Path, encoding: str) -> None:
    assert rows(written(tmp_path, "1,2.5\r\n2,3\r\n", encoding)) == [[1, 2.5], [2, 3]]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("1,2\n2\t3\n", 2),
        ("1;2,5\n2;1.234,5\n", 2),
        ("1\t2\n2\t\t3\n", 2),
        ("1,2\n,3\n", 2),
        ("1,2\n\n2,,3\n", 3),
        ("# a\n\nframe,left\n1,2\n2,x\n", 5),
        ("frame,left\nframe,left\n1,2\n", 2),
        ("1,2\nframe,left\n3,4\n", 2),
        ("1,2\n1_0,3\n", 2),
        ('1,2\n3,"4,5"\n', 2),
        ("1,2\n\u0663,4\n", 2),
    ],
)
def test_a_row_that_differs_is_named(tmp_path: Path, text: str, line: int) -> None:
    with pytest.raises(UserError, match=rf"a\.txt:{line}: "):
        rows(written(tmp_path, text))


def test_lines_of_rows_count_what_is_no_row(tmp_path: Path) -> None:
    path = written(tmp_path, "# a\n\nframe,left\n1,2\n\n3,4\n")
    assert [line_of(path, row) for row in (0, 1)] == [4, 6]


def test_names_of_other_columns_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a\.txt:1: column 2 is called 'right', where left is expected"):
        rows(written(tmp_path, "frame,right\n1,2\n"))
    path = written(tmp_path, "frame,left\n1,2\n")
    with pytest.raises(UserError, match="not a row of numbers"):
        read_number_rows(path, "file of numbers", "frame,left")


@pytest.mark.parametrize("text", ["", "\n \n", "# nothing\n", "frame,left\n", "\ufeff"])
def test_no_rows(tmp_path: Path, text: str) -> None:
    assert read_number_rows(written(tmp_path, text), "file of numbers", "frame,left", NAMES).shape == (0, 0)


@pytest.mark.parametrize(
    ("text", "seems"),
    [
        ("person\n1,2,3\n", True),
        ("1,2,x\n", True),
        ("1,None,3\n", True),
        ("", True),
        ("# nothing\n", True),
        ("person\ncar\n1 2\n", False),
        ("x,1,3\n", False),
        ("1,x,y\n", False),
        ("Boxes were made in 2 ways, by hand and by 3 detectors.\n", False),
    ],
)
def test_whether_a_file_seems_a_table(tmp_path: Path, text: str, seems: bool) -> None:
    assert seems_rows(written(tmp_path, text), 3) == seems


def test_what_is_no_text_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(bytes(range(128, 256)))
    assert not seems_rows(tmp_path / "a.txt", 1)


def test_text_in_another_encoding_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"fr\xe9q,left\n1,2\n")
    with pytest.raises(UserError, match=r"a\.txt is no text in UTF-8; save it as UTF-8"):
        rows(tmp_path / "a.txt")


def test_names_in_a_comment_are_looked_at_too(tmp_path: Path) -> None:
    names = (("frame",), ("id",), ("left", "x"))
    path = written(tmp_path, "# frame, id, right\n1,2,3\n")
    with pytest.raises(UserError, match=r"a\.txt:1: column 3 is called 'right', where left is expected"):
        read_number_rows(path, "file of numbers", "frame,id,left", names)
    for comment in ("#frame id x", "# made by a tracker", "# 3 frames of it"):
        path = written(tmp_path, f"{comment}\n1,2,3\n")
        assert read_number_rows(path, "file of numbers", "frame,id,left", names).tolist() == [[1, 2, 3]]
