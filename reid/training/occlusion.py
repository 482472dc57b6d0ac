"""Batch-wise inter-person occlusion (BIPO; KPR, ECCV 2024): other people of the batch are pasted over a crop.

The originals keep a bank of occluders in memory; here the other crops of the batch are the bank. What is pasted becomes
a negative prompt, and hides the part masks and keypoints it covers.
"""

from dataclasses import replace

import torch
from torch import Tensor

from reid.training.batch import TrainBatch

# A keypoint under a silhouette of more than this share of its maximum is hidden.
_HIDES = 0.1
_ON_OCCLUDER = 0.001
# Where the middle of the pasted crop comes to lie, as shares of the crop's height.
_LOWEST, _HIGHEST = 0.55, 0.75


def paste_neighbours(batch: TrainBatch, probability: float, generator: torch.Generator) -> TrainBatch:
    """Paste a random person of another identity over some of the crops.

    The middle of the pasted crop falls anywhere across, and between 55 % and 75 % of the height. Crops without a
    silhouette are never pasted. The pasted person's visible keypoints are appended to the negatives, one skeleton more
    per crop.

    Args:
        batch: not normalised.
        probability: per crop.
        generator: on the CPU.
    """
    count, _, height, width = batch.images.shape
    drawn = torch.rand(count, 3 + count, generator=generator).to(batch.images.device)
    if not probability:
        return batch
    stranger = batch.identities[:, None] != batch.identities[None]
    donors_score = drawn[:, 3:].masked_fill(~(stranger & (batch.silhouettes.amax((1, 2)) > 0)), -1)
    rows = torch.nonzero((drawn[:, 0] < probability) & (donors_score.amax(1) >= 0)).flatten()
    donors = donors_score.argmax(1)[rows]
    across = (drawn[rows, 1] * width).long() - width // 2
    down = ((_LOWEST + (_HIGHEST - _LOWEST) * drawn[rows, 2]) * height).long() - height // 2
    steps = torch.stack([across, down], 1)

    alpha = shifted_rows(batch.silhouettes[:, None], donors, steps)
    images, parts = batch.images.clone(), batch.parts.clone()
    images[rows] = alpha * shifted_rows(batch.images, donors, steps) + (1 - alpha) * images[rows]
    parts[rows] = (1 - alpha) * parts[rows]

    hidden = alpha[:, 0] > _HIDES * alpha.amax((1, 2, 3))[:, None, None]
    targets, negatives = batch.targets.clone(), batch.negatives.clone()
    targets[rows] = _without(targets[rows][:, None], hidden)[:, 0]
    negatives[rows] = _without(negatives[rows], hidden)
    pasted = torch.zeros_like(targets)
    own = _without(batch.targets[donors][:, None], batch.silhouettes[donors] < _ON_OCCLUDER)[:, 0]
    moved = torch.cat([own[..., :2] + steps[:, None].to(own.dtype), own[..., 2:]], -1)
    x, y = moved[..., 0], moved[..., 1]
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height) & (own[..., 2] > 0)
    pasted[rows] = moved * inside[..., None]
    return replace(
        batch, images=images, parts=parts, targets=targets, negatives=torch.cat([negatives, pasted[:, None]], 1)
    )


def shifted_rows(maps: Tensor, rows: Tensor, steps: Tensor) -> Tensor:
    """Rows of a batch of maps, each moved by whole pixels; zero comes in.

    Args:
        maps: (B, C, H, W).
        rows: (n,) int64, which maps to take.
        steps: (n, 2) int64, pixels to the right and down.

    Returns:
        (n, C, H, W).
    """
    height, width = maps.shape[2:]
    y = torch.arange(height, device=maps.device) - steps[:, 1:]
    x = torch.arange(width, device=maps.device) - steps[:, :1]
    inside = ((y >= 0) & (y < height))[:, :, None] & ((x >= 0) & (x < width))[:, None, :]
    taken = maps[rows[:, None, None], :, y.clamp(0, height - 1)[:, :, None], x.clamp(0, width - 1)[:, None, :]]
    return (taken * inside[..., None]).permute(0, 3, 1, 2)


def _without(skeletons: Tensor, hidden: Tensor) -> Tensor:
    """Zero the keypoints that lie on hidden pixels: (n, S, 17, 3) and (n, H, W) -> (n, S, 17, 3)."""
    height, width = hidden.shape[1:]
    x = skeletons[..., 0].long().clamp(0, width - 1)
    y = skeletons[..., 1].long().clamp(0, height - 1)
    covered = hidden[torch.arange(len(hidden), device=hidden.device)[:, None, None], y, x]
    return skeletons * ~covered[..., None]
