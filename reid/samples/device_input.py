"""Crops of frames as a network takes them, made in one operation on the device the network runs on."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from data.records import DoubleArray, FloatArray
from reid.models.spec import ModelSpec
from reid.samples.network_input import NetworkInput, draw_prompts_of, into_input, normalise

# OpenCV's arithmetic for uint8: bits of a weight, and bits cut off between the two directions.
_WEIGHT_BITS, _CUT_BITS = 11, 4


def device_input(
    frames: Sequence[Tensor],
    rows: NDArray[np.int64],
    regions: NDArray[np.int64],
    targets: FloatArray,
    negatives: FloatArray,
    negative_rows: NDArray[np.int64],
    spec: ModelSpec,
    gains: DoubleArray | None = None,
) -> NetworkInput:
    """Cut people out of frames and prepare them for a network.

    Args:
        frames: (H_i, W_i, 3) uint8 RGB, on the device.
        rows: (N,) the frame each crop comes from.
        regions: (N, 4) x1 y1 x2 y2 px, inside the frame and not empty.
        targets: (N, 17, 3) skeleton of each crop's person, in pixels of the frame.
        negatives: (M, 17, 3) skeletons of other people.
        negative_rows: (M,) the crop each of them is in.
        spec: of the network.
        gains: (N, 3) factor on each colour of each crop; None changes none.
    """
    device, size = frames[0].device, (spec.height, spec.width)

    def moved(array: NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(array).to(device)

    images = crop_batch(frames, moved(rows), moved(regions), size, None if gains is None else moved(gains))
    prompts = None
    if spec.prompt_groups is not None and (targets[..., 2].any() or len(negatives)):
        prompts = draw_prompts_of(
            moved(into_input(targets, regions, size)),
            moved(into_input(negatives, regions[negative_rows], size)),
            moved(negative_rows),
            spec,
        )
    return NetworkInput(normalise(images, spec.mean, spec.std), prompts)


def crop_batch(
    frames: Sequence[Tensor], rows: Tensor, regions: Tensor, size: tuple[int, int], gains: Tensor | None = None
) -> Tensor:
    """Cut rectangles out of frames and bring them to one size.

    The same bytes as OpenCV's INTER_LINEAR gives for a crop that was cut before: what the published networks were
    trained on. That is bilinear between the centres of pixels of the crop alone, with weights of 11 bits and products
    that are cut off, not rounded, until the last step. A picture of half a grey level's difference moves embeddings
    by up to 1e-3 (cosine) and turns single parts visible.

    Args:
        frames: (H_i, W_i, 3) uint8 RGB, on the device.
        rows: (N,) int64, the frame each crop comes from.
        regions: (N, 4) int64 x1 y1 x2 y2 px, inside the frame and not empty.
        size: (height, width) of the output, px.
        gains: (N, 3) factor on each colour of each crop, which stays within whole grey levels; None changes none.

    Returns:
        (N, 3, height, width) float32 RGB 0-1, whole grey levels over 255.
    """
    device = rows.device
    pixels = torch.cat([frame.reshape(-1, 3) for frame in frames])
    widths = torch.tensor([frame.shape[1] for frame in frames], device=device)
    areas = torch.tensor([frame.shape[0] * frame.shape[1] for frame in frames], device=device)
    starts = (areas.cumsum(0) - areas)[rows]
    left, right, *across = _samples(regions[:, 0], regions[:, 2], size[1])
    above, below, *down = _samples(regions[:, 1], regions[:, 3], size[0])
    stride = widths[rows][:, None]
    across = [weight[:, None, :, None] for weight in across]
    crops = torch.full((), 2, dtype=torch.int32, device=device)
    for line, weight in zip((above, below), down, strict=True):
        start = (starts[:, None] + line * stride)[:, :, None]
        row = pixels[start + left[:, None]].int().mul_(across[0])
        row += pixels[start + right[:, None]].int().mul_(across[1])
        row >>= _CUT_BITS
        row *= weight[:, :, None, None]
        row >>= 2 * _WEIGHT_BITS - _CUT_BITS - 2
        crops = row.add_(crops)
    crops >>= 2
    levels = crops.float()
    if gains is not None:
        levels = (levels * gains[:, None, None].to(levels.dtype) + 0.5).floor().clamp(max=255)
    return (levels / 255).permute(0, 3, 1, 2)


def _samples(low: Tensor, high: Tensor, length: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The two pixels every output place lies between, (N, length) each, and their int32 weights."""
    centres = torch.arange(length, device=low.device, dtype=torch.float64) + 0.5
    extent = (high - low)[:, None]
    # OpenCV inverts the quotient of the sizes and goes on in float32; the weights depend on their last bits.
    place = (centres * (1 / (length / extent.double())) - 0.5).float()
    first = place.floor()
    share = place - first
    last = extent - 1
    one, other = first.long().clamp(min=0).minimum(last), (first.long() + 1).clamp(min=0).minimum(last)
    weights = [(part * (1 << _WEIGHT_BITS)).round().int() for part in (1 - share, share)]
    return low[:, None] + one, low[:, None] + other, weights[0], weights[1]
