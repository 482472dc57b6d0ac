"""Files of the cache are told from damaged ones, and processes that share it do not write what another reads."""

from pathlib import Path

import pytest

from data.runtime.seals import is_whole, own_view, seal


def test_a_damaged_seal_is_made_anew_with_its_file(tmp_path: Path) -> None:
    kept = tmp_path / "a.blob"
    for damage in (b"garbage", b"\xff\xfe\x00", b""):
        kept.write_bytes(b"old")
        kept.with_name("a.blob.crc32").write_bytes(damage)
        with own_view(tmp_path) as own:
            assert own is not None
            assert not list(own.iterdir())
            (own / "a.blob").write_bytes(b"new")
        assert (kept.read_bytes(), is_whole(kept)) == (b"new", True)


def test_of_processes_that_share_a_cache_none_sees_what_another_is_writing(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    with own_view(cache) as first, own_view(cache) as second:
        assert first is not None
        assert second is not None
        (first / "a.blob").write_bytes(b"whole")
        assert not list(second.iterdir())
        assert not cache.exists()
    with own_view(cache) as reader, (reader or tmp_path).joinpath("a.blob").open("rb") as mapped:
        with own_view(cache) as writer:
            assert writer is not None
            (writer / "a.blob").unlink()
            (writer / "a.blob").write_bytes(b"another")
        assert mapped.read() == b"whole", "what is read was not written in place"
    assert (cache / "a.blob").read_bytes() == b"another"
    assert is_whole(cache / "a.blob")


def test_what_is_whole_is_shown_and_not_written_again(tmp_path: Path) -> None:
    (tmp_path / "a.blob").write_bytes(b"a")
    seal(tmp_path / "a.blob")
    (tmp_path / "b.blob").write_bytes(b"never sealed")
    before = (tmp_path / "a.blob").stat()
    with own_view(tmp_path) as own:
        assert own is not None
        assert [path.name for path in own.iterdir()] == ["a.blob"]
        assert (own / "a.blob").read_bytes() == b"a"
    after = (tmp_path / "a.blob").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert not own.exists()


def test_a_cache_that_takes_no_files_does_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    with own_view(tmp_path / "file" / "cache") as own:
        assert own is not None
        (own / "a.blob").write_bytes(b"a")

    def refused(*_: object, **__: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("data.runtime.seals.mkdtemp", refused)
    with own_view(tmp_path / "cache") as own:
        assert own is None
