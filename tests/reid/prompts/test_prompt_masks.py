"""The prompt tensor, against the originals' and against a plain drawing loop."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from reid.models.spec import PROMPT_GROUPS
from reid.prompts.masks import draw_prompts

NO_NEGATIVES = (torch.zeros(0, 17, 3), torch.zeros(0, dtype=torch.int64))


def plain_drawing(target, negatives, size, grouping, use_negatives, threshold, continuous):
    """A Gaussian of radius width // 11 per keypoint, one after the other; the background is what they leave of 1."""
    height, width = size
    radius = width // 11
    sigma = (2 * radius + 1) / 4

    def heat(points):
        out = np.zeros((height, width))
        for x, y, confidence in points:
            if not (0 <= x < width and 0 <= y < height) or confidence <= (0 if continuous else threshold):
                continue
            rows, columns = np.mgrid[:height, :width]
            dy, dx = rows - int(y), columns - int(x)
            patch = np.exp(-0.5 * ((dy / sigma) ** 2 + (dx / sigma) ** 2)) * (confidence if continuous else 1)
            patch[(abs(dy) > radius) | (abs(dx) > radius)] = 0
            out = np.maximum(out, patch)
        return out

    channels = [heat(target[list(group)]) for group in PROMPT_GROUPS[grouping]]
    if use_negatives:
        channels.insert(0, heat(negatives.reshape(-1, 3)))
    return np.stack([np.clip(1 - sum(channels), 0, 1), *channels])


@pytest.mark.parametrize(
    ("case", "grouping", "size"),
    [
        ("kpr_swin_tiny_256x128_k5", "cck6", (256, 128)),
        ("inputs_384x128_k8", "cck8", (384, 128)),
        ("kpr_swinv2_base_256x128_k8", "cck8", (256, 128)),
    ],
)
def test_prompts_agree_with_the_original(golden, case, grouping, size):
    recorded = np.load(golden(f"{case}.npz"))
    targets = torch.from_numpy(recorded["input/keypoints_xyck"][..., :3])
    negatives = torch.from_numpy(recorded["input/negative_keypoints_xyck"][..., :3])
    rows = torch.arange(4)[:, None].expand(4, 5).reshape(-1)
    prompts = draw_prompts(targets, negatives.flatten(0, 1), rows, size, grouping)
    assert prompts.dtype == torch.float32
    error = np.abs(prompts.numpy() - recorded["input/prompt_masks"])
    assert error[:, 1:].max() <= 3e-8
    assert error[:, 0].max() <= 1.5e-7  # one unit in the last place of a float32 sum


POINTS = arrays(
    np.float64,
    (3, 17, 3),
    elements=st.floats(-10, 80, allow_nan=False),
).map(lambda a: np.concatenate([a[..., :2], (a[..., 2:] + 10) / 90], -1))


@settings(max_examples=25)
@given(
    points=POINTS,
    grouping=st.sampled_from(sorted(PROMPT_GROUPS)),
    use_negatives=st.booleans(),
    continuous=st.booleans(),
)
def test_prompts_equal_a_plain_loop(points, grouping, use_negatives, continuous):
    size = (64, 44)
    prompts = draw_prompts(
        torch.from_numpy(points[:1]),
        torch.from_numpy(points[1:]),
        torch.zeros(2, dtype=torch.int64),
        size,
        grouping,
        use_negatives,
        continuous=continuous,
    )
    want = plain_drawing(points[0], points[1:], size, grouping, use_negatives, 0.3, continuous)
    assert prompts.shape == (1, 1 + use_negatives + len(PROMPT_GROUPS[grouping]), *size)
    assert np.abs(prompts[0].numpy() - want).max() <= 1e-6


def test_rows_do_not_mix():
    generator = torch.Generator().manual_seed(3)
    points = torch.rand(5, 17, 3, generator=generator) * torch.tensor([44.0, 64.0, 1.0])
    rows = torch.tensor([2, 0, 2])
    together = draw_prompts(points, points[:3].flip(1), rows, (64, 44), "cck6")
    for row in range(5):
        mine = points[:3].flip(1)[rows == row]
        alone = draw_prompts(points[row : row + 1], mine, torch.zeros(len(mine), dtype=torch.int64), (64, 44), "cck6")
        assert torch.equal(together[row], alone[0])


def test_a_skeleton_without_points_is_the_empty_prompt():
    prompts = draw_prompts(torch.zeros(2, 17, 3), *NO_NEGATIVES, (64, 32), "cck8")
    assert torch.equal(prompts[:, 0], torch.ones(2, 64, 32))
    assert not prompts[:, 1:].any()
    assert draw_prompts(torch.zeros(0, 17, 3), *NO_NEGATIVES, (64, 32), "cck8").shape == (0, 10, 64, 32)


def test_points_outside_the_crop_are_not_drawn():
    target = torch.tensor([[[-0.5, 10.0, 0.9], [32.0, 10.0, 0.9], [5.0, 64.0, 0.9]]]).repeat(1, 6, 1)[:, :17]
    prompts = draw_prompts(target, *NO_NEGATIVES, (64, 32), "cck1")
    assert not prompts[:, 1:].any()
