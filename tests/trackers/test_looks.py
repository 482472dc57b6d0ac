"""Remembered looks and the meaning of distances."""

import numpy as np
import pytest

from data.records import PartEmbeddings
from trackers.appearance import DistanceScale, blank, blend, from_tree, join, to_tree
from trackers.config import LooksConfig

NAN = np.nan


def parts(vectors: list[list[list[float]]], visibility: list[list[float]]) -> PartEmbeddings:
    return PartEmbeddings(
        np.array(vectors, np.float32), np.array(visibility, np.float32), ("upper", "lower"), ("part", "part"), "drawn"
    )


class TestBlend:
    OLD = parts([[[1, 0], [0, 0]]], [[1, 0]])

    def test_a_part_never_seen_is_taken_as_it_is_and_an_invisible_one_stays(self) -> None:
        new = parts([[[0, 0], [0, 1]]], [[0, 0.4]])
        mixed = blend(self.OLD, new, np.array([0.1], np.float32))
        np.testing.assert_allclose(mixed.vectors[0], [[1, 0], [0, 1]])
        np.testing.assert_allclose(mixed.visibility, [[1, 0.4]])

    def test_a_part_moves_by_rate_and_visibility_and_keeps_its_length(self) -> None:
        slow, fast = (
            blend(self.OLD, parts([[[0, 1], [0, 0]]], [[seen, 0]]), np.array([0.5], np.float32)).vectors[0, 0]
            for seen in (0.4, 1.0)
        )
        np.testing.assert_allclose([np.linalg.norm(slow), np.linalg.norm(fast)], 1, rtol=1e-6)
        np.testing.assert_allclose(slow[1] / slow[0], 0.2 / 0.8, rtol=1e-6)
        np.testing.assert_allclose(fast[1] / fast[0], 1.0, rtol=1e-6)

    def test_opposite_looks_do_not_give_nan(self) -> None:
        mixed = blend(self.OLD, parts([[[-1, 0], [0, 0]]], [[1, 0]]), np.array([0.5], np.float32))
        assert np.isfinite(mixed.vectors).all()


def test_models_do_not_mix() -> None:
    one = TestBlend.OLD
    other = PartEmbeddings(one.vectors, one.visibility, one.part_names, one.part_kinds, "another")
    with pytest.raises(ValueError, match="'drawn' and 'another'"):
        join(one, other)
    assert len(join(one, blank(3, one))) == 4


def test_trees_come_back() -> None:
    again = from_tree(to_tree(TestBlend.OLD))
    assert again is not None
    np.testing.assert_array_equal(again.vectors, TestBlend.OLD.vectors)
    assert again.part_names == ("upper", "lower")
    assert from_tree(to_tree(None)) is None


class TestDistanceScale:
    def test_no_evidence_speaks_for_neither(self) -> None:
        scale = DistanceScale(LooksConfig(same_distance=0.1, other_distance=0.5))
        assert scale.familiarity(np.array([NAN])) == 0
        near, middle, far = scale.familiarity(np.array([0.1, 0.3, 0.5]))
        assert near == pytest.approx(-far)
        assert near > 0.7
        assert middle == pytest.approx(0)

    def test_it_learns_the_distances_of_the_model_in_use(self) -> None:
        rng = np.random.default_rng(0)
        scale = DistanceScale(LooksConfig())
        for _ in range(100):
            same = np.append(rng.normal(0.02, 0.005, 10), NAN)
            scale.learn(same, rng.normal(0.08, 0.01, 30))
        assert scale.familiarity(np.array([0.05]))[0] == pytest.approx(0, abs=0.05)
        near, far = scale.familiarity(np.array([0.02, 0.08]))
        assert near > 0.5
        assert far < -0.5

    def test_a_model_that_cannot_tell_people_apart_has_little_say(self) -> None:
        rng = np.random.default_rng(0)
        scale = DistanceScale(LooksConfig())
        for _ in range(100):
            scale.learn(rng.normal(0.1, 0.08, 10), rng.normal(0.18, 0.15, 30))
        assert np.abs(scale.familiarity(np.array([0.0, 0.5]))).max() < 0.2

    def test_running_moments_are_those_of_all_pairs(self) -> None:
        rng = np.random.default_rng(1)
        scale = DistanceScale(LooksConfig(guess_pairs=1e-9))
        chunks = [rng.normal(0.3, 0.1, size) for size in (1, 5, 40, 200)]
        for chunk in chunks:
            scale.learn(chunk, chunk[:0])
        everything = np.concatenate(chunks)
        state = scale.state()
        assert state["means"][0] == pytest.approx(everything.mean())
        assert state["variances"][0] == pytest.approx(everything.var())
        assert state["means"][1] == LooksConfig().other_distance

    def test_a_checkpoint_goes_on(self) -> None:
        scale, again = DistanceScale(LooksConfig()), DistanceScale(LooksConfig())
        scale.learn(np.array([0.2]), np.array([0.6, 0.7]))
        again.restore(scale.state())
        distances = np.linspace(0, 1, 5)
        np.testing.assert_array_equal(scale.familiarity(distances), again.familiarity(distances))
