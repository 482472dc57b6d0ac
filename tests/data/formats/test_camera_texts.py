import logging
from pathlib import Path

import pytest

from data.errors import UserError
from data.formats.camera_texts import camera_texts

ROW = "1,1,10,20,30,40,0.9\n"


def put(path: Path, text: str = ROW) -> None:
    path.write_text(text)


def test_files_without_a_row_are_passed_over_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    put(tmp_path / "c1.txt")
    put(tmp_path / "c2.TXT", "frame,id,x,y,w,h,score\n" + ROW)
    put(tmp_path / "nobody.txt", "")
    put(tmp_path / "broken.txt", "1,1,x,20,30,40,0.9\n")
    for name, text in (("classes", "person\ncar\n"), ("README", "Made by 2 people, see the 3 notes, etc, a, b.\n")):
        put(tmp_path / f"{name}.txt", text)
    put(tmp_path / "._c1.txt", "\0\5\26\7")
    put(tmp_path / "c1.csv")
    with caplog.at_level(logging.WARNING):
        assert sorted(camera_texts(tmp_path)) == ["broken", "c1", "c2", "nobody"]
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2
    assert all("holds no row of 6 or more numbers and is passed over" in line for line in told)
    assert "README.txt" in told[0]
    assert "classes.txt" in told[1]


def test_two_files_of_one_camera_are_refused(tmp_path: Path) -> None:
    put(tmp_path / "c1.txt")
    put(tmp_path / "c1.TXT")
    if len(list(tmp_path.iterdir())) == 1:
        pytest.skip("this file system does not tell them apart")
    with pytest.raises(UserError, match="both called 'c1'"):
        camera_texts(tmp_path)
