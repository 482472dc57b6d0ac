"""Tracking real detections, scored against ground truth."""

import json
from pathlib import Path

import numpy as np
import pytest

from data.formats.mot import MotTable, read_mot
from data.records import Detections, Tracklet, View
from pipeline.evaluation.evaluate import score_sequences
from pipeline.evaluation.rules import Rule
from pipeline.evaluation.sequences import Sequence
from trackers.camera import CameraTracker
from trackers.config import TrackerConfig
from trackers.interpolation import interpolate


def track_detections(name: str, table: MotTable, fps: float, size: tuple[int, int], length: int) -> list[Tracklet]:
    tracker = CameraTracker(name, TrackerConfig())
    offsets = table.frame_offsets(length)
    events = []
    for frame in range(length):
        rows = slice(offsets[frame], offsets[frame + 1])
        boxes = table.boxes[rows].astype(np.float32)
        detections = Detections(boxes, table.scores[rows], np.zeros(len(boxes), np.int64))
        proposal = tracker.propose([View(name, frame, frame / fps, size, detections)])
        events += tracker.commit(proposal, [None])[1]
    events += tracker.flush()
    return [event.tracklet for event in events if event.kind == "closed"]


def scores_of(testdata: Path, names: list[str]) -> dict[str, float]:
    """Measures over sequences of MOT15 with Faster-RCNN boxes, ignored truth dropped."""
    source, truth = testdata / "scored" / "input" / "mot15_frcnn", testdata / "scored" / "gt" / "mot15"
    meta = json.loads((source / "meta.json").read_text())
    sequences = []
    for name in names:
        about = meta[name]
        found = read_mot(source / "det" / f"{name}.txt", "det")
        tracklets = track_detections(name, found, about["fps"], tuple(about["size"]), about["length"])
        filled = [interpolate(tracklet, 1.0) for tracklet in tracklets]
        predictions = MotTable.make(
            np.concatenate([tracklet.frames for tracklet in filled]),
            np.concatenate([np.full(len(tracklet), tracklet.local_id) for tracklet in filled]),
            np.concatenate([tracklet.boxes for tracklet in filled]),
        )
        table = read_mot(truth / f"{name}.txt", "gt")
        sequences.append(Sequence(name, about["length"], table.select(table.flags), predictions))
    rows = score_sequences(sequences, Rule("plain"), cross_camera=False)
    return rows[-1].tally.fractions()


def test_short_sequences_of_mot15(testdata: Path) -> None:
    scores = scores_of(testdata, ["TUD-Campus", "TUD-Stadtmitte", "KITTI-17"])
    assert scores["IDF1"] > 0.70
    assert scores["HOTA"] > 0.50
    assert scores["MOTA"] > 0.65


@pytest.mark.slow
def test_all_sequences_of_mot15(testdata: Path) -> None:
    lengths = json.loads((testdata / "scored" / "gt" / "mot15" / "lengths.json").read_text())
    scores = scores_of(testdata, sorted(lengths))
    assert scores["IDF1"] > 0.52
    assert scores["HOTA"] > 0.40
    assert scores["MOTA"] > 0.38
