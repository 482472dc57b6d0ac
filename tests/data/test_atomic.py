"""Files and folders appear whole or not at all, under one name while they are made."""

import os
from pathlib import Path
from typing import IO

import pytest

from data.atomic import open_atomic, put_in_place, replacing, replacing_folder, temporary_path, write_bytes, write_text


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def interrupted(stream: IO[str]) -> None:
    stream.write("half")
    raise KeyboardInterrupt


def made_twice(folder: Path) -> None:
    folder.mkdir()
    folder.mkdir()


def test_a_write_replaces_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text("a long old content")
    write_text(path, "neü")
    assert path.read_text(encoding="utf-8") == "neü"
    write_bytes(path, b"\x00\r\n")
    assert path.read_bytes() == b"\x00\r\n"
    assert names(tmp_path) == ["x.json"]


def test_missing_folders_are_made(tmp_path: Path) -> None:
    write_text(tmp_path / "a" / "b" / "x", "here")
    assert (tmp_path / "a" / "b" / "x").read_text() == "here"


def test_until_the_end_the_old_file_is_there(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("old")
    with open_atomic(path) as stream:
        stream.write("new")
        stream.flush()
        assert path.read_text() == "old"
        assert temporary_path(path).read_text() == "new"
    assert path.read_text() == "new"


def test_what_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), open_atomic(path) as stream:
        interrupted(stream)
    with pytest.raises(FileNotFoundError), replacing(path):
        pass
    assert path.read_text() == "old"
    assert names(tmp_path) == ["x"]


def test_what_a_killed_process_left_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "x"
    temporary_path(path).write_text("much longer than what comes")
    write_text(path, "new")
    assert path.read_text() == "new"
    assert names(tmp_path) == ["x"]


@pytest.mark.parametrize("durable", [True, False])
def test_a_durable_file_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durable: bool
) -> None:
    steps: list[str] = []
    fsync, replace = os.fsync, os.replace

    def note_fsync(descriptor: int) -> None:
        steps.append("folder" if os.path.isdir(f"/proc/self/fd/{descriptor}") else "file")
        fsync(descriptor)

    def note_replace(source: Path, target: Path) -> None:
        steps.append("name")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "replace", note_replace)
    write_text(tmp_path / "x", "new", durable=durable)
    assert steps == (["file", "name", "folder"] if durable else ["name"])


def test_a_file_made_by_others_is_put_in_place(tmp_path: Path) -> None:
    (tmp_path / "fetched").write_text("content")
    put_in_place(tmp_path / "fetched", tmp_path / "x")
    assert names(tmp_path) == ["x"]


def test_a_folder_appears_when_it_is_complete(tmp_path: Path) -> None:
    out = tmp_path / "site"
    (out / "old").mkdir(parents=True)
    (temporary_path(out) / "left by a killed process").mkdir(parents=True)
    with replacing_folder(out) as draft:
        assert names(draft) == []
        (draft / "new").mkdir()
        assert names(out) == ["old"]
    assert names(out) == ["new"]
    assert names(tmp_path) == ["site"]


def test_a_folder_that_fails_leaves_the_old_one(tmp_path: Path) -> None:
    out = tmp_path / "site"
    (out / "old").mkdir(parents=True)
    with pytest.raises(FileExistsError), replacing_folder(out) as draft:
        made_twice(draft / "new")
    assert names(out) == ["old"]
    assert names(tmp_path) == ["site"]
