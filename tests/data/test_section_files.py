"""Changes from the command line reach every place of a configuration."""

from pathlib import Path

import pytest

from data.config import Section
from data.errors import UserError
from data.section_files import load_section


class Lens(Section):
    name: str = ""
    focal_px: float = 900.0


class Rig(Section):
    lenses: tuple[Lens, ...] = ()
    spare: Lens = Lens()


@pytest.fixture
def rig(tmp_path: Path) -> Path:
    path = tmp_path / "rig.yaml"
    path.write_text("lenses: [&a {name: left}, {name: right, focal_px: 700}]\nspare: *a\n")
    return path


def test_an_entry_of_a_list_is_changed_by_its_number(rig: Path) -> None:
    found = load_section(Rig, rig, ["lenses.1.name=wide", "lenses.0.focal_px=800"])
    assert [(lens.name, lens.focal_px) for lens in found.lenses] == [("left", 800), ("wide", 700)]
    assert found.spare.focal_px == 900


def test_a_list_is_replaced_as_a_whole(rig: Path) -> None:
    assert [lens.name for lens in load_section(Rig, rig, ["lenses=[{name: only}]"]).lenses] == ["only"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("lenses.2.name=far", r"lenses has no entry 2 to change; there are: 0 to 1"),
        ("lenses.1.fokal_px=1", r"unknown key 'lenses\.1\.fokal_px'; did you mean 'focal_px'"),
        ("spare.0.name=far", r"unknown key 'spare\.0'"),
    ],
)
def test_what_is_not_there_is_told(rig: Path, change: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_section(Rig, rig, [change])
