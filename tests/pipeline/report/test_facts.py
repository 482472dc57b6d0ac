"""The manifest and the scores in any shape."""

from typing import Any

import pytest

from pipeline.folder.stages import RunWarning, WarningKind
from pipeline.report import facts


def test_camera_facts_bear_missing_values() -> None:
    (row,) = facts.camera_facts({}, ["hall"], {})
    assert (row.uri, row.size, row.fps, row.frames, row.duration_s, row.clock) == ("–", "–", "–", "–", None, "unknown")
    manifest = {"inputs": {"hall": {"uri": "a.mp4", "fps": 12.5, "frames": 25, "width": 4, "height": 2}}}
    (row,) = facts.camera_facts(manifest, ["hall"], {})
    assert (row.uri, row.size, row.fps, row.frames, row.duration_s) == ("a.mp4", "4 × 2", "12.5", "25", 2.0)


def test_an_offset_counts_only_where_the_clock_is_known() -> None:
    clocks = {"a": {"status": "common", "offset_s": 5.0}, "b": {"status": "unknown", "offset_s": 7.0}}
    rows = facts.camera_facts({"clocks": clocks}, ["a", "b"], {})
    assert [row.offset_s for row in rows] == [5.0, 0.0]
    assert not facts.clocks_common(rows)
    assert facts.clocks_common(rows[:1])
    assert facts.clocks_common(rows[1:]), "one camera agrees with itself"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtsp://admin:geheim@10.0.0.2/live", "rtsp://***@10.0.0.2/live"),
        ("uri: http://a:b@c/d and https://e/f", "uri: http://***@c/d and https://e/f"),
        ("/videos/a:b@c.mp4", "/videos/a:b@c.mp4"),
        ("rtsp://:p@h/x", "rtsp://***@h/x"),
    ],
)
def test_passwords_are_never_shown(text: str, shown: str) -> None:
    assert facts.redact(text) == shown


def test_warnings_of_any_shape() -> None:
    assert facts.warning_lines({}) == []
    given = [RunWarning(WarningKind.INPUT, "cut off", "hall"), RunWarning(WarningKind.SCORES, "see http://a:b@c")]
    manifest = {"warnings": [warning.to_json() for warning in given]}
    assert facts.warning_lines(manifest) == [("hall", "cut off"), ("", "see http://***@c")]
    assert facts.warning_lines({"warnings": ["one"]}) == [("", "one")]
    assert facts.warning_lines({"warnings": {"hall": ["of an earlier version"]}}) == []


@pytest.mark.parametrize(
    "timings",
    [
        {"wall_s": 9, "stages": {"a": {"seconds": 1.0, "items": 4, "ms_per_item": 250}, "b": {"seconds": 3.0}}},
        {"a": 1.0, "b": 3.0, "wall_s": 9},
    ],
)
def test_stages_of_any_shape(timings: dict[str, Any]) -> None:
    stages = facts.stages({"timings": timings})
    assert [(stage.name, stage.seconds, stage.share) for stage in stages] == [("b", 3.0, 100.0), ("a", 1.0, 33.3)]
    assert facts.wall_s({"timings": timings}) == 9
    assert facts.stages({"timings": None}) == []


def test_scores_are_per_cent_and_counts_are_not() -> None:
    metrics = {
        "rule": {"rule": "mot17", "iou": 0.5},
        "scores": [{"name": "hall", "HOTA": 0.6123, "MOTA": None, "IDSW": 3}],
    }
    table = facts.score_table(metrics)
    assert table is not None
    assert table.header == ("", "HOTA", "MOTA", "IDSW")
    assert table.rows == (("hall", "61.2", "–", "3"),)
    assert "mot17" in table.note
    assert facts.score_table({"anything": 1}) is None
    assert facts.score_table({"scores": "x"}) is None


def test_other_facts_are_flat_and_what_is_shown_elsewhere_is_left_out() -> None:
    weights = {"reid": [{"sha256": "ff", "names": ["a", "b"]}], "pose": [{"name": "p"}, {"name": "q", "ms": {"b": 2}}]}
    manifest = {"seed": 3, "inputs": {"a": 1}, "versions": {"python": "3"}, "weights": weights, "empty": {}}
    assert facts.other_facts(manifest) == [
        ("run", [("seed", "3")]),
        ("versions", [("python", "3")]),
        (
            "weights",
            [("reid", "sha256 ff, names a b"), ("pose 1", "name p"), ("pose 2", "name q"), ("pose 2 › ms", "b 2")],
        ),
    ]
    assert facts.other_facts({}) == []


def test_one_item_is_no_items() -> None:
    timings = {"a": {"seconds": 1.0, "items": 1, "ms_per_item": 1000.04}, "b": {"seconds": 0.5, "items": 2}}
    assert [(stage.items, stage.per_item) for stage in facts.stages({"timings": timings})] == [
        ("1 item", "1000.0 ms"),
        ("2 items", ""),
    ]


def test_durations_and_dates() -> None:
    assert [facts.duration_text(value) for value in (None, 3.21, 75.0, 3700.0)] == ["–", "3.2 s", "1:15", "1:01:40"]
    assert facts.date_text(12.0) == ""
    assert facts.date_text(1_700_000_000) == "2023-11-14 22:13:20 UTC"


def test_how_an_input_was_hashed_is_told() -> None:
    inputs = {"a": {"sha256": "ff"}, "b": {"sampled_sha256": "ee"}, "c": {}}
    rows = facts.camera_facts({"inputs": inputs}, ["a", "b", "c"], {})
    assert [row.digest for row in rows] == ["sha256 ff", "sha256 of 64 pieces ee", ""]
