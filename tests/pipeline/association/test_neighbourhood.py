import numpy as np
import pytest

from pipeline.association.config import RerankConfig
from pipeline.association.neighbourhood import pair_jaccard, rerank_cue
from reid.ranking.rerank import Neighbourhood, rerank_square


def everybody(people, each, seed=0, noise=0.4, dim=32):
    rng = np.random.default_rng(seed)
    vectors = np.repeat(rng.normal(size=(people, dim)), each, axis=0) + noise * rng.normal(size=(people * each, dim))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return 1 - vectors @ vectors.T, np.repeat(np.arange(people), each)


@pytest.mark.parametrize(("k1", "k2"), [(3, 1), (4, 2), (8, 3)])
def test_all_pairs_give_what_the_dense_form_gives(k1, k2):
    distances, _ = everybody(8, 4)
    a, b = np.triu_indices(len(distances), 1)
    np.fill_diagonal(distances, 0.0)
    wanted = rerank_square(distances, Neighbourhood(k1, k2, 0.0))[a, b]
    found = pair_jaccard(a, b, distances[a, b], len(distances), Neighbourhood(k1, k2, 0.0))
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_neighbours_raise_true_pairs_and_keep_the_expected_number():
    distances, people = everybody(20, 5, noise=0.7)
    a, b = np.triu_indices(len(people), 1)
    odds = 8 * (0.55 - distances[a, b]) - 2
    cue, facts = rerank_cue(a, b, odds, RerankConfig(min_per_person=1.0))
    assert facts["used"]
    assert not np.isnan(cue).any()
    same = people[a] == people[b]
    assert cue[same].mean() > cue[~same].mean() + 0.5
    before, after = 1 / (1 + np.exp(-odds)), 1 / (1 + np.exp(-(odds + cue)))
    assert after.sum() == pytest.approx(before.sum(), rel=0.02)
    assert np.log(after[same]).mean() > np.log(before[same]).mean()


def test_off_where_the_set_is_too_small_or_people_have_too_few():
    for people, each in ((1, 4), (30, 2)):
        _, names = everybody(people, each, noise=0.1)
        a, b = np.triu_indices(len(names), 1)
        odds = np.where(names[a] == names[b], 5.0, -9.0)
        cue, facts = rerank_cue(a, b, odds, RerankConfig())
        assert np.isnan(cue).all()
        assert not facts["used"]
