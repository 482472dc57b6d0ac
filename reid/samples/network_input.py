"""Crops and their skeletons as the networks take them: normalised pictures and prompt tensors."""

import torch
from torch import Tensor

from reid.models.spec import ModelSpec
from reid.prompts.masks import draw_prompts


def normalised(images: Tensor, spec: ModelSpec) -> Tensor:
    """(N, 3, H, W) RGB 0-1 -> the network's mean and deviation."""
    mean, std = (images.new_tensor(value)[:, None, None] for value in (spec.mean, spec.std))
    return (images - mean) / std


def prompts_of(targets: Tensor, negatives: Tensor, spec: ModelSpec) -> Tensor:
    """The prompt tensor of N crops, (N, P, H, W).

    Args:
        targets: (N, 17, 3) px of the input, confidence.
        negatives: (N, S, 17, 3), zero rows where a crop has fewer.
        spec: of a network that takes prompts.
    """
    assert spec.prompt_groups is not None
    rows = torch.arange(len(targets), device=targets.device).repeat_interleave(negatives.shape[1])
    size = (spec.height, spec.width)
    return draw_prompts(targets, negatives.flatten(0, 1), rows, size, spec.prompt_groups, spec.negatives)
