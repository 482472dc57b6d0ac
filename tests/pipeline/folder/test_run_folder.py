"""What is written to a run folder reads back, and only our own files are ever removed."""

import math
from pathlib import Path

import pytest

from data.errors import UserError
from data.records import GlobalTrack, Link, Visit
from pipeline.folder.run_folder import RunFolder


def test_links_round_trip_with_unknown_lag_and_no_runner_up(tmp_path: Path) -> None:
    links = [
        Link(
            ("a", 0), ("b", 3), {"appearance": 1.25}, {"torso": 0.5}, {"torso": 1.0}, math.nan, 0.75, "same", math.inf
        ),
        Link(("a", 1), ("a", 2), {}, {}, {}, 2.5, 0.0, "different", -1.5, "alive together"),
    ]
    folder = RunFolder(tmp_path)
    folder.write_links(links)
    back = folder.read_links()
    assert math.isnan(back[0].lag_s)
    assert back[0].margin == math.inf
    assert back[1] == links[1]
    assert (back[0].a, back[0].llr, back[0].decision) == (links[0].a, links[0].llr, "same")


def test_global_tracks_round_trip(tmp_path: Path) -> None:
    tracks = [GlobalTrack(4, (Visit("a", 0, 1.0, 2.5), Visit("b", 7, 9.0, 9.5)), 0.875)]
    folder = RunFolder(tmp_path)
    folder.write_global_tracks(tracks)
    assert folder.read_global_tracks() == tracks


def test_removing_results_leaves_what_is_not_ours(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.tracklets.mkdir()
    (folder.tracklets / "part-0-0.parquet").touch()
    folder.manifest.touch()
    (tmp_path / "notes.md").write_text("mine")
    folder.remove_results()
    assert [entry.name for entry in tmp_path.iterdir()] == ["notes.md"]


def test_a_folder_without_tracklets_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a run folder"):
        RunFolder(tmp_path).require()


@pytest.mark.parametrize("content", [None, "{", "[1]"])
def test_broken_json_is_named(tmp_path: Path, content: str | None) -> None:
    folder = RunFolder(tmp_path)
    if content is not None:
        folder.manifest.write_text(content)
    with pytest.raises(UserError, match=r"manifest\.json"):
        folder.read_json(folder.manifest)
