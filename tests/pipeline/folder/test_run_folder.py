"""What is written to a run folder reads back, and only our own files are ever removed."""

import json
import math
from pathlib import Path

import pytest

from data.errors import UserError
from data.folder_lock import LOCK
from data.records import GlobalTrack, Link, Visit
from pipeline.folder.run_folder import RunFolder
from pipeline.folder.writer import only_writer


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


def _listed(root: Path) -> RunFolder:
    folder = RunFolder(root)
    folder.ledger.start()
    folder.write_part(0.0, 0, [])
    folder.write_json(folder.manifest, {})
    return folder


def test_removing_results_leaves_what_is_not_ours(tmp_path: Path) -> None:
    folder = _listed(tmp_path)
    (tmp_path / "notes.md").write_text("mine")
    (tmp_path / "video").mkdir()
    (tmp_path / "video" / "holiday.mp4").write_text("mine")
    assert folder.foreign_files() == [tmp_path / "video" / "holiday.mp4"]
    folder.remove_results()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["notes.md", "video"]
    assert (tmp_path / "video" / "holiday.mp4").read_text() == "mine"


def test_without_a_list_nothing_is_removed(tmp_path: Path) -> None:
    folder = _listed(tmp_path)
    folder.ledger.path.unlink()
    folder.remove_results()
    assert folder.manifest.exists()


def test_nothing_is_removed_or_written_through_a_link(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "part-0-0.parquet").write_text("precious")
    (tmp_path / "run").mkdir()
    folder = _listed(tmp_path / "run")
    (folder.tracklets / "part-0-0.parquet").unlink()
    folder.tracklets.rmdir()
    folder.tracklets.symlink_to(elsewhere)
    assert folder.foreign_files() == [folder.tracklets]
    with pytest.raises(UserError, match="is a link"):
        folder.write_part(0.0, 0, [])
    folder.remove_results()
    assert (elsewhere / "part-0-0.parquet").read_text() == "precious"


def test_a_draft_that_is_a_link_is_replaced_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "run").mkdir()
    folder = RunFolder(tmp_path / "run")
    (tmp_path / "run" / ".manifest.json.tmp").symlink_to(victim)
    folder.write_json(folder.manifest, {"a": 1})
    assert victim.read_text() == "precious"
    assert folder.read_json(folder.manifest) == {"a": 1}


@pytest.mark.parametrize("line", ['"../../home/me/thesis.tex"', '"/etc/passwd"', '"a\\\\b"', "3", "{", '""'])
def test_a_list_that_names_what_lies_elsewhere_removes_nothing(tmp_path: Path, line: str) -> None:
    folder = _listed(tmp_path)
    with folder.ledger.path.open("a") as stream:
        stream.write(line + "\n")
    with pytest.raises(UserError, match="list of the files"):
        RunFolder(tmp_path).remove_results()
    assert folder.manifest.exists()


def test_a_list_cut_off_by_a_kill_is_read_up_to_there(tmp_path: Path) -> None:
    folder = _listed(tmp_path)
    with folder.ledger.path.open("a") as stream:
        stream.write('"tracks/ha')
    assert RunFolder(tmp_path).ledger.names() == ["tracklets/part-0-0.parquet", "manifest.json"]


@pytest.mark.parametrize(
    "name", ["../../evil", "/etc/passwd", "a/b", "a\\b", "..", ".hidden", "", "a\n", "x" * 300, "c:d"]
)
def test_a_camera_whose_name_leads_elsewhere_has_no_place(tmp_path: Path, name: str) -> None:
    folder = RunFolder(tmp_path)
    for place in (folder.tracks, folder.local_tracks, folder.video, folder.world):
        with pytest.raises(UserError, match="cannot stand in file names"):
            place(name)
    with pytest.raises(UserError, match="cannot stand in file names"):
        folder.crop(name, 0, 0)


def _identities(**change: object) -> dict[str, object]:
    visit = {"camera": "a", "local_id": 0, "start_s": 0.0, "end_s": 1.0}
    person: dict[str, object] = {"global_id": 0, "confidence": 1.0, "visits": [visit | change]}
    return {"version": 1, "global_tracks": [person]}


@pytest.mark.parametrize(
    "value",
    [
        _identities(camera="../../x"), _identities(local_id="../x"), _identities(local_id=1.5),
        _identities(start_s=None), _identities(end_s="nan"),
        {"version": 1}, {"version": 1, "global_tracks": None}, {"global_tracks": []},
    ],
)  # fmt: skip
def test_identities_of_someone_else_are_checked(tmp_path: Path, value: dict[str, object]) -> None:
    folder = RunFolder(tmp_path)
    folder.global_tracks.write_text(json.dumps(value))
    with pytest.raises(UserError, match=r"global_tracks\.json"):
        folder.read_global_tracks()
    folder.global_tracks.write_text(json.dumps(_identities()))
    assert folder.read_global_tracks() == [GlobalTrack(0, (Visit("a", 0, 0.0, 1.0),), 1.0)]


def test_damaged_evidence_names_its_line(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.write_links([Link(("a", 1), ("a", 2), {}, {}, {}, 2.5, 0.5, "different", -1.5)])
    whole = folder.links.read_text()
    for bad in (whole.replace("0.5", "1.5"), whole.replace('"different"', '"perhaps"'), "null\n", "{\n"):
        folder.links.write_text(whole + bad)
        with pytest.raises(UserError, match=r"links\.jsonl, line 2"):
            folder.read_links()


def test_a_file_of_the_run_that_is_a_link_out_of_it_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_text("{}")
    (tmp_path / "run").mkdir()
    folder = RunFolder(tmp_path / "run")
    folder.manifest.symlink_to(tmp_path / "secret.json")
    with pytest.raises(UserError, match="leads out of the run folder"):
        folder.read_json(folder.manifest)


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


def test_a_list_whose_last_line_was_cut_off_is_written_on_after_it(tmp_path: Path) -> None:
    folder = _listed(tmp_path)
    with folder.ledger.path.open("a") as stream:
        stream.write('"tracks/ha')
    again = RunFolder(tmp_path)
    again.write_json(again.progress, {})
    assert RunFolder(tmp_path).ledger.names() == ["tracklets/part-0-0.parquet", "manifest.json", "progress.json"]


def test_a_file_that_is_a_link_is_neither_written_nor_read(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "run").mkdir()
    folder = _listed(tmp_path / "run")
    folder.log.symlink_to(victim)
    with pytest.raises(UserError, match="is a link"):
        folder.claim(folder.log)
    (folder.tracklets / "part-0-1.parquet").symlink_to(victim)
    with pytest.raises(UserError, match="is a link"):
        folder.read_tracked()
    (folder.root / LOCK).symlink_to(victim)
    with pytest.raises(UserError, match="cannot write"), only_writer(folder.root):
        pass
    assert victim.read_text() == "precious"
