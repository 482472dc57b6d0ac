"""MCTA, identities over cameras, regions, person search and intervals: numbers worked out by hand."""

import numpy as np
import pytest

from data.errors import UserError
from data.formats.mot import MotTable
from pipeline.evaluation.bootstrap import bootstrap
from pipeline.evaluation.clear import clear_tally
from pipeline.evaluation.identity import identity_units
from pipeline.evaluation.mcta import MctaScores, mcta
from pipeline.evaluation.pairs import Comparison, join
from pipeline.evaluation.region import feet_inside, inside
from tests.pipeline.evaluation.scenes import random_scene

BOX = np.array([0.0, 0, 10, 20])
LENGTH = 30


def camera(truth: dict[int, range], given: list[tuple[int, range]], shift: float = 30.0) -> Comparison:
    """People at places of their own: true id -> frames; predicted (id, frames) in the order of the people's places."""
    places = list(truth)
    rows = [(frame, person, place) for place, person in enumerate(places) for frame in truth[person]]
    boxes = [(frame, name, place) for place, (name, frames) in enumerate(given) for frame in frames]

    def table(lines: list[tuple[int, int, int]]) -> MotTable:
        frames, ids, where = np.array(lines, np.int64).reshape(-1, 3).T
        return MotTable.make(frames, ids, BOX + np.array([shift, 0, shift, 0]) * where[:, None])

    return Comparison.of(table(rows), table(boxes), LENGTH)


def test_mcta_of_a_perfect_tracker_is_one() -> None:
    one, two = camera({4: range(0, 5)}, [(7, range(0, 5))]), camera({4: range(10, 15)}, [(7, range(10, 15))])
    scores = mcta([one, two])
    assert scores == MctaScores(10, 10, 10, 8, 0, 2, 0)
    assert scores.fractions() == {"MCTA": 1, "detection": 1, "tracking": 1, "handover": 1}


def test_mcta_counts_a_lost_handover() -> None:
    one, two = camera({4: range(0, 5)}, [(7, range(0, 5))]), camera({4: range(10, 15)}, [(8, range(10, 15))])
    scores = mcta([one, two])
    assert (scores.within_mismatches, scores.handover_mismatches, scores.handovers) == (0, 1, 2)
    assert scores.fractions()["MCTA"] == pytest.approx(0.5)


def test_mcta_counts_a_switch_within_a_camera_apart() -> None:
    truth = MotTable.make(np.arange(6), np.zeros(6, int), np.tile(BOX, (6, 1)))
    found = MotTable.make(np.arange(6), np.array([1, 1, 1, 2, 2, 2]), np.tile(BOX, (6, 1)))
    scores = mcta([Comparison.of(truth, found, 6)])
    assert (scores.within, scores.within_mismatches) == (5, 1)
    assert scores.fractions()["MCTA"] == pytest.approx(4 / 5)


def test_mcta_counts_an_id_taken_from_another() -> None:
    """Somebody new gets the id of one who left."""
    one = camera({4: range(0, 5)}, [(7, range(0, 5))])
    two = camera({5: range(10, 15)}, [(7, range(10, 15))])
    assert mcta([one, two]).handover_mismatches == 1
    assert mcta([one, camera({5: range(10, 15)}, [(8, range(10, 15))])]).handover_mismatches == 0


def test_mcta_counts_an_id_that_two_people_have_at_once() -> None:
    one = camera({4: range(0, 5), 5: range(5, 15)}, [(7, range(0, 5)), (9, range(5, 15))])
    two = camera({4: range(10, 15), 5: range(20, 22)}, [(7, range(10, 15)), (9, range(20, 22))])
    assert mcta([one, two]).handover_mismatches == 0
    stolen = camera({4: range(0, 5), 5: range(5, 15)}, [(7, range(0, 5)), (7, range(5, 15))])
    assert mcta([stolen, two]).handover_mismatches == 3


def test_mcta_scores_frames_of_the_truth_only() -> None:
    part = camera({4: range(0, 5)}, [(7, range(0, 20))])
    assert mcta([part]).predicted_boxes == 5
    both = mcta([part, camera({6: range(3, 10)}, [(8, range(3, 10))])])
    assert both.predicted_boxes == 10 + 7, "a frame that any camera annotates is scored in all"


@pytest.mark.parametrize("seed", range(3))
def test_identities_are_those_of_the_tally(seed: int) -> None:
    joined = join([Comparison.of(*random_scene(seed + 10 * part, LENGTH), LENGTH) for part in range(2)])
    units, rates = identity_units(joined, 0.5), clear_tally(joined, 0.5).rates()
    for name, value in units.fractions().items():
        assert value == pytest.approx(rates[name]), name
    assert units.truth.sum() == len(joined.truth)
    assert units.predicted.sum() == len(joined.predictions)


def test_intervals_hold_the_figure_and_repeat() -> None:
    units = identity_units(Comparison.of(*random_scene(4, LENGTH), LENGTH), 0.5)
    intervals = bootstrap(len(units.found), units.fractions, seed=0)
    low, high = intervals["IDF1"]
    assert low < units.fractions()["IDF1"] < high
    assert intervals == bootstrap(len(units.found), units.fractions, seed=0)
    assert intervals != bootstrap(len(units.found), units.fractions, seed=1)
    with pytest.raises(UserError, match="at least two"):
        bootstrap(1, units.fractions, seed=0)


def test_intervals_are_those_of_a_mean() -> None:
    """Units that differ alike: the interval is near mean +- 1.96 deviations of the mean."""
    values = np.random.default_rng(0).normal(5, 2, 400)
    low, high = bootstrap(400, lambda weights: {"mean": weights @ values / 400}, seed=3)["mean"]
    half = 1.96 * values.std() / 20
    assert [low, high] == pytest.approx([values.mean() - half, values.mean() + half], abs=0.1 * half)


def test_points_inside_a_region() -> None:
    """An L: its notch is outside, its edge is inside."""
    corners = np.array([[0, 0], [10, 0], [10, 4], [4, 4], [4, 10], [0, 10]], float)
    points = np.array([[2, 2], [8, 2], [8, 8], [4, 7], [0, 0], [10, 2], [11, 2], [-1, 5], [7, 4]], float)
    expected = [True, True, False, True, True, True, False, False, True]
    assert inside(points, corners).tolist() == expected
    assert inside(points, corners[::-1]).tolist() == expected
    boxes = np.array([[0, 0, 4, 8], [6, 0, 10, 8]], float)
    assert feet_inside(boxes, corners).tolist() == [True, False], "feet are at 2, 8 and 8, 8"
