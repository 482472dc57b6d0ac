"""Results as JSON."""

import json
import os
import threading
from pathlib import Path

import pytest

from data.errors import UserError
from tools.result_file import write_result


def test_a_result_reads_back_and_may_go_to_standard_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree = {"name": "Straße", "scores": [0.5, None]}
    write_result(tmp_path / "a.json", tree)
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(text) == tree
    assert "Straße" in text
    write_result(Path("-"), tree)
    assert capsys.readouterr().out == text


def test_numbers_that_are_not_finite_are_null_as_json_knows_none(tmp_path: Path) -> None:
    write_result(tmp_path / "a.json", {"hota": float("nan"), "rows": [(1.5, float("inf")), {"count": 3}]})
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(text, parse_constant=pytest.fail) == {"hota": None, "rows": [[1.5, None], {"count": 3}]}


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe, found = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: found.append(pipe.read_text()))
    reader.start()
    write_result(pipe, [1])
    reader.join()
    assert json.loads(found[0]) == [1]
    assert pipe.is_fifo()


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"absent/a\.json cannot be written: there is no folder "):
        write_result(tmp_path / "absent" / "a.json", {})
    assert not (tmp_path / "absent").exists()
    (tmp_path / "a.json").mkdir()
    with pytest.raises(UserError, match=r"a\.json cannot be written: Is a directory; give another file"):
        write_result(tmp_path / "a.json", {})
