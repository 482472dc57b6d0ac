"""A forgotten person is nowhere in the folder, everybody else is where they were, and the rest can be used on."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.atomic import temporary_path
from data.errors import UserError
from data.formats.mot import MotTable, read_mot, write_mot
from data.records import GlobalTrack
from data.site import Site, save_site
from data.splits import Split
from pipeline.association.config import CorrectionConfig
from pipeline.association.corrections import Anchor, Correction, anchor_of, load_corrections, write_corrections
from pipeline.association.table import build_table
from pipeline.cli import run
from pipeline.folder.run_folder import RunFolder
from pipeline.folder.stages import RunWarning, WarningKind
from pipeline.job.forgetting import forget
from pipeline.job.traces import forget_mentions
from pipeline.rendering.config import RenderConfig
from pipeline.rendering.overlay import render_run
from tools.forget import main


@pytest.fixture
def folder(make_run: Any) -> RunFolder:
    """A complete run of several people with pictures and track files."""
    found: RunFolder = make_run()
    found.ledger.start()
    owner = {(v.camera, v.local_id): p.global_id for p in found.read_global_tracks() for v in p.visits}
    for camera in found.read_inputs():
        own = found.read_tracked(camera)
        for path, ids in (
            (found.tracks(camera), owner),
            (found.local_tracks(camera), {t.key: t.local_id for t in own}),
        ):
            rows = [np.full(len(item), ids[item.key]) for item in own]
            frames, boxes = np.concatenate([t.frames for t in own]), np.concatenate([t.boxes for t in own])
            write_mot(found.claim(path), MotTable.make(frames, np.concatenate(rows), boxes))
    return found


def test_a_forgotten_person_is_nowhere_and_the_others_stay(folder: RunFolder) -> None:
    people = folder.read_global_tracks()
    gone, others = people[0], people[1:]
    keys = {(visit.camera, visit.local_id) for visit in gone.visits}
    pictures = {path: path.read_bytes() for path in folder.crops.rglob("*.jpg")}
    mine = {path for path in pictures if (path.parent.name, int(path.stem.partition("_")[0])) in keys}
    before = {item.key: item for item in folder.read_tracked()}
    found = forget(folder, gone.global_id)
    assert (found.tracklets, found.pictures) == (len(keys), len(mine))
    assert mine
    assert folder.read_global_tracks() == others
    assert {item.key for item in folder.read_tracked()} == set(before) - keys
    for item in folder.read_tracked():
        np.testing.assert_array_equal(item.boxes, before[item.key].boxes)
    assert not any(path.exists() for path in mine)
    assert all(path.read_bytes() == pictures[path] for path in set(pictures) - mine)
    assert not any(link.a in keys or link.b in keys for link in folder.read_links())
    for camera in folder.read_inputs():
        assert gone.global_id not in read_mot(folder.tracks(camera), "tracks").ids
        assert others[0].global_id in read_mot(folder.tracks(others[0].visits[0].camera), "tracks").ids
        local = {local_id for name, local_id in keys if name == camera}
        assert not local.intersection(read_mot(folder.local_tracks(camera), "tracks").ids.tolist())
    assert f'id="person-{gone.global_id}"' not in folder.report.read_text()


def test_of_a_cut_track_only_the_persons_piece_goes(folder: RunFolder) -> None:
    people = folder.read_global_tracks()
    whole = folder.read_tracked()[0]
    row = len(whole) // 2
    piece_id = 900
    folder.write_splits([Split(whole.camera, whole.local_id, piece_id, row, float(whole.times_s[row]), 3.0, 0.9, -1)])
    first, second = (item for item in folder.read_tracklets() if item.local_id in (whole.local_id, piece_id))
    owner = next(p for p in people if (whole.camera, whole.local_id) in {(v.camera, v.local_id) for v in p.visits})
    taken = sorted((folder.crops / whole.camera).glob(f"{whole.local_id}_*.jpg"))
    forget(folder, owner.global_id)
    left = {item.key: item for item in folder.read_tracklets()}
    assert first.key not in left
    np.testing.assert_array_equal(left[second.key].boxes, second.boxes)
    assert folder.read_splits() == []
    kept = sorted((folder.crops / whole.camera).glob(f"{piece_id}_*.jpg"))
    assert 0 < len(kept) < len(taken)


def test_overlays_go_and_what_is_out_of_reach_is_said(folder: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    videos = render_run(folder, RenderConfig(preset="ultrafast"))
    person = folder.read_global_tracks()[0].global_id
    assert run(main, [str(folder.root), str(person)]) == 0
    assert not any(path.exists() for path in videos)
    printed = capsys.readouterr().out
    assert str(videos[0]) in printed
    assert "the recording of camera" in printed
    assert "backups" in printed
    assert run(main, [str(folder.root), str(person)]) == 2
    assert f"has no person {person}" in capsys.readouterr().err


def test_an_unfinished_run_is_left_as_it_is(folder: RunFolder) -> None:
    folder.write_json(folder.manifest, folder.read_json(folder.manifest) | {"status": "interrupted"})
    with pytest.raises(UserError, match=r"finish it with `pipeline\.run --resume`"):
        forget(folder, 0)


def test_no_run_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(main, [str(tmp_path), "0"]) == 2
    assert "not a run folder" in capsys.readouterr().err


def test_answers_about_a_forgotten_person_go_and_others_stay(folder: RunFolder) -> None:
    gone, kept = folder.read_global_tracks()[:2]
    site = Site.blank(sorted(folder.read_inputs()))
    save_site(site, folder.site)
    table = build_table(folder.read_tracklets(), site)
    config, index = CorrectionConfig(), table.index()

    def answer(one: GlobalTrack, other: GlobalTrack) -> Correction:
        places = [anchor_of(table, index[p.visits[-1].camera, p.visits[-1].local_id], config) for p in (one, other)]
        assert places[0] is not None
        assert places[1] is not None
        return Correction("different", places[0], places[1])

    others = folder.read_global_tracks()[2]
    copies = folder.corrections, folder.used_corrections
    for path in copies:
        write_corrections(path, [answer(gone, kept), answer(kept, others)])
    forget(folder, gone.global_id)
    assert [load_corrections(path) for path in copies] == [[answer(kept, others)]] * 2


def test_no_line_page_cut_or_leftover_names_a_forgotten_person(folder: RunFolder) -> None:
    gone, kept = folder.read_global_tracks()[:2]
    (mine, *_), (other, *_) = gone.visits, kept.visits
    whole = next(item for item in folder.read_tracked(other.camera) if item.local_id == other.local_id)
    middle = float(whole.times_s[2])
    folder.write_splits([Split(other.camera, other.local_id, 900, 2, middle, 3.0, 0.9, mine.local_id)])
    told = [
        f"{mine.camera} {mine.local_id} and x 7 stay apart although they are linked",
        "correction 1 (same) was not applied: no tracklet of camera 'x' lies on box [1, 2, 3, 4] at 7 s",
        f"{mine.camera} {mine.local_id}1 is somebody else",
    ]
    manifest = folder.read_manifest()
    manifest["warnings"] += [RunWarning(WarningKind.ASSOCIATION, text).to_json() for text in told]
    folder.write_json(folder.manifest, manifest)
    folder.write_text(folder.log, "".join(f"now WARNING {text}\n" for text in told))
    for path in (folder.questions, folder.inspection, folder.checkpoint / "state.npz"):
        folder.write_text(path, "the person")
    half = temporary_path(folder.part_paths()[0])
    half.write_text("the person")
    forget(folder, gone.global_id)
    texts = [one["text"] for one in folder.read_manifest()["warnings"]]
    assert told[2] in texts
    assert not {told[0], told[1]} & set(texts)
    assert folder.log.read_text() == f"now WARNING {told[2]}\n"
    assert [path for path in (folder.questions, folder.inspection, half) if path.exists()] == []
    assert list(folder.checkpoint.iterdir()) == []
    taken = {split.taken_from for split in folder.read_splits() if mine.camera == other.camera}
    assert taken <= {-1}
    (noted,) = [text for text in texts if "were removed from this run" in text]
    assert noted in folder.report.read_text()


def test_of_a_person_without_tracklets_no_line_is_taken(folder: RunFolder) -> None:
    lines = "now INFO 3 tracklets\nnow WARNING correction 1 (same) was not applied\n"
    folder.write_text(folder.log, lines)
    forget_mentions(folder, set())
    assert folder.log.read_text() == lines.splitlines(keepends=True)[0]


def test_an_answer_that_lies_on_nobody_goes_too(folder: RunFolder) -> None:
    save_site(Site.blank(sorted(folder.read_inputs())), folder.site)
    camera = sorted(folder.read_inputs())[0]
    nowhere = Anchor(camera=camera, time_s=9e5, box=(1, 2, 30, 40))
    write_corrections(folder.corrections, [Correction("same", nowhere, nowhere, note="red jacket")])
    forget(folder, folder.read_global_tracks()[0].global_id)
    assert load_corrections(folder.corrections) == []


def test_forgetting_that_was_killed_half_way_can_be_done_again(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = folder.read_tracked()[0]
    people = folder.read_global_tracks()
    row = len(whole) // 2
    folder.write_splits([Split(whole.camera, whole.local_id, 900, row, float(whole.times_s[row]), 3.0, 0.9, -1)])
    pieces = {item.key: item for item in folder.read_tracklets()}
    owner = next(p for p in people if whole.key in {(v.camera, v.local_id) for v in p.visits})
    rest = replace(owner, global_id=77, visits=(replace(owner.visits[0], camera=whole.camera, local_id=900),))
    folder.write_global_tracks([*people, rest])

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "write_links", killed)
        with pytest.raises(KeyboardInterrupt):
            forget(folder, 77)
    forget(folder, 77)
    left = {item.key: item for item in folder.read_tracklets()}
    assert (whole.camera, 900) not in left
    np.testing.assert_array_equal(left[whole.key].boxes, pieces[whole.key].boxes)


def test_what_no_run_wrote_is_named_and_left(folder: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    mine = folder.root / "scores.html"
    mine.write_text("made by hand")
    person = folder.read_global_tracks()[0].global_id
    assert run(main, [str(folder.root), str(person)]) == 0
    assert "files that lie here and no run wrote: scores.html\n" in capsys.readouterr().out
    assert mine.exists()
