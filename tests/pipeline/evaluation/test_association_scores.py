import numpy as np
import pytest

from data.errors import UserError
from data.records import Link
from pipeline.evaluation.association.reference import best_average_linkage
from pipeline.evaluation.association.scores import identity_f1, reliability, score, score_pairs
from pipeline.evaluation.association.simulation import Crowd, ring_site, simulate
from pipeline.evaluation.association.truth import NOBODY, TrackletTruth

A, B, C, D = ("a", 0), ("a", 1), ("b", 0), ("b", 1)


def link(a: tuple[str, int], b: tuple[str, int], probability: float, constraint: str = "") -> Link:
    return Link(a, b, {}, {}, {}, 1.0, probability, "same", 0.0, constraint)


def test_pairs_are_counted_by_hand() -> None:
    pairs = score_pairs(np.array([1, 1, 1, 2, NOBODY]), np.array([7, 7, 8, 8, 8]))
    assert (pairs.right, pairs.made, pairs.true) == (1, 4, 3)
    assert pairs.f == pytest.approx(2 * 0.25 * (1 / 3) / (0.25 + 1 / 3))


def test_nothing_made_is_precise_and_finds_nothing() -> None:
    pairs = score_pairs(np.array([1, 1, 2]), np.arange(3))
    assert (pairs.precision, pairs.recall, pairs.f) == (1.0, 0.0, 0.0)


def test_identity_f1_takes_one_identity_per_person() -> None:
    truth = TrackletTruth.of_pure({A: 1, B: 1, C: 2, D: 2}, {A: 10, B: 4, C: 5, D: 1})
    assert identity_f1(truth, truth.labels({A: 0, B: 0, C: 1, D: 1})) == 1.0
    assert identity_f1(truth, truth.labels({A: 0, B: 0, C: 0, D: 0})) == pytest.approx(14 / 20)
    assert identity_f1(truth, truth.labels({A: 0, B: 1, C: 1, D: 0})) == pytest.approx(15 / 20)


def test_rows_that_no_tracklet_has_and_false_rows_cost() -> None:
    truth = TrackletTruth((A,), np.array([8]), np.array([0]), np.array([3]), np.array([6]), 10)
    assert identity_f1(truth, np.array([0])) == pytest.approx(2 * 6 / (8 + 10))


def test_a_tracklet_of_two_people_is_mixed_and_counts_for_the_first() -> None:
    truth = TrackletTruth(
        (A, B), np.array([10, 10]), np.array([0, 0, 1]), np.array([1, 2, 2]), np.array([6, 4, 10]), 20
    )
    main, share = truth.main()
    assert main.tolist() == [1, 2]
    assert share.tolist() == [0.6, 1.0]
    assert score(truth, {A: 0, B: 1}).mixed == 1


def test_a_tracklet_of_nobody_is_in_no_true_pair() -> None:
    truth = TrackletTruth((A, B), np.array([5, 5]), np.zeros(0, int), np.zeros(0, int), np.zeros(0, int), 0)
    found = score(truth, {A: 0, B: 0})
    assert found.pairs.precision == 0.0
    assert found.idf1 == 0.0


def test_calibrated_links_have_no_error_and_boasting_ones_have() -> None:
    people = {("a", number): number for number in range(10)} | {("b", number): number % 5 for number in range(10)}
    truth = TrackletTruth.of_pure(people)
    links = [link(("a", number), ("b", number), 0.5) for number in range(10)]
    labels = dict.fromkeys(people, 0)
    honest, boasting = reliability(truth, labels, links), reliability(truth, labels, [link(A, D, 0.95)])
    assert honest.expected_error == pytest.approx(0.0)
    assert (honest.bins[0].links, honest.joined_true) == (10, 0.5)
    assert boasting.expected_error == pytest.approx(0.95)


def test_constraints_and_unknown_tracklets_are_not_judged() -> None:
    truth = TrackletTruth.of_pure({A: 1, B: 1})
    links = [link(A, B, 1.0, "declared"), link(A, ("z", 0), 0.4)]
    assert reliability(truth, {A: 0, B: 0}, links).bins == ()


def test_a_simulated_crowd_is_the_same_for_a_seed_and_knows_who_is_who() -> None:
    crowd = Crowd(80, 3, 0.5, seed=4)
    first, truth = simulate(crowd)
    again, _ = simulate(crowd)
    assert len(first) == 80
    assert np.unique(truth.person, return_counts=True)[1].tolist() == [4] * 20
    assert all((a.boxes == b.boxes).all() and a.key == b.key for a, b in zip(first, again))
    assert set(ring_site(crowd).cameras) == {item.camera for item in first}
    with pytest.raises(UserError, match="a crowd needs"):
        simulate(Crowd(3, 1, 0.5))


def test_the_reference_finds_distinct_people_and_fails_where_looks_say_nothing() -> None:
    clear, _ = best_average_linkage(*simulate(Crowd(80, 3, 0.2)))
    blurred, _ = best_average_linkage(*simulate(Crowd(80, 3, 30.0)))
    assert clear.f == 1.0
    assert blurred.f < 0.3
