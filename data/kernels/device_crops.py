"""Rectangles of pictures brought to one size on the device that holds them."""

from collections.abc import Sequence

import torch
from torch import Tensor

# OpenCV's arithmetic for uint8: bits of a weight, and bits cut off between the two directions.
_WEIGHT_BITS, _CUT_BITS = 11, 4


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
