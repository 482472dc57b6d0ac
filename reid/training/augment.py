"""Augmentation of whole batches on the device: picture, part masks and keypoints move together.

Every random number comes from the generator that is passed in, so a step of training can be repeated exactly.
"""

from dataclasses import replace
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from data.config import Section
from data.skeletons import COCO17
from reid.models.spec import mirrored_parts
from reid.training.batch import TrainBatch
from reid.training.occlusion import Occluders, neighbours, nobody_of, paste, shifted_rows

_GREY = (0.299, 0.587, 0.114)


class AugmentConfig(Section):
    """What happens to training crops, in this order; a probability of 0 leaves a step out."""

    occlude: float = Field(0.2, ge=0, le=1, description="probability that another person of the batch is pasted over")
    occluders: Literal["bank", "batch"] = Field(
        "bank",
        description="who is pasted; bank: one of five crops of them, drawn once and kept in memory, as published; "
        "batch: a crop of the batch",
    )
    flip: float = Field(0.0, ge=0, le=1, description="probability of mirroring; left and right parts change places")
    shift_px: int = Field(10, ge=0, description="random crop: the crop moves by up to this many pixels, black comes in")
    jitter: float = Field(0.0, ge=0, le=1, description="probability of a change of brightness and contrast")
    brightness: float = Field(0.2, ge=0, lt=1, description="largest relative change of brightness")
    contrast: float = Field(0.15, ge=0, lt=1, description="largest relative change of contrast")
    erase: float = Field(0.5, ge=0, le=1, description="probability of erasing one rectangle")
    erase_share: tuple[float, float] = Field((0.15, 0.65), description="range of its height and width, of the crop's")
    erase_fill: Literal["normalised_mean", "mean"] = Field(
        "normalised_mean",
        description="what fills the rectangle; normalised_mean: the mean's numbers after normalising, a light grey, as "
        "published; mean: the mean colour",
    )
    drop_some: float = Field(0.0, ge=0, le=1, description="probability of dropping keypoints of the prompt")
    drop_share: float = Field(0.5, ge=0, le=1, description="share of the keypoints that is then dropped")
    drop_all: float = Field(0.0, ge=0, le=1, description="probability of dropping the whole prompt, negatives included")


def augment(
    batch: TrainBatch,
    config: AugmentConfig,
    generator: torch.Generator,
    part_names: tuple[str, ...],
    mean: tuple[float, float, float],
    std: tuple[float, float, float],
    occluders: Occluders | None = None,
) -> TrainBatch:
    """Apply every step to a batch.

    Args:
        batch: at the network's input size, not normalised.
        config: what to do.
        generator: on the CPU, whatever the batch's device: the same numbers on every device.
        part_names: names of the part masks; ``left_`` and ``right_`` tell what changes places in a mirror.
        mean: of the network's input, RGB 0-1.
        std: its deviation.
        occluders: from the bank, where it is one; they need not be on the batch's device.
    """
    if config.occlude:
        if config.occluders == "batch":
            occluders = neighbours(batch, config.occlude, generator)
        batch = paste(batch, nobody_of(batch) if occluders is None else occluders.on(batch.images.device), generator)
    batch = _flip(batch, config.flip, generator, part_names)
    batch = _shift(batch, config.shift_px, generator)
    batch = replace(batch, images=_jitter(batch.images, config, generator))
    batch = _erase(batch, config, generator, fill_of(config, mean, std))
    return _drop_keypoints(batch, config, generator)


def fill_of(
    config: AugmentConfig, mean: tuple[float, float, float], std: tuple[float, float, float]
) -> tuple[float, ...]:
    """The colour of erased rectangles before normalising, RGB."""
    if config.erase_fill == "mean":
        return mean
    return tuple(level + level * spread for level, spread in zip(mean, std, strict=True))


def _draw(generator: torch.Generator, batch: TrainBatch, *shape: int) -> Tensor:
    return torch.rand(len(batch), *shape, generator=generator).to(batch.images.device)


def _flip(batch: TrainBatch, probability: float, generator: torch.Generator, part_names: tuple[str, ...]) -> TrainBatch:
    chosen = _draw(generator, batch) < probability
    if not probability:
        return batch
    partners = mirrored_parts(part_names)

    def mirror(skeletons: Tensor) -> Tensor:
        out = skeletons[..., list(COCO17.mirror), :].clone()
        out[..., 0] = batch.images.shape[3] - 1 - out[..., 0]
        return out

    def where(new: Tensor, old: Tensor) -> Tensor:
        return torch.where(chosen.view(-1, *(1,) * (old.ndim - 1)), new, old)

    return replace(
        batch,
        images=where(batch.images.flip(-1), batch.images),
        parts=where(batch.parts[:, partners].flip(-1), batch.parts),
        silhouettes=where(batch.silhouettes.flip(-1), batch.silhouettes),
        targets=where(mirror(batch.targets), batch.targets),
        negatives=where(mirror(batch.negatives), batch.negatives),
    )


def _shift(batch: TrainBatch, reach: int, generator: torch.Generator) -> TrainBatch:
    steps = torch.randint(-reach, reach + 1, (len(batch), 2), generator=generator).to(batch.images.device)
    if not reach:
        return batch
    rows = torch.arange(len(batch), device=steps.device)
    move = steps.to(batch.targets.dtype)

    def moved(skeletons: Tensor) -> Tensor:
        offset = move.view(-1, *(1,) * (skeletons.ndim - 2), 2)
        return seen_inside(torch.cat([skeletons[..., :2] + offset, skeletons[..., 2:]], -1), batch.images.shape[2:])

    return replace(
        batch,
        images=shifted_rows(batch.images, rows, steps),
        parts=shifted_rows(batch.parts, rows, steps),
        silhouettes=shifted_rows(batch.silhouettes[:, None], rows, steps)[:, 0],
        targets=moved(batch.targets),
        negatives=moved(batch.negatives),
    )


def _jitter(images: Tensor, config: AugmentConfig, generator: torch.Generator) -> Tensor:
    drawn = torch.rand(len(images), 3, generator=generator).to(images.device)[..., None, None, None]
    if not config.jitter:
        return images
    bright = 1 + config.brightness * (2 * drawn[:, 1] - 1)
    contrast = 1 + config.contrast * (2 * drawn[:, 2] - 1)
    changed = (images * bright).clamp(0, 1)
    grey = (changed * changed.new_tensor(_GREY)[:, None, None]).sum(1, keepdim=True).mean((2, 3), keepdim=True)
    changed = (grey + (changed - grey) * contrast).clamp(0, 1)
    return torch.where(drawn[:, 0] < config.jitter, changed, images)


def _erase(batch: TrainBatch, config: AugmentConfig, generator: torch.Generator, fill: tuple[float, ...]) -> TrainBatch:
    drawn = _draw(generator, batch, 5)
    if not config.erase:
        return batch
    height, width = batch.images.shape[2:]
    low, high = config.erase_share
    sides = ((low + (high - low) * drawn[:, 1:3]) * drawn.new_tensor([height, width])).round()
    first = (drawn[:, 3:] * (drawn.new_tensor([height, width]) - sides)).round()
    last = first + sides
    y = torch.arange(height, device=drawn.device)
    x = torch.arange(width, device=drawn.device)
    across = (x >= first[:, 1:]) & (x < last[:, 1:])
    down = (y >= first[:, :1]) & (y < last[:, :1])
    chosen = drawn[:, 0] < config.erase
    hole = (down[:, :, None] & across[:, None, :] & chosen[:, None, None])[:, None]

    def outside(skeletons: Tensor) -> Tensor:
        lead = (-1, *(1,) * (skeletons.ndim - 2))
        px, py = skeletons[..., 0], skeletons[..., 1]
        gone = (px >= first[:, 1].view(lead)) & (px < last[:, 1].view(lead)) & (py >= first[:, 0].view(lead))
        gone &= (py < last[:, 0].view(lead)) & chosen.view(lead)
        return skeletons.masked_fill(gone[..., None], 0)

    return replace(
        batch,
        images=torch.where(hole, batch.images.new_tensor(fill)[:, None, None], batch.images),
        parts=batch.parts.masked_fill(hole, 0),
        targets=outside(batch.targets),
        negatives=outside(batch.negatives),
    )


def _drop_keypoints(batch: TrainBatch, config: AugmentConfig, generator: torch.Generator) -> TrainBatch:
    drawn = _draw(generator, batch, 2 + batch.targets.shape[1])
    some = (drawn[:, :1] < config.drop_some) & (drawn[:, 2:] < config.drop_share)
    everything = drawn[:, 1] < config.drop_all
    return replace(
        batch,
        targets=batch.targets.masked_fill((some | everything[:, None])[..., None], 0),
        negatives=batch.negatives.masked_fill(everything[:, None, None, None], 0),
    )


def seen_inside(skeletons: Tensor, size: tuple[int, int] | torch.Size) -> Tensor:
    """Zero the keypoints outside a crop of (height, width): (..., 3) -> (..., 3)."""
    x, y = skeletons[..., 0], skeletons[..., 1]
    inside = (x >= 0) & (x < size[1]) & (y >= 0) & (y < size[0])
    return skeletons * inside[..., None]
