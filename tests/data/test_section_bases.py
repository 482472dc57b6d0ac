"""Configuration files: one may begin with another."""

from pathlib import Path

import pytest

from data.config import Section
from data.errors import UserError
from data.section_files import load_section


class Inner(Section):
    size: int = 1
    names: tuple[str, ...] = ()


class Outer(Section):
    rate: float = 0.5
    inner: Inner = Inner()
    other: Inner | None = None


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_file_changes_what_its_base_says_and_arguments_change_both(tmp_path: Path) -> None:
    write(tmp_path / "first.yaml", "rate: 0.1\ninner: {size: 2, names: [a, b]}\nother: {size: 9}\n")
    write(tmp_path / "sub" / "second.yaml", "base: ../first.yaml\ninner: {size: 3}\n")
    path = write(tmp_path / "sub" / "third.yaml", "base: second.yaml\ninner: {names: [c]}\nother: null\n")
    assert load_section(Outer, path) == Outer(rate=0.1, inner=Inner(size=3, names=("c",)))
    assert load_section(Outer, path, ["inner.size=4", "rate=0.2"]).inner.size == 4
    assert load_section(Outer, tmp_path / "first.yaml").inner == Inner(size=2, names=("a", "b"))


@pytest.mark.parametrize(
    ("first", "message"),
    [
        ("base: absent.yaml", r"absent\.yaml"),
        ("base: second.yaml", r"second\.yaml: base leads back to this file"),
        ("base: [second.yaml]", r"first\.yaml: base: name one YAML file, not \['second\.yaml'\]"),
        ("inner: {sise: 1}", r"second\.yaml: unknown key 'inner\.sise'; did you mean 'size'\?"),
        ("[1]", r"first\.yaml: expected keys and values"),
    ],
)
def test_a_base_that_cannot_be_is_one_line(tmp_path: Path, first: str, message: str) -> None:
    write(tmp_path / "first.yaml", first)
    path = write(tmp_path / "second.yaml", "base: first.yaml\n")
    with pytest.raises(UserError, match=message) as told:
        load_section(Outer, path)
    assert "\n" not in str(told.value)
