"""Links in the table: order, quotas and bars."""

import math
from pathlib import Path

import pytest

from data.records import Decision, Link
from pipeline.folder.run_folder import RunFolder
from pipeline.report.config import ReportConfig
from pipeline.report.evidence import choose_links, link_rows
from pipeline.report.pictures import Album


def _link(probability: float, decision: Decision, **changes: object) -> Link:
    given = {
        "a": ("hall", 1),
        "b": ("door", 2),
        "llr": {"appearance": 2.0, "space_time": -1.0},
        "part_distances": {"head": 0.2, "legs": 0.4},
        "part_visibility": {"head": 1.0},
        "lag_s": 3.0,
        "probability": probability,
        "decision": decision,
        "margin": 1.0,
    } | changes
    return Link(**given)  # type: ignore[arg-type]


def _album(tmp_path: object) -> Album:
    return Album(RunFolder(tmp_path), ReportConfig())  # type: ignore[arg-type]


def test_uncertain_links_come_first_and_the_closest_calls_lead() -> None:
    links = [_link(0.99, "same"), _link(0.7, "same"), _link(0.3, "uncertain"), _link(0.45, "uncertain")]
    assert [link.probability for link in choose_links(links, 10)] == [0.45, 0.3, 0.7, 0.99]


def test_a_full_table_keeps_some_of_every_decision() -> None:
    links = [_link(0.5, "uncertain")] * 100 + [_link(0.9, "same")] * 100 + [_link(0.1, "different")] * 100
    chosen = [link.decision for link in choose_links(links, 20)]
    assert len(chosen) == 20
    assert chosen.count("uncertain") == 10
    assert chosen.count("same") == 7
    assert chosen.count("different") == 3
    assert choose_links(links, 0) == []


def test_room_that_one_decision_does_not_need_goes_to_the_others() -> None:
    links = [_link(0.5, "uncertain")] * 2 + [_link(0.1, "different")] * 100
    chosen = [link.decision for link in choose_links(links, 20)]
    assert chosen == ["uncertain"] * 2 + ["different"] * 18


def test_bars_are_signed_and_share_one_scale(tmp_path: object) -> None:
    strong = _link(0.9, "same", llr={"appearance": 8.0, "space_time": -4.0})
    weak = _link(0.6, "uncertain", llr={"appearance": 0.0})
    first, second = link_rows([strong, weak], {("hall", 1): ("7", "person-7")}, _album(tmp_path))
    right, left = first.cues
    assert (right.left, right.width) == (50, 50)
    assert (left.left, left.width) == (25, 25)
    assert second.cues[0].width == 0
    assert first.total == 4
    assert (first.a.label, first.a.anchor) == ("7", "person-7")
    assert (first.b.label, first.b.anchor) == ("?", ""), "a tracklet nobody owns is borne"


def test_bars_never_leave_their_track(tmp_path: object) -> None:
    wild = _link(1.0, "same", llr={"appearance": 400.0, "space_time": -900.0})
    (row,) = link_rows([wild], {}, _album(tmp_path))
    assert all(cue.left >= 0 and cue.left + cue.width <= 100 for cue in row.cues)


def test_absent_values_are_none(tmp_path: object) -> None:
    (row,) = link_rows([_link(0.5, "uncertain", lag_s=math.nan, margin=math.inf)], {}, _album(tmp_path))
    assert row.lag_s is None
    assert row.margin is None
    assert row.a.picture is None
    assert [part.visibility for part in row.parts] == [1.0, 0.0]
    assert [part.distance_share for part in row.parts] == [50.0, 100.0]


def test_the_crops_of_a_tracklet_are_looked_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = RunFolder(tmp_path)
    for number in (0, 2):
        path = folder.crop("hall", 1, number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\xff\xd8")
    asked: list[Path] = []
    holds = RunFolder.holds

    def counted(self: RunFolder, path: Path) -> bool:
        asked.append(path)
        return holds(self, path)

    monkeypatch.setattr(RunFolder, "holds", counted)
    album = Album(folder, ReportConfig())
    assert [album.numbers("hall", 1) for _ in range(3)] == [[0, 2]] * 3
    assert album.numbers("door", 1) == []
    assert len(asked) == len(set(asked))
