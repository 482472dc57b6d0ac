"""What of truth and predictions is scored, and what is said of the rest."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from data.datasets.tracking import TrackingDataset, TruthSequence, Window
from data.formats.mot import MotTable
from pipeline.evaluation.rules import Rule
from pipeline.evaluation.sequences import Sequence, pair_sequences

BOX = np.array([100.0, 100, 140, 200])


def rows(*frames: int, boxes: np.ndarray | None = None, classes: tuple[int, ...] | None = None) -> MotTable:
    table = np.tile(BOX, (len(frames), 1)) if boxes is None else boxes
    ids = np.zeros(len(frames), np.int64)
    return MotTable.make(
        np.array(frames, np.int64), ids, table, class_ids=None if classes is None else np.array(classes)
    )


def dataset(one: TruthSequence) -> TrackingDataset:
    return TrackingDataset("any", Path(), "", (one,), one_site=True, shared_ids=True, frame_base=1)


def pair(one: TruthSequence, found: MotTable | None, **changes: object) -> tuple[Sequence, list[str]]:
    sequences, lines = pair_sequences(replace(dataset(one), **changes), {one.name: found}, Rule())  # type: ignore[arg-type]
    return sequences[0], lines


def test_rows_after_a_stated_end_are_left_out_and_false_where_nobody_states_one() -> None:
    one = TruthSequence("c1", 5, rows(0, 1))
    sequence, lines = pair(one, rows(1, 4, 5, 6))
    assert (sequence.length, sequence.predictions.frames.tolist()) == (5, [1, 4])
    assert lines == ["c1: 2 predicted rows after frame 5, the last of the truth, are left out"]
    sequence, lines = pair(replace(one, open_end=True), rows(1, 6))
    assert (sequence.length, sequence.predictions.frames.tolist(), lines) == (7, [1, 6], [])


def test_no_file_is_scored_as_empty_and_said() -> None:
    sequence, lines = pair(TruthSequence("c1", 2, rows(0, 1)), None)
    assert len(sequence.predictions) == 0
    assert lines == ["c1: no predictions, scored as empty (2 true rows)"]


def test_a_window_is_cut_on_the_clock_of_the_site() -> None:
    """The camera starts 10 frames after the site; the window is frames 12 to 14 of the site."""
    one = TruthSequence("c1", 100, rows(2, 3), offset=10)
    sequence, lines = pair(one, rows(1, 2, 4, 5), window=Window(12, 14))
    assert (sequence.length, sequence.truth.frames.tolist()) == (3, [0, 1])
    assert sequence.predictions.frames.tolist() == [0, 2]
    assert lines == ["c1: 2 predicted rows outside the window are left out"]


def test_predictions_count_where_their_feet_stand_in_the_region() -> None:
    """Feet are at 120, 200: the second region ends above them."""
    low, high = (np.array([[0.0, 0], [500, 0], [500, edge], [0, edge]]) for edge in (200, 199))
    assert pair(TruthSequence("c1", 2, rows(0), region=low), rows(0))[1] == []
    sequence, lines = pair(TruthSequence("c1", 2, rows(0), region=high), rows(0))
    assert len(sequence.predictions) == 0
    assert len(sequence.truth) == 1, "the truth is not filtered by place"
    assert lines == ["c1: 1 predictions stand outside its region and are left out"]


def test_a_class_list_decides_who_is_a_person() -> None:
    one = TruthSequence("c1", 3, rows(0, 1, 2, classes=(1, 3, 4)))
    sequence, lines = pair(one, rows(0))
    assert sequence.truth.frames.tolist() == [0]
    assert lines == ["c1: 2 true rows of class 3, 4 are no people and are left out"]
    sequence, lines = pair(one, rows(0), classes=None)
    assert len(sequence.truth) == 3
    assert lines == ["c1: 2 true rows of class 3, 4 count as people; labels.txt would say who is"]


def test_frames_that_were_not_annotated_say_nothing() -> None:
    one = TruthSequence("c1", 9, rows(2, 8), annotated=np.array([2, 5, 8]))
    sequence, lines = pair(one, rows(*range(9)))
    assert (sequence.length, sequence.truth.frames.tolist()) == (3, [0, 2])
    assert sequence.predictions.frames.tolist() == [0, 1, 2]
    assert lines == [
        "c1: 3 of 9 frames are annotated: only these are scored, 6 predicted rows between them are left out"
    ]


def test_gaps_of_a_truth_are_those_of_its_own_clock() -> None:
    """The camera starts 13 frames after the site, so its frames 0, 5, 10, ... are 13, 18, 23, ... there."""
    one = TruthSequence("c1", 40, rows(*range(0, 40, 5)), offset=13)
    sequence, _ = pair(one, rows(*range(40)), window=Window(11, 60))
    assert sequence.truth.frames.tolist() == sequence.predictions.frames.tolist() == list(range(8))
    told = replace(one, annotated=np.arange(0, 40, 5))
    sequence, _ = pair(told, rows(*range(40)), window=Window(18, 43))
    assert sequence.length == 6, "frames 5 to 30 of the camera"
    assert sequence.predictions.frames.tolist() == list(range(6))


def test_a_clock_that_starts_late_cuts_nothing_off() -> None:
    one = TruthSequence("c1", 3, rows(0, 2), offset=10)
    for late in (one, replace(one, open_end=True)):
        sequence, lines = pair(late, rows(0, 1, 2))
        assert (sequence.length, sequence.truth.frames.tolist(), lines) == (13, [10, 12], [])
        assert sequence.predictions.frames.tolist() == [10, 11, 12]


def test_boxes_without_area_are_false_and_said() -> None:
    flat = np.array([BOX, [100, 100, 100, 200]])
    sequence, lines = pair(TruthSequence("c1", 2, rows(0)), rows(0, 1, boxes=flat))
    assert len(sequence.predictions) == 2
    assert lines == ["c1: 1 predicted boxes have no area and count as false"]


def test_predictions_where_the_truth_has_nobody_are_told_when_they_are_the_most() -> None:
    one = TruthSequence("c1", 40, rows(0, 1, 2, 3))
    sequence, lines = pair(one, rows(*range(40)))
    assert len(sequence.predictions) == 40
    assert lines == [
        "c1: the truth has somebody in 4 of 40 frames; 36 of 40 predicted rows are in the others and count as false: "
        "was all of it annotated?"
    ]
    assert pair(replace(one, truth=rows(*range(20))), rows(*range(40)))[1] == []
    assert pair(one, rows(0, 1, 7, 8, 9))[1] == []


def test_truth_after_the_last_prediction_is_told_when_it_is_much() -> None:
    one = TruthSequence("c1", 40, rows(*range(40)))
    sequence, lines = pair(one, rows(*range(28)))
    assert len(sequence.truth) == 40
    assert lines == [
        "c1: 12 of 40 true rows come after the last prediction and count as missed: was all of it tracked?"
    ]
    assert pair(one, rows(*range(31)))[1] == [], "nine rows"
    assert pair(one, rows(0, 39))[1] == []
    assert pair(TruthSequence("c1", 200, rows(*range(200))), rows(*range(180)))[1] == [], "a tenth"
