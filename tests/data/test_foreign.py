"""Hostile files cost one line, not the machine: sizes are looked at before they are believed."""

import io
import os
import pickle
import resource
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from data.errors import UserError
from data.foreign import limit, open_arrays, parse_yaml, read_array, read_json, read_text, read_yaml
from data.formats.mot import read_mot


def _aliases(depth: int, merge: bool) -> str:
    if merge:
        lines = [f"m{n}: &m{n}\n  <<: [{', '.join([f'*m{n - 1}'] * 9)}]" for n in range(1, depth)]
        return "m0: &m0 {k: 1}\n" + "\n".join(lines) + "\n"
    lines = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, depth)]
    return "a0: &a0 [x, x]\n" + "\n".join(lines) + "\n"


@pytest.mark.parametrize("merge", [False, True])
def test_aliases_that_double_again_and_again_are_refused(merge: bool) -> None:
    with pytest.raises(UserError, match="aliases stand for more than"):
        parse_yaml(_aliases(12, merge), "x")
    assert parse_yaml(_aliases(3, merge), "x"), "ordinary aliases are read"


@pytest.mark.parametrize(
    "text", ["&a [*a]", "a: &x {<<: *x}", "[" * 5000, "a: 2001-99-99", "? [a]\n: 1", "a: [", "\x00"]
)
def test_odd_yaml_is_one_line(text: str) -> None:
    with pytest.raises(UserError, match="x") as caught:
        parse_yaml(text, "x")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ("{a: ", "}"), ("- ", "")])
def test_yaml_is_nested_only_so_deep(opening: str, closing: str) -> None:
    with pytest.raises(UserError, match="x: its values are nested more than 200 deep"):
        parse_yaml(opening * 100_000 + "1", "x")
    assert parse_yaml(opening * 50 + "1" + closing * 50, "x")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_texts_with_and_without_a_mark_read_alike(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.txt"
    path.write_text('{"é": [1, 2]}\n', encoding=encoding)
    assert read_json(path) == {"é": [1, 2]}
    assert read_yaml(path) == {"é": [1, 2]}
    (tmp_path / "c.txt").write_text("1,1,10,20,30,40,1,-1,-1,-1\n", encoding=encoding)
    assert read_mot(tmp_path / "c.txt", "tracks").boxes.tolist() == [[10, 20, 40, 60]]


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for read in (read_text, read_json, read_yaml, read_array):
        with pytest.raises(UserError, match="a pipe or device"):
            read(tmp_path / "pipe")
        with pytest.raises(UserError, match="a folder"):
            read(tmp_path)
        with pytest.raises(UserError, match="cannot read"):
            read(tmp_path / "absent")
    with pytest.raises(UserError, match="a pipe or device"):
        read_mot(tmp_path / "pipe", "tracks")


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "large.json"
    with path.open("wb") as stream:
        stream.truncate(1 << 33)
    with pytest.raises(UserError, match="MTMCT_LIMITS=32"):
        read_json(path)
    monkeypatch.setenv("MTMCT_LIMITS", "nan")
    with pytest.raises(UserError, match="a factor above 0"):
        limit(1)
    monkeypatch.setenv("MTMCT_LIMITS", "2.5")
    assert limit(4) == 10


def test_deep_json_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "deep.json").write_text("[" * 200_000)
    with pytest.raises(UserError, match="not valid JSON"):
        read_json(tmp_path / "deep.json")


def _npy(shape: tuple[int, ...], content: bytes) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return stream.getvalue() + content


def test_a_header_that_lies_allocates_nothing(tmp_path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for shape in ((1 << 40,), (1 << 20, 1 << 20), (5,), (-1,)):
        (tmp_path / "a.npy").write_bytes(_npy(shape, b"\0" * 32))
        with pytest.raises(UserError, match="file of numbers, or it is damaged"):
            read_array(tmp_path / "a.npy")
        with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
            archive.writestr("a.npy", _npy(shape, b"\0" * 32))
        with open_arrays(tmp_path / "a.npz") as arrays, pytest.raises(UserError, match="damaged"):
            arrays["a"]
    (tmp_path / "a.npy").write_bytes(_npy((4,), b"\0" * 32))
    assert read_array(tmp_path / "a.npy").tolist() == [0, 0, 0, 0]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


def test_objects_are_not_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(UserError, match="objects"):
        read_array(tmp_path / "a.npy")


def test_an_archive_that_swells_is_refused_and_can_be_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", _npy((1 << 24,), bytes(1 << 27)))
    with pytest.raises(UserError, match="unpacks to 128 MiB"), open_arrays(tmp_path / "a.npz"):
        pass
    monkeypatch.setenv("MTMCT_LIMITS", "20")
    with open_arrays(tmp_path / "a.npz") as arrays:
        assert arrays.names == ("a",)


def test_a_pickle_that_remembers_what_it_has_not_is_refused(tmp_path: Path) -> None:
    from reid.weights.torch_pickle import InertUnpickler, check_pickle

    stream = io.BytesIO(b"\x80\x02}r" + struct.pack("<I", 0x7FFFFFF0) + b".")
    with pytest.raises(pickle.UnpicklingError, match="remembers"):
        check_pickle(stream)
    honest = io.BytesIO(pickle.dumps({"a": [1, 2], "b": ("x", "y")}, 2))
    assert InertUnpickler(check_pickle(honest)).load() == {"a": [1, 2], "b": ("x", "y")}
