"""Part masks follow the skeleton; visibility follows its confidence."""

import numpy as np

from reid.embedders.part_masks import PARTS, part_masks, pooled
from tests.reid.prompts.test_prompts import standing

GRID = (16, 8)
NOBODY = np.zeros((1, 0, 17, 3), np.float32)
NAMES = list(PARTS)


def _target(confidence: float = 0.9) -> np.ndarray:
    """A skeleton that fills a crop of aspect 0.5, in shares of its sides."""
    skeleton = standing(0.25, 0, 1, confidence)[None]
    skeleton[..., 0] *= 2
    return skeleton


def test_parts_lie_below_one_another() -> None:
    masks = part_masks(_target(), NOBODY, GRID, 0.5, 0.2)
    rows = np.arange(16)[None, :, None]
    level = (masks.weights[0] * rows).sum(axis=(1, 2)) / masks.weights[0].sum(axis=(1, 2))
    order = [NAMES.index(name) for name in ("head", "torso", "upper_legs", "lower_legs")]
    assert (np.diff(level[order]) > 1).all()
    np.testing.assert_allclose(masks.visibility, 0.9, atol=1e-6)
    assert masks.weights.min() >= 0
    assert masks.weights.max() <= 1


def test_what_is_not_seen_has_no_mask_and_no_visibility() -> None:
    target = _target()
    target[0, 13:, 2] = 0.2
    target[0, 15] = [0.5, 1.7, 0.9]
    masks = part_masks(target, NOBODY, GRID, 0.5, 0.2)
    lower = NAMES.index("lower_legs")
    assert masks.visibility[0, lower] == 0
    assert masks.weights[0, lower].max() == 0
    assert masks.visibility[0, NAMES.index("torso")] > 0.5


def test_no_skeleton_is_no_evidence() -> None:
    masks = part_masks(np.zeros((2, 17, 3), np.float32), np.zeros((2, 0, 17, 3), np.float32), GRID, 0.5, 0.2)
    assert not masks.weights.any()
    assert not masks.visibility.any()
    nobody = part_masks(np.zeros((0, 17, 3), np.float32), np.zeros((0, 3, 17, 3), np.float32), GRID, 0.5, 0.2)
    assert nobody.weights.shape == (0, 5, 16, 8)


def test_cells_nearer_to_another_person_are_theirs() -> None:
    target = _target()
    other = _target()
    other[..., 0] += 0.5
    alone = part_masks(target, NOBODY, GRID, 0.5, 0.2)
    shared = part_masks(target, other[:, None], GRID, 0.5, 0.2)
    assert shared.weights[..., 6:].max() == 0
    np.testing.assert_array_equal(shared.weights[..., :4], alone.weights[..., :4])
    assert (shared.visibility < alone.visibility).all()
    padded = np.concatenate([other[:, None], np.zeros((1, 2, 17, 3), np.float32)], axis=1)
    np.testing.assert_array_equal(part_masks(target, padded, GRID, 0.5, 0.2).weights, shared.weights)


def test_pooling_averages_under_the_mask() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(2, 3, 4, 2)).astype(np.float32)
    weights = np.zeros((2, 3, 4, 2), np.float32)
    weights[:, 0] = 1
    weights[:, 1, 2, 1] = 0.3
    out = pooled(features, weights)
    np.testing.assert_allclose(out[:, 0], features.mean(axis=(2, 3)), atol=1e-6)
    np.testing.assert_allclose(out[:, 1], features[:, :, 2, 1], atol=1e-6)
    np.testing.assert_array_equal(out[:, 2], 0)
