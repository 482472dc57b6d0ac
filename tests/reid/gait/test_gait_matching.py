from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from data.errors import UserError
from data.skeleton_forms import as_seen
from data.skeleton_sequences import JOINTS, Recording
from data.synthetic.gait_set import GaitSetOptions, make_gaits
from reid.gait.description import describe
from reid.gait.encoder import GaitEncoder
from reid.gait.files import load_matcher, save_matcher
from reid.gait.matching import AdaptedGaits, GaitMatcher, equal_error_rate, fit_matcher
from reid.gait.spec import GaitSpec


def crowd(people: int, each: int, seed: int, between: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    """Features of which two directions tell people apart, and eight do not."""
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(people), each)
    found = rng.normal(size=(len(who), 10))
    found[:, :2] += np.sqrt(between) * rng.normal(size=(people, 2))[who]
    mixing = np.random.default_rng(99).normal(size=(10, 10))
    return found @ mixing + 5, who


def test_the_ratio_is_that_of_two_normal_densities() -> None:
    between = np.array([4.0, 0.5])
    vectors = np.random.default_rng(0).normal(size=(6, 2)) * 2
    gaits = AdaptedGaits(vectors, between, 1.0)
    a, b = np.triu_indices(6, 1)
    cov = np.diag(between)
    joint = np.block([[cov + np.eye(2), cov], [cov, cov + np.eye(2)]])
    alone = multivariate_normal(np.zeros(2), cov + np.eye(2))
    same = multivariate_normal(np.zeros(4), joint).logpdf(np.hstack([vectors[a], vectors[b]]))
    wanted = same - alone.logpdf(vectors[a]) - alone.logpdf(vectors[b])
    assert gaits.log_ratio(a, b) == pytest.approx(wanted)
    assert gaits.log_ratios(np.arange(6))[a, b] == pytest.approx(wanted)


def test_the_directions_that_tell_people_apart_are_found() -> None:
    matcher = fit_matcher(*crowd(200, 6, 1), "plane", 10.0, 10)
    assert matcher.between[:2] == pytest.approx([3, 3], rel=0.35)
    assert (matcher.between[2:] < 0.3).all()
    features, who = crowd(40, 4, 2)
    gaits = matcher.adapt(features)
    a, b = np.triu_indices(len(who), 1)
    same = who[a] == who[b]
    ratio = gaits.log_ratio(a, b)
    assert equal_error_rate(ratio[same], ratio[~same]) < 0.36 < 0.5
    # Of different people, a likelihood ratio is 1 in the mean.
    assert np.exp(ratio[~same]).mean() == pytest.approx(1, abs=0.3)
    assert gaits.strange == pytest.approx(1, abs=0.3)


def test_what_varies_on_a_site_beyond_people_weakens_the_evidence() -> None:
    matcher = fit_matcher(*crowd(200, 6, 1), "plane", 10.0, 10)
    features, _ = crowd(40, 4, 2)
    noisy = features + 4 * np.random.default_rng(3).normal(size=features.shape)
    clear, blurred = matcher.adapt(features), matcher.adapt(noisy)
    assert blurred.strange > 3 > clear.strange
    a, b = np.triu_indices(len(features), 1)
    assert np.abs(blurred.log_ratio(a, b)).mean() < 0.5 * np.abs(clear.log_ratio(a, b)).mean()


def test_a_common_shift_changes_nothing_on_a_large_site() -> None:
    matcher = fit_matcher(*crowd(200, 6, 1), "plane", 10.0, 10)
    features, _ = crowd(100, 4, 2)
    shifted = matcher.adapt(features + 2 * np.random.default_rng(0).normal(size=10))
    a, b = np.triu_indices(100, 1)
    assert shifted.log_ratio(a, b) == pytest.approx(matcher.adapt(features).log_ratio(a, b), abs=0.2)


def test_too_few_people_are_refused() -> None:
    with pytest.raises(UserError, match="at least 10 people"):
        fit_matcher(*crowd(5, 6, 1), "plane", 10.0, 10)
    with pytest.raises(UserError, match="two recordings each"):
        fit_matcher(*crowd(30, 1, 1), "plane", 10.0, 10)


def recordings(people: int = 12) -> list[Recording]:
    options = GaitSetOptions(people=people, seconds=1.5, views_deg=(90,))
    return as_seen(make_gaits(options, 1), "plane", 10)


def test_descriptions_are_means_over_sequences() -> None:
    walks = recordings(2)[:3]
    unknown = walks[0].points.copy()
    unknown[:, 3] = np.nan
    walks.append(Recording(unknown, walks[0].times_s))
    features, counts = describe(walks, 10)
    assert features.shape == (4, 6 * len(JOINTS))
    assert counts.tolist() == [2, 2, 2, 0]
    assert np.isnan(features[3]).all()
    alone, _ = describe(walks[1:2], 10)
    assert np.allclose(alone[0], features[1])
    assert describe([], 10)[0].shape == (0, 0)


def test_matchers_read_back(tmp_path: Path) -> None:
    walks = recordings()
    people = np.array([item.person for item in walks])
    torch.manual_seed(0)
    encoder = GaitEncoder(GaitSpec(joints=len(JOINTS), frames=4)).eval()
    for given, frames in ((None, 10), (encoder, 4)):
        features, _ = describe(walks, frames, given)
        matcher = fit_matcher(features, people, "plane", 10.0, frames)
        path = tmp_path / f"{frames}.safetensors"
        save_matcher(path, matcher, given, {"people": "synthetic"})
        found, model = load_matcher(path)
        assert (found.form, found.fps, found.frames) == ("plane", 10.0, frames)
        assert np.array_equal(found.directions, matcher.directions)
        if given is not None:
            assert model is not None
            assert np.array_equal(describe(walks[:2], frames, model)[0], features[:2])
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="cannot read"):
        load_matcher(path)
    broken = GaitMatcher(np.zeros(3), np.zeros((4, 2)), np.zeros(2), "plane", 10.0, 10)
    save_matcher(path, broken, None, {})
    with pytest.raises(UserError, match="shapes are of no matcher"):
        load_matcher(path)
