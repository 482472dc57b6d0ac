"""Batch-wise inter-person occlusion (BIPO; KPR, ECCV 2024): other people are pasted over a crop.

What is pasted becomes a negative prompt, and hides the part masks and keypoints it covers. Who is pasted is either a
crop of the batch, or one of a few crops that a bank keeps of every person of the batch (``reid.training.occluders``).
"""

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from reid.training.batch import TrainBatch

# A keypoint under a silhouette of more than this share of its maximum is hidden.
_HIDES = 0.1
_ON_OCCLUDER = 0.001
# Where the middle of the pasted crop comes to lie, as shares of the crop's height.
_LOWEST, _HIGHEST = 0.55, 0.75


@dataclass(frozen=True, slots=True)
class Occluders:
    """People to be pasted over crops of a batch, as they are in their own crops.

    Attributes:
        rows: (n,) int64, over which crop of the batch each is pasted.
        images: (n, 3, H, W) float32 RGB, 0-1.
        silhouettes: (n, H, W) float32, 0-1.
        skeletons: (n, 17, 3) float32: x, y in pixels of the input, confidence.
    """

    rows: Tensor
    images: Tensor
    silhouettes: Tensor
    skeletons: Tensor

    def on(self, device: torch.device | str) -> "Occluders":
        """The same on a device."""
        return Occluders(*(getattr(self, field.name).to(device, non_blocking=True) for field in fields(self)))


def nobody_of(batch: TrainBatch) -> Occluders:
    """Nobody to paste, of a batch's sizes."""
    none = torch.zeros(0, dtype=torch.int64, device=batch.images.device)
    return Occluders(none, batch.images[none], batch.silhouettes[none], batch.targets[none])


def neighbours(batch: TrainBatch, probability: float, generator: torch.Generator) -> Occluders:
    """Draw, for some of the crops, another crop of the batch, of another identity and with a silhouette.

    Args:
        batch: not normalised.
        probability: per crop.
        generator: on the CPU.
    """
    count = len(batch)
    drawn = torch.rand(count, 1 + count, generator=generator).to(batch.images.device)
    stranger = batch.identities[:, None] != batch.identities[None]
    scores = drawn[:, 1:].masked_fill(~(stranger & (batch.silhouettes.amax((1, 2)) > 0)), -1)
    rows = torch.nonzero((drawn[:, 0] < probability) & (scores.amax(1) >= 0)).flatten()
    donors = scores.argmax(1)[rows]
    return Occluders(rows, batch.images[donors], batch.silhouettes[donors], batch.targets[donors])


def paste(batch: TrainBatch, occluders: Occluders, generator: torch.Generator) -> TrainBatch:
    """Paste people over crops.

    The middle of a pasted crop falls anywhere across, and between 55 % and 75 % of the height. The pasted person's
    visible keypoints are appended to the negatives, one skeleton more per crop.

    Args:
        batch: not normalised.
        occluders: who, over which crops.
        generator: on the CPU.
    """
    _, _, height, width = batch.images.shape
    rows, count = occluders.rows, len(occluders.rows)
    # As many numbers as there are crops, whoever is chosen: what follows draws the same ones.
    drawn = torch.rand(len(batch), 2, generator=generator).to(batch.images.device)[rows]
    across = (drawn[:, 0] * width).long() - width // 2
    down = ((_LOWEST + (_HIGHEST - _LOWEST) * drawn[:, 1]) * height).long() - height // 2
    steps = torch.stack([across, down], 1)

    each = torch.arange(count, device=rows.device)
    alpha = shifted_rows(occluders.silhouettes[:, None], each, steps)
    images, parts = batch.images.clone(), batch.parts.clone()
    images[rows] = alpha * shifted_rows(occluders.images, each, steps) + (1 - alpha) * images[rows]
    parts[rows] = (1 - alpha) * parts[rows]

    hidden = alpha[:, 0] > _HIDES * alpha.amax((1, 2, 3))[:, None, None]
    targets, negatives = batch.targets.clone(), batch.negatives.clone()
    targets[rows] = _without(targets[rows][:, None], hidden)[:, 0]
    negatives[rows] = _without(negatives[rows], hidden)
    pasted = torch.zeros_like(targets)
    own = _without(occluders.skeletons[:, None], occluders.silhouettes < _ON_OCCLUDER)[:, 0]
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
