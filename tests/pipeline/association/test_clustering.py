"""Clustering on scores written down by hand: what is decided, not how scores come about."""

import math

import numpy as np
import pytest

from pipeline.association.clustering import cluster
from pipeline.association.config import ConstraintConfig
from pipeline.association.cue import CandidatePairs, Cue
from pipeline.association.exclusions import build_exclusions
from pipeline.association.scoring import Scores
from pipeline.association.table import build_table


def scores(count: int, odds: dict[tuple[int, int], float], crowd: bool = False) -> Scores:
    """One cue, with these log odds."""
    pairs = sorted(odds)
    a, b = (np.array([pair[side] for pair in pairs], np.int64) for side in (0, 1))
    return Scores(
        pairs=CandidatePairs(a, b),
        cues=(Cue("written down", np.array([odds[pair] for pair in pairs], float), evident=True),),
        crowd=np.zeros(count, int) if crowd else np.full(count, -1),
        calibration={},
        warnings=(),
    )


def run(make, spans, odds, atoms=None, probability=0.5, **more):
    """Labels of tracklets given as (camera, start_s, end_s)."""
    tracklets = [make.tracklet(camera, row, start, end) for row, (camera, start, end) in enumerate(spans)]
    assert [item.key for item in tracklets] == sorted(item.key for item in tracklets), "rows must be in order"
    exclusions = build_exclusions(
        build_table(tracklets, make.site("a", "b", "c", overlap="unknown")), ConstraintConfig()
    )
    return cluster(
        atoms or [[row] for row in range(len(spans))],
        scores(len(spans), odds, **more),
        exclusions,
        same_probability=probability,
        sweeps=10,
    ).tolist()


def test_a_chain_whose_ends_exclude_each_other_is_cut_at_its_weak_link(make):
    spans = [("a", 0, 10), ("a", 5, 15), ("b", 20, 30)]
    assert run(make, spans, {(0, 2): 2.0, (1, 2): 3.0}) == [0, 1, 1]
    assert run(make, spans, {(0, 2): 3.0, (1, 2): 2.0}) == [0, 1, 0]


def test_the_sum_decides_where_the_strongest_pair_would_block_two_good_ones(make):
    """Two people in each of two cameras: 3.0 alone leaves -5, the crossed pairs have 2.9 + 2.9."""
    spans = [("a", 0, 10), ("a", 5, 15), ("b", 20, 30), ("b", 25, 35)]
    odds = {(0, 2): 3.0, (0, 3): 2.9, (1, 2): 2.9, (1, 3): -5.0}
    assert run(make, spans, odds) == [0, 1, 1, 0]


def test_every_witness_counts(make):
    """One good pair does not outweigh two bad ones, and two good ones outweigh a doubtful one."""
    spans = [("a", 0, 10), ("b", 0, 10), ("c", 0, 10)]
    assert run(make, spans, {(0, 1): 6.0, (0, 2): 3.0, (1, 2): -4.0}) == [0, 0, 1]
    assert run(make, spans, {(0, 1): 6.0, (0, 2): 3.0, (1, 2): -1.0}) == [0, 0, 0]


def test_one_impossible_pair_does_not_outweigh_good_ones(make):
    """A tracklet that changed person makes one pair all but impossible; the rest of the evidence stands."""
    spans = [("a", 0, 10), ("b", 0, 10), ("c", 0, 10)]
    assert run(make, spans, {(0, 1): 6.0, (0, 2): 4.0, (1, 2): -0.5}) == [0, 0, 0]
    assert run(make, spans, {(0, 1): 6.0, (0, 2): 4.0, (1, 2): -500.0}, probability=0.45) == [0, 0, 0]


@pytest.mark.parametrize(("probability", "joined"), [(0.7, True), (0.8, False)])
def test_threshold_is_a_probability(make, probability, joined):
    spans = [("a", 0, 10), ("b", 0, 10)]
    labels = run(make, spans, {(0, 1): math.log(3)}, probability=probability)
    assert (labels[0] == labels[1]) == joined


def test_what_is_certain_stays_together_and_counts_as_one(make):
    spans = [("a", 0, 10), ("a", 20, 30), ("b", 0, 10)]
    odds = {(0, 1): -8.0, (0, 2): 3.0, (1, 2): -1.0}
    assert run(make, spans, odds, atoms=[[0, 1], [2]]) == [0, 0, 0]
    odds[1, 2] = -4.0
    assert run(make, spans, odds, atoms=[[0, 1], [2]]) == [0, 0, 1]


def test_pairs_that_are_no_candidates_count_against_in_a_crowd(make):
    spans = [("a", 0, 10), ("b", 0, 10), ("c", 0, 10)]
    odds = {(0, 1): 5.0, (1, 2): 1.0}
    assert run(make, spans, odds) == [0, 0, 0]
    assert run(make, spans, odds, crowd=True) == [0, 0, 1]


def test_nothing_to_decide(make):
    assert run(make, [("a", 0, 10)], {}) == [0]


@pytest.mark.parametrize("seed", range(60))
def test_refinement_of_a_crowd_never_loses_anybody(make, seed):
    """Random evidence among many who exclude each other: nobody is lost, and no two of them are put together."""
    rng = np.random.default_rng(seed)
    spans = sorted(
        (str(rng.choice(["a", "b", "c"])), float(start), float(start + 12)) for start in rng.uniform(0, 40, 16)
    )
    odds = {
        (one, two): float(rng.normal(0, 3)) for one in range(16) for two in range(one + 1, 16) if rng.uniform() < 0.7
    }
    labels = run(make, spans, odds)
    assert len(labels) == 16
    for one in range(16):
        for two in range(one + 1, 16):
            together = spans[one][0] == spans[two][0] and abs(spans[one][1] - spans[two][1]) < 10
            assert not (together and labels[one] == labels[two])
