"""The files of a complete run by name."""

from pathlib import Path

import pytest

from data.records import GlobalTrack, Visit
from data.site import Site
from pipeline.folder.outcome import Outcome
from pipeline.folder.output_formats import OUTPUT_FORMATS, write_outputs
from pipeline.folder.run_folder import RunFolder


def write_names(found: Outcome) -> None:
    """A format of one's own."""
    lines = [f"{person.global_id} {len(person.visits)}\n" for person in found.global_tracks]
    (found.folder.root / "names.txt").write_text("".join(lines))


def _outcome(root: Path) -> Outcome:
    people = (GlobalTrack(1, (Visit("a", 0, 0.0, 1.0),), 1.0),)
    return Outcome(RunFolder(root), Site.blank(["a"]), ("a",), (), {}, people, (), 1.0, 0.0)


def test_every_format_is_written(tmp_path: Path) -> None:
    write_outputs(_outcome(tmp_path))
    folder = RunFolder(tmp_path)
    assert folder.read_global_tracks()[0].global_id == 1
    assert folder.read_links() == []
    assert folder.tracks("a").read_text() == folder.local_tracks("a").read_text() == ""


def test_a_format_is_one_module_and_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OUTPUT_FORMATS, "names", f"{__name__}:write_names")
    write_outputs(_outcome(tmp_path))
    assert (tmp_path / "names.txt").read_text() == "1 1\n"
