from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.association import calibration
from pipeline.association.calibration import (
    Calibration,
    CalibrationSample,
    expected_different,
    fit,
    prior_calibration,
    prior_for,
)
from pipeline.association.competition import Competition
from pipeline.association.config import AppearanceConfig, AppearancePrior
from pipeline.association.two_sided import TwoSided, count, fit_counts

CONFIG = AppearanceConfig()
PRIOR = AppearancePrior()


@settings(max_examples=60)
@given(
    same=st.floats(0.05, 1.0),
    gap=st.floats(0.0, 1.0),
    widths=st.tuples(st.floats(0.01, 0.5), st.floats(0.01, 0.5)),
)
def test_the_ratio_falls_with_distance_and_is_bounded(same, gap, widths):
    shape = (0.0, 1.0, 1.0)
    near, far = TwoSided.of(same, widths[0], shape), TwoSided.of(same + gap, widths[1], shape)
    calibration = Calibration(near, far, 0.01, 0.0005, 0.5)
    ratio = calibration.llr(np.linspace(0, 2, 200))
    assert (np.diff(ratio) <= 1e-9).all()
    assert ratio.min() >= np.log(0.01) - 1e-3
    assert ratio.max() <= np.log(1 / widths[0] / 0.0005 * far.mean)


def test_no_distance_is_no_evidence_and_little_visibility_little():
    calibration = prior_calibration(PRIOR, CONFIG)
    assert calibration.llr(np.nan) == 0.0
    full, half, quarter = calibration.llr(np.full(3, 0.1), np.array([1.0, 0.5, 0.125]))
    assert full == half == pytest.approx(4 * quarter)


def test_the_expected_distance_grows_as_the_common_look_goes():
    assert expected_different(PRIOR, 0.0) == pytest.approx(PRIOR.different)
    assert expected_different(PRIOR, 1.0) == pytest.approx(1.0)
    assert PRIOR.different < expected_different(PRIOR, 0.5) < 1.0


def test_the_longest_name_that_fits_wins():
    config = AppearanceConfig(
        priors={name: AppearancePrior(different=d) for name, d in [("default", 0.5), ("kpr", 0.6), ("kpr_swin", 0.7)]}
    )
    assert prior_for("kpr_swin@1", config).different == 0.7
    assert prior_for("kpr_resnet", config).different == 0.6
    assert prior_for("other", config).different == 0.5


@pytest.mark.parametrize("name", ["0277", "0288"])
def test_networks_of_the_open_model_zoo_have_a_prior_of_their_own_by_part_too(name):
    model = f"person-reidentification-retail-{name}"
    own = prior_for(f"{model}@1", CONFIG)
    assert own == prior_for(f"parts5:{model}@1", CONFIG)
    assert own.different > PRIOR.different
    assert prior_for("person-reidentification-retail-0300@1", CONFIG) == PRIOR


def sample(distances, people, per_camera, negatives=(), halves=()):
    """``people`` in two cameras, ``distances`` (people, people): row in camera 0, column in camera 1."""
    a, b = (side.ravel() for side in np.indices(distances.shape))
    b = b + people
    source, target = np.concatenate([a, b]), np.concatenate([b, a])
    nothing = np.full(len(source), np.nan)
    competition = Competition(
        source,
        target,
        source,
        np.full(len(source), per_camera),
        np.zeros(len(source), bool),
        nothing,
    )
    return CalibrationSample(
        distance=distances.ravel(),
        visibility=np.ones(distances.size),
        evidence=np.zeros(distances.size),
        between_visits=np.ones(distances.size, bool),
        competition=competition,
        negatives=np.asarray(negatives, float),
        unlabelled=None,
        all_pairs=distances.size,
        tracklets=2 * people,
        halves=np.asarray(halves, float),
        share_removed=0.0,
    )


def fitted(given, prior=PRIOR, config=CONFIG):
    """(calibration, meeting) of a sample."""
    found = fit(given, prior, config)
    return found.calibration, found.meeting


@pytest.mark.parametrize(("same", "different"), [(0.2, 0.5), (0.5, 0.9), (0.1, 0.3)])
def test_it_learns_a_site_that_is_not_like_the_prior(same, different):
    """The density of one person it follows half of the way: there, nothing says who is who."""
    rng = np.random.default_rng(0)
    distances = rng.normal(different, 0.06, (60, 60))
    np.fill_diagonal(distances, rng.normal(same, 0.05, 60))
    negatives = rng.normal(different, 0.06, 300)
    learnt, meeting = fitted(sample(distances, 60, 60, negatives), PRIOR, CONFIG)
    assert learnt.different.mean == pytest.approx(different, abs=0.01)
    half_way = 0.5 * (same + PRIOR.same_ratio * different)
    assert learnt.same.mean == pytest.approx(half_way, abs=0.03)
    assert meeting.match > 0.85


def site_of_many_returns(seed=0):
    """Eight people with five tracklets in either of two cameras, of a network that is as expected."""
    rng = np.random.default_rng(seed)
    one = np.kron(np.eye(8), np.ones((5, 5))) > 0
    distances = np.where(one, rng.normal(0.55, 0.17, (40, 40)), rng.normal(0.96, 0.15, (40, 40)))
    return sample(np.abs(distances), 40, 40, rng.normal(0.96, 0.15, 100))


def test_pairs_of_one_person_do_not_widen_the_density_of_different_people(monkeypatch):
    prior = AppearancePrior(different=0.96)
    held, _ = fitted(site_of_many_returns(), prior)
    assert held.different.std == pytest.approx(0.15, abs=0.015)
    monkeypatch.setattr(TwoSided, "low", property(lambda density: 0.0))
    leaked, _ = fitted(site_of_many_returns(), prior)
    assert leaked.different.std > 0.175
    assert held.llr(0.5) > leaked.llr(0.5) + 0.5


def test_the_density_of_different_people_may_move_away_from_one_person():
    rng = np.random.default_rng(0)
    distances = rng.normal(0.49, 0.04, (60, 60))
    np.fill_diagonal(distances, rng.normal(0.2, 0.05, 60))
    learnt, _ = fitted(sample(distances, 60, 60, rng.normal(0.49, 0.04, 300)))
    assert learnt.different.std == pytest.approx(0.04, abs=0.01)


@pytest.mark.parametrize("people", [20, 200])
def test_guesses_never_outweigh_what_was_expected(people):
    """However many pairs seem to be one person: their error is not one of chance."""
    rng = np.random.default_rng(0)
    prior = AppearancePrior(different=0.96)
    distances = rng.normal(0.96, 0.1, (people, people))
    np.fill_diagonal(distances, rng.normal(0.2, 0.03, people))
    learnt, meeting = fitted(sample(distances, people, people, rng.normal(0.96, 0.1, 300)), prior)
    expected = prior.same_ratio * learnt.different.mean
    assert meeting.match > 0.85
    assert 0.5 * (expected + 0.2) - 0.01 < learnt.same.mean < expected - 0.03


@pytest.mark.parametrize(("factor", "moved"), [(0.6, 0.6), (0.85, 1.0), (1.2, 1.2), (1.9, 1.9)])
def test_a_network_whose_distances_are_of_another_size_is_followed(factor, moved):
    """A little smaller they may be by pairs of one person; much smaller, and larger by anything, by the network."""
    size = PRIOR.different * factor
    apart = np.random.default_rng(0).normal(size, PRIOR.different_spread * size, 300)
    learnt, _ = fitted(sample(np.full((3, 3), np.nan), 3, 3, apart))
    assert learnt.different.mean == pytest.approx(moved * PRIOR.different, rel=0.06)
    assert learnt.same.mean == pytest.approx(moved * PRIOR.same_ratio * PRIOR.different, rel=0.06)


@pytest.mark.parametrize("distance", [0.0, -1e-8, 1e-8])
def test_a_network_that_describes_everybody_alike_tells_nothing(distance):
    everybody = np.full(30, distance)
    found = fit(sample(np.full((6, 6), distance), 6, 6.0, everybody, everybody[:5]), PRIOR, CONFIG)
    assert not found.learnt
    assert abs(found.calibration.llr(distance)) < 0.1


def test_it_notices_that_nobody_meets_again():
    rng = np.random.default_rng(0)
    distances = rng.normal(0.49, 0.08, (60, 60))
    _, meeting = fitted(sample(distances, 60, 60, rng.normal(0.49, 0.08, 300)), PRIOR, CONFIG)
    assert meeting.match < 0.25


def test_without_pairs_the_prior_stands():
    learnt, meeting = fitted(sample(np.full((1, 1), np.nan), 1, 1), PRIOR, CONFIG)
    wanted = prior_calibration(PRIOR, CONFIG)
    assert learnt.same.mean == pytest.approx(wanted.same.mean, abs=0.01)
    assert learnt.different.mean == pytest.approx(wanted.different.mean, abs=0.01)
    assert meeting.match <= CONFIG.match_prior


def test_one_pair_hardly_moves_the_prior():
    wanted = prior_calibration(PRIOR, CONFIG)
    learnt, _ = fitted(sample(np.array([[0.3]]), 1, 1), PRIOR, CONFIG)
    assert learnt.same.mean == pytest.approx(wanted.same.mean, abs=0.02)
    assert learnt.different.mean == pytest.approx(wanted.different.mean, abs=0.02)


def test_halves_of_tracklets_bound_the_easy_end():
    """A model that does not even know a person again two seconds later must not be trusted between cameras."""
    rng = np.random.default_rng(0)
    distances, negatives = rng.normal(0.5, 0.1, (3, 3)), rng.normal(0.5, 0.1, 100)
    poor, _ = fitted(sample(distances, 3, 3, negatives, halves=rng.normal(0.4, 0.1, 200)), PRIOR, CONFIG)
    good, _ = fitted(sample(distances, 3, 3, negatives, halves=rng.normal(0.15, 0.05, 200)), PRIOR, CONFIG)
    assert poor.same.mean > good.same.mean + 0.07
    assert poor.llr(0.2) < good.llr(0.2)


def test_people_who_look_alike_do_not_make_it_collapse():
    """Distances of one person start two deviations below those of others: far from the prior, among 100 candidates."""
    rng = np.random.default_rng(0)
    distances = rng.normal(0.95, 0.06, (100, 100))
    np.fill_diagonal(distances, rng.normal(0.72, 0.05, 100))
    learnt, meeting = fitted(sample(distances, 100, 100, rng.normal(0.95, 0.06, 2000)))
    assert learnt.llr(0.72) > 3
    assert meeting.match == pytest.approx(1.0, abs=0.15)


def test_lookalikes_seen_side_by_side_bound_what_a_likeness_is_worth():
    rng = np.random.default_rng(0)
    distances = rng.normal(0.9, 0.06, (60, 60))
    np.fill_diagonal(distances, rng.normal(0.3, 0.05, 60))
    apart = rng.normal(0.9, 0.06, 2000)
    unlike, _ = fitted(sample(distances, 60, 60, apart))
    uniforms, _ = fitted(sample(distances, 60, 60, np.concatenate([apart, rng.uniform(0.2, 0.4, 40)])))
    assert uniforms.lookalike > 10 * unlike.lookalike
    assert uniforms.llr(0.3) < unlike.llr(0.3) - 2


def test_the_more_are_seen_side_by_side_the_more_a_likeness_may_be_worth():
    """So no crowd is so large that its prior outgrows the evidence."""
    rng = np.random.default_rng(0)
    distances = rng.normal(0.9, 0.06, (60, 60))
    np.fill_diagonal(distances, rng.normal(0.3, 0.05, 60))
    few, many = (fitted(sample(distances, 60, 60, rng.normal(0.9, 0.06, number)))[0] for number in (50, 20000))
    assert many.llr(0.3) > few.llr(0.3) + 2


def test_a_site_on_which_nobody_stands_out_says_so_and_keeps_the_prior():
    rng = np.random.default_rng(0)
    given = sample(rng.normal(0.49, 0.02, (60, 60)), 60, 60, rng.normal(0.49, 0.02, 3000))
    found = fit(given, PRIOR, CONFIG)
    assert not found.learnt
    assert found.calibration == prior_calibration(PRIOR, CONFIG)


def test_where_the_prior_stays_in_force_meetings_are_counted_by_it(monkeypatch):
    """Not by what learning ended with, which may be that nobody ever meets."""
    expected = prior_calibration(PRIOR, CONFIG)
    rng = np.random.default_rng(0)
    distances = rng.normal(expected.different.mean, 0.03, (60, 60))
    np.fill_diagonal(distances, rng.normal(expected.same.mean, 0.03, 60))
    monkeypatch.setattr(calibration, "_FEWEST_PAIRS", 1e9)
    found = fit(sample(distances, 60, 60, rng.normal(expected.different.mean, 0.03, 2000)), PRIOR, CONFIG)
    assert not found.learnt
    assert found.meeting.match > 0.8
    nobody = rng.normal(expected.different.mean, 0.03, (60, 60))
    alone = fit(sample(nobody, 60, 60, rng.normal(expected.different.mean, 0.03, 2000)), PRIOR, CONFIG)
    assert alone.meeting.match < 0.3


def test_two_sided_densities_are_found_again():
    rng = np.random.default_rng(0)
    side = rng.random(20000) < 0.05 / 0.15
    values = 0.6 + np.where(side, -0.05, 0.1) * np.abs(rng.normal(size=20000))
    found = fit_counts(count(values))
    assert (found.mode, found.below, found.above) == pytest.approx((0.6, 0.05, 0.1), abs=0.006)
    assert found.mean == pytest.approx(values.mean(), abs=0.004)
    assert found.std == pytest.approx(values.std(), abs=0.004)


def test_densities_that_lie_on_one_another_tell_nobody_apart():
    prior = prior_calibration(PRIOR, CONFIG)
    assert prior.tells_apart
    assert not replace(prior, same=prior.different).tells_apart
