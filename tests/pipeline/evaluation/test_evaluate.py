import json
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.errors import UserError
from data.formats.mot import MotTable, write_mot
from pipeline.cli import run
from pipeline.evaluation.evaluate import EvaluationOptions, evaluate_folders, score_sequences
from pipeline.evaluation.rules import RULE_NAMES, Rule, RuleName
from pipeline.evaluation.sequences import Sequence
from tests.pipeline.evaluation.scenes import random_scene
from tools import evaluate_tracking

BOX = np.array([0.0, 0, 10, 20])
SHARES = ("HOTA", "DetA", "AssA", "MOTA", "MOTP", "IDF1", "IDP", "IDR")


def write_cameras(folder: Path, ids: dict[str, list[int]], kind: str = "tracks") -> Path:
    """One person a camera, in every frame; ids per frame."""
    folder.mkdir(parents=True, exist_ok=True)
    for camera, of_frame in ids.items():
        table = MotTable.make(np.arange(len(of_frame)), np.array(of_frame), np.tile(BOX, (len(of_frame), 1)))
        write_mot(folder / f"{camera}.txt", table, kind)
    return folder


def test_an_id_must_agree_across_cameras(tmp_path: Path) -> None:
    gt = write_cameras(tmp_path / "gt", {"c1": [4] * 6, "c2": [4] * 4}, "gt")
    same = write_cameras(tmp_path / "same", {"c1": [1] * 6, "c2": [1] * 4})
    other = write_cameras(tmp_path / "other", {"c1": [1] * 6, "c2": [2] * 4})
    options = EvaluationOptions(cross_camera=True)
    result = evaluate_folders(gt, same, options)
    assert [(row.name, row.kind) for row in result.rows] == [
        ("c1", "sequence"),
        ("c2", "sequence"),
        ("COMBINED", "combined"),
        ("CROSS-CAMERA", "cross_camera"),
    ]
    assert result.overall.tally.fractions()["IDF1"] == 1
    combined, joined = evaluate_folders(gt, other, options).rows[-2:]
    assert combined.tally.fractions()["IDF1"] == 1
    assert joined.tally.fractions()["IDF1"] == pytest.approx(0.6)
    assert joined.tally.fractions()["AssA"] == pytest.approx((0.6 * 6 + 0.4 * 4) / 10)
    assert joined.tally.counts()["IDSW"] == 1
    assert joined.tally.counts()["frames"] == 12, "one clock: the last row of all cameras ends them"


def test_cross_camera_is_the_concatenated_sequence(tmp_path: Path) -> None:
    """Cameras written one after the other into one file score the same as the joined row."""
    scenes = [random_scene(seed, length) for seed, length in ((1, 30), (2, 50))]
    gt, pred = tmp_path / "gt", tmp_path / "pred"
    for number, (truth, predictions) in enumerate(scenes):
        for folder, table, kind in ((gt, truth, "gt"), (pred, predictions, "tracks")):
            folder.mkdir(exist_ok=True)
            write_mot(folder / f"c{number}.txt", table, kind)
    (gt / "lengths.json").write_text('{"c0": 30, "c1": 50}')
    for side in (gt, pred):
        texts = [(side / f"c{number}.txt").read_text().splitlines() for number in (0, 1)]
        later = [f"{int(line.split(',', 1)[0]) + 30},{line.split(',', 1)[1]}" for line in texts[1]]
        (tmp_path / "one" / side.name).mkdir(parents=True)
        (tmp_path / "one" / side.name / "all.txt").write_text("\n".join([*texts[0], *later]))
    joined = evaluate_folders(gt, pred, EvaluationOptions(rule="mot15", cross_camera=True)).overall
    whole = evaluate_folders(
        tmp_path / "one" / "gt", tmp_path / "one" / "pred", EvaluationOptions(rule="mot15")
    ).overall
    assert joined.tally.counts() == whole.tally.counts()
    assert joined.tally.fractions() == pytest.approx(whole.tally.fractions(), abs=1e-9)


def test_combined_sums_and_does_not_average(tmp_path: Path) -> None:
    gt = write_cameras(tmp_path / "gt", {"c1": [1] * 9, "c2": [1]}, "gt")
    pred = write_cameras(tmp_path / "pred", {"c1": [1] * 9, "c2": []})
    combined = evaluate_folders(gt, pred).overall
    assert combined.name == "COMBINED"
    assert combined.tally.fractions()["MOTA"] == pytest.approx(0.9)
    assert combined.tally.fractions()["IDR"] == pytest.approx(0.9)


def test_default_rules_and_their_overrides(tmp_path: Path) -> None:
    cameras = write_cameras(tmp_path / "cameras", {"c1": [1]}, "gt")
    write_cameras(tmp_path / "sequences" / "c1" / "gt", {"gt": [1]}, "gt")
    assert evaluate_folders(cameras, cameras).rule == Rule("plain")
    assert evaluate_folders(tmp_path / "sequences", cameras).rule == Rule("mot17")
    (cameras / "rule.json").write_text('{"rule": "plain", "min_visibility": 0.3, "iou": 0.4}')
    assert evaluate_folders(cameras, cameras).rule == Rule("plain", 0.3, 0.4)
    assert evaluate_folders(cameras, cameras, EvaluationOptions(iou=0.6)).rule == Rule("plain", 0.3, 0.6)
    assert evaluate_folders(cameras, cameras, EvaluationOptions(rule="mot15")).rule == Rule("mot15", 0, 0.4)
    assert evaluate_folders(cameras, cameras, EvaluationOptions(min_visibility=0.1)).rule == Rule("plain", 0.1, 0.4)
    with pytest.raises(UserError, match="the options: min_visibility is part of the rule 'plain'"):
        evaluate_folders(cameras, cameras, EvaluationOptions(rule="mot17", min_visibility=0.1))


def test_choice_of_sequences(tmp_path: Path) -> None:
    gt = write_cameras(tmp_path / "gt", {"c1": [1], "c2": [1], "c3": [1]}, "gt")
    result = evaluate_folders(gt, gt, EvaluationOptions(sequences=("c3", "c1")))
    assert [row.name for row in result.rows] == ["c1", "c3", "COMBINED"]
    assert result.warnings == ()
    with pytest.raises(UserError, match="has no sequence 'c4'; it has c1, c2, c3"):
        evaluate_folders(gt, gt, EvaluationOptions(sequences=("c4",)))


def test_warnings(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    gt = write_cameras(tmp_path / "gt", {"c1": [1, 1], "c2": [1]}, "gt")
    (gt / "lengths.json").write_text('{"c1": 2}')
    pred = write_cameras(tmp_path / "pred", {"c1": [1, 1, 1], "lobby": [1]})
    with caplog.at_level(logging.WARNING):
        result = evaluate_folders(gt, pred, EvaluationOptions(allow_missing=True))
    assert result.warnings == (
        "lobby: predictions without a truth (1 rows), not scored",
        "c1: 1 predicted rows after frame 2, the last of the truth, are left out",
        "c2: no predictions, scored as empty (1 true rows)",
    )
    assert [record.message for record in caplog.records] == list(result.warnings)
    assert result.rows[0].tally.fractions()["MOTA"] == 1


def test_truth_with_gaps_is_scored_where_it_was_annotated(tmp_path: Path) -> None:
    """Every fifth frame: a tracker that follows somebody through all frames is right, and the result says so."""
    gt = tmp_path / "gt"
    gt.mkdir()
    frames = np.arange(3, 60, 5)
    write_mot(gt / "c1.txt", MotTable.make(frames, np.full(12, 4), np.tile(BOX, (12, 1))), "gt")
    (gt / "lengths.json").write_text('{"c1": 60}')
    pred = write_cameras(tmp_path / "pred", {"c1": [7] * 60})
    result = evaluate_folders(gt, pred)
    assert result.warnings == (
        "c1: the truth has one frame in 5: only these 12 are scored, 48 predicted rows between them are left out",
    )
    assert result.overall.tally.fractions()["MOTA"] == 1
    assert result.overall.tally.counts()["frames"] == 12
    write_mot(gt / "c2.txt", MotTable.make(frames + 1, np.full(12, 4), np.tile(BOX, (12, 1))), "gt")
    write_cameras(pred, {"c2": [7] * 60})
    assert [row.tally.counts()["frames"] for row in evaluate_folders(gt, pred).rows[:2]] == [12, 12], "own phases"
    write_mot(gt / "c3.txt", MotTable.make(np.arange(60), np.full(60, 4), np.tile(BOX, (60, 1))), "gt")
    write_cameras(pred, {"c3": [7] * 60})
    whole = evaluate_folders(gt, pred)
    assert not any("one frame in" in line for line in whole.warnings), "c3 has all: the others had nobody to see"
    assert [line[:2] for line in whole.warnings] == ["c1", "c2"]
    assert "the truth has somebody in 12 of 60 frames; 48 of 60 predicted rows" in whole.warnings[0]
    assert whole.rows[0].tally.fractions()["MOTA"] < 0


def test_a_list_of_labels_says_who_is_a_person(tmp_path: Path) -> None:
    gt = tmp_path / "gt"
    gt.mkdir()
    boxes = np.stack([BOX, BOX + 50])
    truth = MotTable.make(np.zeros(2, int), np.arange(2), boxes, class_ids=np.array([2, 1]))
    write_mot(gt / "c1.txt", truth, "gt")
    pred = tmp_path / "pred"
    pred.mkdir()
    write_mot(pred / "c1.txt", truth)
    result = evaluate_folders(gt, pred)
    assert result.warnings == ("c1: 1 true rows of class 2 count as people; labels.txt would say who is",)
    assert result.overall.tally.fractions()["MOTA"] == 1
    (gt / "labels.txt").write_text("car\nPerson\n")
    result = evaluate_folders(gt, pred)
    assert result.warnings == ("c1: 1 true rows of class 1 are no people and are left out",)
    assert (result.overall.tally.truth_boxes, result.overall.tally.counts()["FP"]) == (1, 1)
    (gt / "labels.txt").write_text("car\nbus\n")
    with pytest.raises(UserError, match="none of car, bus is one of person"):
        evaluate_folders(gt, pred)


def test_nothing_matched_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gt = write_cameras(tmp_path / "gt", {"c1": [1] * 3, "c2": [1] * 3}, "gt")
    pred = tmp_path / "pred"
    pred.mkdir()
    for name in ("c1", "c2"):
        write_mot(pred / f"{name}.txt", MotTable.make(np.arange(3), np.ones(3, int), np.tile(BOX * 7 + 90, (3, 1))))
    with pytest.raises(UserError, match=r"none of 6 predicted boxes lies on one of 6 true ones by plain, IoU >= 0\.5"):
        evaluate_folders(gt, pred)
    arguments = ["--gt", str(gt), "--pred", str(pred)]
    assert run(evaluate_tracking.main, arguments) == 2
    assert capsys.readouterr().out == ""
    write_mot(pred / "c2.txt", MotTable.make(np.arange(3), np.ones(3, int), np.tile(BOX, (3, 1))))
    assert run(evaluate_tracking.main, arguments) == 0, "one camera is enough"


@pytest.mark.parametrize("rule", RULE_NAMES)
def test_truth_against_itself_is_perfect(testdata: Path, rule: RuleName) -> None:
    sets = [path for path in sorted((testdata / "scored" / "gt").iterdir()) if not path.name.endswith("_world")]
    sets += [testdata / "mot17", testdata / "mot17mini" / "train"]
    assert len(sets) >= 8
    for folder in sets:
        visibility = 0.25 if rule == "plain" else None
        options = EvaluationOptions(rule=rule, min_visibility=visibility, cross_camera=True)
        for row in evaluate_folders(folder, folder, options).rows:
            shares, counts = row.tally.fractions(), row.tally.counts()
            assert [shares[name] for name in SHARES] == pytest.approx([1.0] * 8, abs=1e-9), (folder, row.name)
            assert counts["IDSW"] == counts["FP"] == counts["FN"] == counts["ML"] == counts["PT"] == 0


def test_single_camera_tracks_of_nlpr(testdata: Path) -> None:
    """Two cameras of 12,000 frames: each is tracked almost perfectly, but no id agrees across them."""
    scored = testdata / "scored"
    result = evaluate_folders(
        scored / "gt" / "nlpr_half1", scored / "input" / "nlpr_half1" / "tracks", EvaluationOptions(cross_camera=True)
    )
    shares = {row.name: row.tally.fractions() for row in result.rows}
    assert shares["COMBINED"]["IDF1"] == pytest.approx(0.99483, abs=1e-5)
    assert shares["CROSS-CAMERA"]["IDF1"] == pytest.approx(0.64682, abs=1e-5)


def test_long_crowded_sequences_are_scored() -> None:
    length, people = 4000, 30
    rng = np.random.default_rng(0)
    frames, ids = np.repeat(np.arange(length), people), np.tile(np.arange(people), length)
    corner = (
        rng.uniform(0, 1500, (people, 2))[ids] + rng.normal(0, 1500, (people, 2))[ids] * frames[:, None] / length
    ) % 1500
    boxes = np.concatenate([corner, corner + np.array([60, 160])], axis=1)
    truth = MotTable.make(frames, ids, boxes)
    predictions = MotTable.make(frames, ids + people * (frames // 200), boxes + rng.normal(0, 3, boxes.shape))
    cameras = [Sequence(name, length, truth, predictions) for name in ("c1", "c2")]
    rows = score_sequences(cameras, Rule(), cross_camera=True)
    assert rows[0].tally.fractions()["DetA"] > 0.8


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gt = write_cameras(tmp_path / "gt", {"cam1": [1, 1], "cam22": [2, 2, 2], "cam3": []}, "gt")
    pred = write_cameras(tmp_path / "pred", {"cam1": [1, 1], "cam22": [2, 2, 3], "cam3": []})
    arguments = ["--gt", str(gt), "--pred", str(pred)]
    assert run(evaluate_tracking.main, [*arguments, "--json", str(tmp_path / "scores.json")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "rule: plain, IoU >= 0.5"
    assert lines[1].split() == ["sequence", *SHARES, "IDSW", "Frag", "MT", "ML"]
    assert lines[2].split() == ["cam1", *["100.000"] * 8, "0", "0", "1", "0"]
    assert lines[4].split() == ["cam3", *["-"] * 8, "0", "0", "0", "0"]
    assert lines[5].split()[4] == "80.000"
    assert len({len(line) for line in lines[1:]}) == 1, "the columns must be aligned"
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert scores["rule"] == {"rule": "plain", "min_visibility": 0.0, "iou": 0.5}
    assert [entry["name"] for entry in scores["scores"]] == ["cam1", "cam22", "cam3", "COMBINED"]
    assert scores["scores"][2]["HOTA"] is None
    assert scores["scores"][3]["MOTA"] == 0.8
    assert scores["scores"][3]["IDSW"] == 1
    assert run(evaluate_tracking.main, [*arguments, "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out) == scores


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--gt", "absent", "--pred", "."], "absent is not a folder; give the folder of the truth"),
        (["--sequences", "c9"], "has no sequence 'c9'; it has c1"),
        (["--iou", "0"], "the options: iou is 0.0; give a number above 0, at most 1"),
        (["--min-visibility", "2"], "min_visibility is 2.0; give a share from 0 to 1"),
        (["--json", "absent/scores.json"], "absent/scores.json"),
    ],
)
def test_mistakes_on_the_command_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    complaint: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_cameras(tmp_path / "gt", {"c1": [1]}, "gt")
    assert run(evaluate_tracking.main, ["--gt", "gt", "--pred", "gt", *arguments]) == 2
    error = capsys.readouterr().err
    assert complaint in error
    assert error.count("\n") == 1


def test_same_bytes(tmp_path: Path) -> None:
    truth, predictions = random_scene(3, 40)
    for folder, table, kind in ((tmp_path / "gt", truth, "gt"), (tmp_path / "pred", predictions, "tracks")):
        folder.mkdir()
        write_mot(folder / "c1.txt", table, kind)
    texts = {json.dumps(evaluate_folders(tmp_path / "gt", tmp_path / "pred").to_json()) for _ in range(3)}
    assert len(texts) == 1


def test_labels_decide_who_is_scored(tmp_path: Path) -> None:
    """CVAT writes its classes in the order of the project: class 1 may be a car."""
    rows = "".join(f"{frame},1,0,0,10,20,1,2,1\n{frame},2,50,0,10,20,1,1,1\n" for frame in range(1, 6))
    gt = tmp_path / "gt" / "seq" / "gt"
    gt.mkdir(parents=True)
    (gt / "gt.txt").write_text(rows)
    (gt / "labels.txt").write_text("car\nperson\n")
    pred = write_cameras(tmp_path / "pred", {"seq": [7] * 5})
    result = evaluate_folders(tmp_path / "gt", pred)
    assert result.overall.tally.fractions()["HOTA"] == 1
    with pytest.raises(UserError, match="class 1 is no person, and the rule mot17 that it is"):
        evaluate_folders(tmp_path / "gt", pred, EvaluationOptions(rule="mot17"))


@pytest.mark.parametrize("step", [1, 3])
def test_frame_numbers_like_clock_times_cost_nothing(tmp_path: Path, step: int) -> None:
    """The same rows far later score the same: what nobody is in takes neither time nor memory."""
    found = {}
    for late in (0, 1_700_000_000 * step):
        gt, pred = tmp_path / f"gt{late}", tmp_path / f"pred{late}"
        for seed, name in ((1, "c1"), (2, "c2")):
            truth, predictions = random_scene(seed, 30)
            for folder, table, kind in ((gt, truth, "gt"), (pred, predictions, "tracks")):
                folder.mkdir(exist_ok=True)
                table = replace(table, frames=table.frames * step + late)
                write_mot(folder / f"{name}.txt", table, kind)
        result = evaluate_folders(gt, pred, EvaluationOptions(cross_camera=True))
        found[late] = [{**row.tally.fractions(), **row.tally.counts(), "frames": 0} for row in result.rows]
    early, late = found.values()
    assert early == late
