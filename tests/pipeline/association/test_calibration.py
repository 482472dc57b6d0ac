import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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

CONFIG = AppearanceConfig()
PRIOR = AppearancePrior()


@settings(max_examples=60)
@given(
    same=st.floats(0.05, 1.0),
    gap=st.floats(0.0, 1.0),
    widths=st.tuples(st.floats(0.01, 0.5), st.floats(0.01, 0.5)),
)
def test_the_ratio_falls_with_distance_and_is_bounded(same, gap, widths):
    calibration = Calibration(same, widths[0], same + gap, widths[1], 8.0, 0.5)
    ratio = calibration.llr(np.linspace(0, 2, 200))
    assert (np.diff(ratio) <= 1e-9).all()
    assert np.abs(ratio).max() <= 8.0


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
        np.ones(len(source)),
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
        halves=np.asarray(halves, float),
        share_removed=0.0,
    )


@pytest.mark.parametrize(("same", "different"), [(0.2, 0.5), (0.5, 0.9), (0.1, 0.3)])
def test_it_learns_a_site_that_is_not_like_the_prior(same, different):
    rng = np.random.default_rng(0)
    distances = rng.normal(different, 0.06, (60, 60))
    np.fill_diagonal(distances, rng.normal(same, 0.05, 60))
    negatives = rng.normal(different, 0.06, 300)
    learnt, meeting = fit(sample(distances, 60, 60, negatives), PRIOR, CONFIG)
    assert learnt.different_mean == pytest.approx(different, abs=0.01)
    assert learnt.same_mean == pytest.approx(same, abs=0.04)
    assert meeting.match > 0.85


def test_it_notices_that_nobody_meets_again():
    rng = np.random.default_rng(0)
    distances = rng.normal(0.49, 0.08, (60, 60))
    _, meeting = fit(sample(distances, 60, 60, rng.normal(0.49, 0.08, 300)), PRIOR, CONFIG)
    assert meeting.match < 0.25


def test_without_pairs_the_prior_stands():
    learnt, meeting = fit(sample(np.full((1, 1), np.nan), 1, 1), PRIOR, CONFIG)
    wanted = prior_calibration(PRIOR, CONFIG)
    assert learnt.summary() == wanted.summary()
    assert meeting.match <= CONFIG.match_prior


def test_one_pair_hardly_moves_the_prior():
    wanted = prior_calibration(PRIOR, CONFIG)
    learnt, _ = fit(sample(np.array([[0.3]]), 1, 1), PRIOR, CONFIG)
    assert learnt.same_mean == pytest.approx(wanted.same_mean, abs=0.02)
    assert learnt.different_mean == pytest.approx(wanted.different_mean, abs=0.02)


def test_halves_of_tracklets_bound_the_easy_end():
    """A model that does not even know a person again two seconds later must not be trusted between cameras."""
    rng = np.random.default_rng(0)
    distances, negatives = rng.normal(0.5, 0.1, (3, 3)), rng.normal(0.5, 0.1, 100)
    poor, _ = fit(sample(distances, 3, 3, negatives, halves=rng.normal(0.4, 0.1, 200)), PRIOR, CONFIG)
    good, _ = fit(sample(distances, 3, 3, negatives, halves=rng.normal(0.15, 0.05, 200)), PRIOR, CONFIG)
    assert poor.same_mean > good.same_mean + 0.1
    assert poor.llr(0.2) < good.llr(0.2)
