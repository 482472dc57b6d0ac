import os

import pytest

from data.errors import UserError
from data.listing import by_stem, is_empty, is_hidden, listed

HIDDEN = [".DS_Store", "._c1.txt", ".c2.txt", "__MACOSX/c3.txt", ".git/c4.txt"]


@pytest.fixture
def folder(tmp_path):
    for name in ["b.txt", "a.txt", "C.TXT", "a.json", "deep/x/gt/gt.txt", "deep/y/gt/gt.txt", *HIDDEN]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "deep" / "._x").mkdir()
    return tmp_path


def names(folder, *patterns):
    return [path.relative_to(folder).as_posix() for path in listed(folder, *patterns)]


def test_hidden_files_and_folders_are_passed_over_at_every_depth(folder):
    assert names(folder, "*") == ["C.TXT", "a.json", "a.txt", "b.txt", "deep"]
    assert names(folder, "*/*.txt") == []
    assert names(folder, "*/*/gt/gt.txt") == ["deep/x/gt/gt.txt", "deep/y/gt/gt.txt"]
    assert names(folder, "**/gt.txt") == ["deep/x/gt/gt.txt", "deep/y/gt/gt.txt"]
    everything = names(folder, "**/*")
    assert len(everything) == 11
    assert not any(is_hidden(path) for one in everything for path in [folder / one])


def test_endings_are_compared_without_case_and_names_with_it(folder):
    assert names(folder, "*.txt") == ["C.TXT", "a.txt", "b.txt"]
    assert names(folder, "c*.txt") == []
    assert names(folder, "A.txt") == []


def test_several_patterns_give_each_file_once(folder):
    assert names(folder, "a.*", "*.json", "nothing/*") == ["a.json", "a.txt"]


def test_a_hidden_folder_may_itself_be_given(folder):
    assert names(folder / ".git", "*.txt") == ["c4.txt"]


def test_no_folder_lists_nothing(tmp_path):
    (tmp_path / "file").touch()
    assert listed(tmp_path / "gone", "*") == listed(tmp_path / "file", "*") == listed(tmp_path / "file", "*/*") == []


def test_links_to_folders_are_no_endless_tree(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "p.txt").touch()
    (tmp_path / "a" / "round").symlink_to(tmp_path)
    assert names(tmp_path, "**/*.txt") == ["a/p.txt"]
    assert names(tmp_path, "a/round/a/*.txt") == ["a/round/a/p.txt"]


def test_a_folder_that_may_not_be_read_is_one_line(tmp_path, monkeypatch):
    def refuse(place):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(UserError, match=r"cannot list .*Permission denied"):
        listed(tmp_path, "*.txt")


def test_files_of_one_name_are_told(folder):
    assert list(by_stem(listed(folder, "*.txt"))) == ["C", "a", "b"]
    (folder / "a.TXT").touch()
    with pytest.raises(UserError, match=r"both called 'a'"):
        by_stem(listed(folder, "*.txt"))


def test_a_folder_of_hidden_files_is_empty(folder):
    assert is_empty(folder / "deep" / "._x")
    assert not is_empty(folder)
    (folder / "only").mkdir()
    (folder / "only" / ".DS_Store").touch()
    assert is_empty(folder / "only")
    assert is_empty(folder / "gone")
