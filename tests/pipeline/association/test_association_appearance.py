import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.kernels.parts import joint_visibility, pair_weights
from data.site import Site
from pipeline.association.appearance import compare, gather_families, halves, nearest_pairs
from pipeline.association.config import AppearanceConfig
from pipeline.association.table import build_table

RAW = AppearanceConfig(camera_mean=False)


def gather(make, prototypes, config=RAW):
    tracklets = [make.tracklet("a", number, prototypes=item) for number, item in enumerate(prototypes)]
    return gather_families(build_table(tracklets, Site.blank([])), config)[0]


def test_distance_of_one_prototype_each_is_the_cosine_distance(make):
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(2, 1, 3, 16))
    family = gather(make, [make.embeddings(vectors[0]), make.embeddings(vectors[1])])
    pairs = compare(family, np.array([0]), np.array([1]), 0.25)
    unit = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    np.testing.assert_allclose(pairs.parts[0], 1 - (unit[0, 0] * unit[1, 0]).sum(-1), atol=1e-5)
    assert pairs.distance[0] == pytest.approx(pairs.parts[0].mean(), abs=1e-6)
    assert pairs.visibility[0] == pytest.approx(1.0)


def test_one_foreign_prototype_hardly_moves_the_distance(make):
    rng = np.random.default_rng(0)
    person, foreign = rng.normal(size=(2, 1, 1, 128))
    own = person + 0.2 * rng.normal(size=(8, 1, 128))
    spoilt = own.copy()
    spoilt[0] = foreign
    family = gather(make, [make.embeddings(own[:4]), make.embeddings(own[4:]), make.embeddings(spoilt[:4])])
    clean, dirty = compare(family, np.array([0, 1]), np.array([1, 2]), 0.25).distance
    assert dirty - clean < 0.06


def test_parts_not_seen_in_both_do_not_count(make):
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(1, 2, 16))
    other = np.concatenate([vectors[:, :1], rng.normal(size=(1, 1, 16))], axis=1)
    family = gather(
        make, [make.embeddings(vectors, np.array([[1.0, 0.0]])), make.embeddings(other, np.array([[1.0, 1.0]]))]
    )
    pairs = compare(family, np.array([0]), np.array([1]), 0.25)
    assert pairs.distance[0] == pytest.approx(0.0, abs=1e-6)
    assert np.isnan(pairs.parts[0, 1])
    assert pairs.part_weights[0].tolist() == [1.0, 0.0]


def test_no_part_in_common_is_nan(make):
    vectors = np.ones((1, 2, 4))
    family = gather(make, [make.embeddings(vectors, np.eye(2)[:1]), make.embeddings(vectors, np.eye(2)[1:])])
    assert np.isnan(compare(family, np.array([0]), np.array([1]), 0.25).distance).all()


@settings(max_examples=30)
@given(seed=st.integers(0, 1000))
def test_weights_of_aligned_rows_are_those_of_pairs(make, seed):
    rng = np.random.default_rng(seed)
    kinds = ("holistic", "part", "part", "part")
    seen = rng.choice([0.0, 0.3, 1.0], (2, 4)).astype(np.float32)
    a, b = (make.embeddings(np.ones((1, 4, 2)), seen[row : row + 1], kinds=kinds) for row in (0, 1))
    ours = joint_visibility(a.visibility, b.visibility, np.array([True, False, False, False]))
    np.testing.assert_allclose(ours, pair_weights(a, b)[0], atol=1e-6)


def test_all_pairs_of_a_small_set_and_near_ones_of_a_large(make):
    rng = np.random.default_rng(0)
    people = rng.normal(size=(10, 1, 1, 32))
    family = gather(make, [make.embeddings(people[n % 10] + 0.1 * rng.normal(size=(1, 1, 32))) for n in range(40)])
    assert len(nearest_pairs(family, 39)[0]) == 40 * 39 // 2
    found = set(zip(*(side.tolist() for side in nearest_pairs(family, 3))))
    assert found == {(x, y) for x in range(40) for y in range(x + 1, 40) if x % 10 == y % 10}


def test_camera_means_go_and_few_tracklets_keep_theirs(make):
    rng = np.random.default_rng(0)
    people, cameras = rng.normal(size=(40, 1, 1, 64)), 2 * rng.normal(size=(2, 1, 1, 64))

    def of(count):
        tracklets = [
            make.tracklet("ab"[camera], person, prototypes=make.embeddings(people[person] + cameras[camera]))
            for camera in range(2)
            for person in range(count)
        ]
        return build_table(tracklets, Site.blank([]))

    def across(count, config):
        (family,) = gather_families(of(count), config)
        return family, compare(family, np.arange(count), np.arange(count, 2 * count), 0.25).distance.mean()

    family, kept = across(40, RAW)
    assert family.share_removed == 0
    family, removed = across(40, AppearanceConfig())
    assert family.share_removed == pytest.approx(40 / 45)
    assert removed < 0.5 * kept
    assert across(1, AppearanceConfig())[0].share_removed == pytest.approx(1 / 6)


def test_halves_need_a_gap_in_time(make):
    rng = np.random.default_rng(0)
    person = rng.normal(size=(1, 1, 32))
    prototypes = make.embeddings(person + 0.3 * rng.normal(size=(6, 1, 32)))
    table = build_table(
        [make.tracklet("a", 0, 0, 10, prototypes=prototypes), make.tracklet("a", 1, 20, 21, prototypes=prototypes)],
        Site.blank([]),
    )
    (family,) = gather_families(table, RAW)
    found = halves(family, table, 2.0, 0.25)
    assert len(found) == 1
    assert 0 < found[0] < 0.2


def test_many_prototypes_are_thinned_evenly(make):
    family = gather(
        make, [make.embeddings(np.random.default_rng(0).normal(size=(16, 1, 8)))], AppearanceConfig(prototypes=5)
    )
    assert family.vectors.shape == (1, 1, 5, 8)
