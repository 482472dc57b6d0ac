"""Every figure against TrackEval's own code, on random scenes and on real tracks."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.formats.mot import MotTable, read_mot
from pipeline.evaluation.evaluate import EvaluationOptions, evaluate_folders
from pipeline.evaluation.result import ScoreRow
from tests.pipeline.evaluation.scenes import random_scene, write_scene

HOTA_FIELDS = ("HOTA", "DetA", "AssA", "DetRe", "DetPr", "AssRe", "AssPr", "LocA")
CLEAR_FIELDS = ("MOTA", "MOTP", "IDSW", "Frag", "MT", "PT", "ML")
IDENTITY_FIELDS = ("IDF1", "IDP", "IDR", "IDTP", "IDFP", "IDFN")
LENGTH = 60


def oracle(
    gt: Path, pred: Path, lengths: dict[str, int], benchmark: str, iou: float = 0.5
) -> dict[str, dict[str, Any]]:
    """TrackEval's results of each sequence and of all together."""
    trackeval = pytest.importorskip("trackeval", reason="the oracle is not installed: pip install trackeval")
    dataset = trackeval.datasets.MotChallenge2DBox(
        {
            "GT_FOLDER": str(gt),
            "TRACKERS_FOLDER": str(pred.parent),
            "TRACKERS_TO_EVAL": [pred.name],
            "TRACKER_SUB_FOLDER": "",
            "BENCHMARK": benchmark,
            "SEQ_INFO": lengths,
            "SKIP_SPLIT_FOL": True,
            "PRINT_CONFIG": False,
        }
    )
    options = {"PRINT_CONFIG": False, "THRESHOLD": iou}
    metrics = [trackeval.metrics.HOTA(), trackeval.metrics.CLEAR(options), trackeval.metrics.Identity(options)]
    results: dict[str, dict[str, Any]] = {}
    single: list[dict[str, dict[str, Any]]] = [{} for _ in metrics]
    for name in lengths:
        raw = dataset.get_raw_seq_data(pred.name, name)
        prepared = dataset.get_preprocessed_seq_data(raw, "pedestrian")
        for metric, of_metric in zip(metrics, single, strict=True):
            of_metric[name] = metric.eval_sequence(prepared)
        results[name] = {key: value for of_metric in single for key, value in of_metric[name].items()}
    combined = [metric.combine_sequences(of_metric) for metric, of_metric in zip(metrics, single, strict=True)]
    results["COMBINED"] = {key: value for of_metric in combined for key, value in of_metric.items()}
    return results


def assert_agrees(row: ScoreRow, expected: dict[str, Any]) -> None:
    found = {**row.tally.fractions(), **row.tally.counts()}
    for name in (*HOTA_FIELDS, *CLEAR_FIELDS, *IDENTITY_FIELDS):
        assert found[name] == pytest.approx(np.mean(expected[name]), abs=1e-9), (row.name, name)
    for name, theirs in (("TP", "CLR_TP"), ("FP", "CLR_FP"), ("FN", "CLR_FN")):
        assert found[name] == expected[theirs], (row.name, name)


@pytest.mark.parametrize("rule", ["mot17", "mot15"])
@pytest.mark.parametrize("seed", range(4))
def test_random_scenes(tmp_path: Path, seed: int, rule: str) -> None:
    lengths = {f"scene{number}": LENGTH for number in range(3)}
    for number, name in enumerate(lengths):
        write_scene(tmp_path, name, *random_scene(10 * seed + number, LENGTH), LENGTH)
    expected = oracle(tmp_path / "gt", tmp_path / "pred", lengths, rule.upper())
    result = evaluate_folders(tmp_path / "gt", tmp_path / "pred", EvaluationOptions(rule=rule))
    assert [row.name for row in result.rows] == [*lengths, "COMBINED"]
    assert expected["COMBINED"]["IDSW"] > 5, "the scenes must be hard enough to tell definitions apart"
    assert expected["COMBINED"]["Frag"] > 20
    for row in result.rows:
        assert_agrees(row, expected[row.name])


def test_other_threshold(tmp_path: Path) -> None:
    write_scene(tmp_path, "scene", *random_scene(5, LENGTH), LENGTH)
    result = evaluate_folders(tmp_path / "gt", tmp_path / "pred", EvaluationOptions(rule="mot15", iou=0.7))
    expected = oracle(tmp_path / "gt", tmp_path / "pred", {"scene": LENGTH}, "MOT15", iou=0.7)
    assert_agrees(result.overall, expected["scene"])


def test_empty_sides(tmp_path: Path) -> None:
    truth, predictions = random_scene(3, LENGTH)
    none = MotTable.empty()
    write_scene(tmp_path, "both", truth, predictions, LENGTH)
    write_scene(tmp_path, "no_predictions", truth, none, LENGTH)
    write_scene(tmp_path, "no_truth", none, predictions, LENGTH)
    write_scene(tmp_path, "nothing", none, none, LENGTH)
    lengths = dict.fromkeys(("both", "no_predictions", "no_truth", "nothing"), LENGTH)
    expected = oracle(tmp_path / "gt", tmp_path / "pred", lengths, "MOT17")
    result = evaluate_folders(tmp_path / "gt", tmp_path / "pred")
    for row in result.rows:
        assert_agrees(row, expected[row.name])


def test_real_detections_as_tracks(testdata: Path, tmp_path: Path) -> None:
    """Real boxes whose id is their rank in the frame: switches everywhere, and truth of flag 0."""
    scored = testdata / "scored"
    lengths = {"PETS09-S2L1": 795, "TUD-Stadtmitte": 179}
    for name, length in lengths.items():
        truth = read_mot(scored / "gt" / "mot15" / f"{name}.txt", "gt")
        boxes = read_mot(scored / "input" / "mot15_frcnn" / "det" / f"{name}.txt", "det")
        rank = np.arange(len(boxes)) - boxes.frame_offsets(length)[boxes.frames]
        write_scene(tmp_path, name, truth, MotTable.make(boxes.frames, rank, boxes.boxes), length)
    expected = oracle(tmp_path / "gt", tmp_path / "pred", lengths, "MOT15")
    result = evaluate_folders(tmp_path / "gt", tmp_path / "pred", EvaluationOptions(rule="mot15"))
    assert expected["COMBINED"]["IDSW"] > 100
    for row in result.rows:
        assert_agrees(row, expected[row.name])


def test_reference_scores(testdata: Path) -> None:
    """The two sequences of MOT17 whose figures were published with a real tracker's output, to 4 digits and beyond."""
    folder = testdata / "mot17"
    result = evaluate_folders(folder, folder / "tracker_output")
    assert result.rule.rule == "mot17"
    with (folder / "reference_scores.csv").open() as stream:
        reference = {line["seq"]: line for line in csv.DictReader(stream)}
    rows = [row for row in result.rows if row.kind == "sequence"]
    assert [row.name for row in rows] == ["MOT17-05-FRCNN", "MOT17-09-FRCNN"]
    for row in rows:
        expected = {name: float(value) for name, value in reference[row.name].items() if name != "seq"}
        assert_agrees(row, expected | {name: expected[f"{name}___AUC"] for name in HOTA_FIELDS})
