from dataclasses import astuple

import numpy as np
import pytest

from data.formats.mot import MotTable
from pipeline.evaluation.clear import ClearTally, clear_tally
from pipeline.evaluation.pairs import Comparison
from tests.pipeline.evaluation.scenes import random_scene

BOX = np.array([0.0, 0, 10, 10])


def table(rows: list[tuple[int, int, float]]) -> MotTable:
    """Rows of frame, id and how far the box lies to the right."""
    frames, ids, shift = (np.array(column) for column in zip(*rows, strict=True)) if rows else ([], [], np.zeros(0))
    return MotTable.make(frames, ids, BOX + np.asarray(shift, float)[:, None] * [1, 0, 1, 0])


def tally(truth: list[tuple[int, int, float]], predictions: list[tuple[int, int, float]], length: int) -> ClearTally:
    return clear_tally(Comparison.of(table(truth), table(predictions), length), 0.5)


def test_perfect() -> None:
    rows = [(frame, person, 100.0 * person) for frame in range(5) for person in range(3)]
    counts = tally(rows, rows, 5)
    assert (counts.matches, counts.mostly_tracked, counts.id_true_positives) == (15, 3, 15)
    assert counts.misses == counts.false_positives == counts.switches == counts.fragments == counts.mostly_lost == 0
    assert counts.rates() == {"MOTA": 1, "MOTP": 1, "IDF1": 1, "IDP": 1, "IDR": 1}


def test_a_switch_and_its_price() -> None:
    counts = tally([(frame, 0, 0) for frame in range(4)], [(0, 1, 0), (1, 1, 0), (2, 2, 0), (3, 2, 0)], 4)
    assert (counts.switches, counts.fragments) == (1, 0)
    rates = counts.rates()
    assert rates["MOTA"] == pytest.approx(3 / 4)
    assert rates["IDF1"] == pytest.approx(1 / 2)


def test_a_switch_counts_after_a_gap_of_any_length() -> None:
    truth = [(frame, 0, 0.0) for frame in range(9)]
    counts = tally(truth, [(0, 1, 0), (8, 2, 0), *((frame, 7, 500) for frame in range(9))], 9)
    assert (counts.switches, counts.fragments, counts.misses) == (1, 1, 7)


def test_a_pair_goes_on_although_a_stranger_lies_better() -> None:
    counts = tally([(0, 0, 0), (1, 0, 0)], [(0, 1, 0), (1, 1, 2), (1, 2, 0)], 2)
    assert (counts.switches, counts.false_positives) == (0, 1)
    assert counts.overlap == pytest.approx(1 + 80 / 120)


def test_a_pair_goes_on_for_one_frame_only() -> None:
    """Unlike motmetrics: after a frame in which the truth was missed, the better box wins."""
    elsewhere = [(frame, 9, 500.0) for frame in range(3)]
    counts = tally([(f, 0, 0) for f in range(3)], [(0, 1, 0), (2, 1, 2), (2, 2, 0), *elsewhere], 3)
    assert counts.switches == 1


def test_frames_without_predictions_are_passed_over() -> None:
    """As in TrackEval: no fragment where no box at all was predicted in between."""
    counts = tally([(frame, 0, 0) for frame in range(3)], [(0, 1, 0), (2, 1, 0)], 3)
    assert (counts.fragments, counts.misses, counts.switches) == (0, 1, 0)


@pytest.mark.parametrize(
    ("tracked", "expected"), [(10, (1, 0, 0)), (9, (1, 0, 0)), (8, (0, 1, 0)), (2, (0, 1, 0)), (1, (0, 0, 1))]
)
def test_mostly_tracked_is_more_than_four_fifths(tracked: int, expected: tuple[int, int, int]) -> None:
    counts = tally([(frame, 0, 0) for frame in range(10)], [(frame, 0, 0) for frame in range(tracked)], 10)
    assert (counts.mostly_tracked, counts.partly_tracked, counts.mostly_lost) == expected


def test_threshold_is_inclusive() -> None:
    third = 10 / 3
    assert tally([(0, 0, 0)], [(0, 0, third - 1e-9)], 1).matches == 1
    assert tally([(0, 0, 0)], [(0, 0, third + 1e-6)], 1).matches == 0


def test_nothing_on_one_side() -> None:
    rows = [(frame, 0, 0.0) for frame in range(3)]
    only_truth, only_predictions, nothing = tally(rows, [], 3), tally([], rows, 3), tally([], [], 3)
    assert (only_truth.misses, only_truth.id_misses, only_truth.mostly_lost) == (3, 3, 1)
    assert (only_predictions.false_positives, only_predictions.id_false_positives) == (3, 3)
    for counts in (only_truth, only_predictions, nothing):
        assert set(counts.rates().values()) == {0.0}


@pytest.mark.parametrize("seed", range(4))
def test_totals(seed: int) -> None:
    comparison = Comparison.of(*random_scene(seed, 40), 40)
    counts = clear_tally(comparison, 0.5)
    found = counts.matches + counts.switches
    assert found + counts.misses == counts.id_true_positives + counts.id_misses == len(comparison.truth)
    assert found + counts.false_positives == counts.id_true_positives + counts.id_false_positives
    assert counts.mostly_tracked + counts.partly_tracked + counts.mostly_lost == len(set(comparison.truth.ids))
    assert (counts + counts).switches == 2 * counts.switches
    assert (counts + counts).rates() == pytest.approx(counts.rates())


def test_new_names_change_nothing() -> None:
    truth, predictions = random_scene(7, 40)
    renamed = MotTable.make(truth.frames, 10**6 - truth.ids * 37, truth.boxes)
    before, after = (clear_tally(Comparison.of(side, predictions, 40), 0.5) for side in (truth, renamed))
    assert before.switches > 0
    assert astuple(after) == pytest.approx(astuple(before))
