"""Cuts and resizes the crops of many frames in one operation, on the device the network runs on."""

from collections.abc import Sequence

import torch
from torch import Tensor


def crop_batch(
    frames: Sequence[Tensor],
    rows: Tensor,
    rectangles: Tensor,
    size: tuple[int, int],
    mean: Tensor,
    std: Tensor,
    gains: Tensor | None = None,
) -> Tensor:
    """Cut rectangles out of frames, bring them to one size and normalise them.

    Bilinear between the centres of pixels of the crop alone, as OpenCV's INTER_LINEAR resizes a crop that was cut
    before (without its rounding to whole grey levels): what the published networks were trained on.

    Args:
        frames: (H_i, W_i, 3) uint8 RGB, on the device.
        rows: (N,) int64, the frame each crop comes from.
        rectangles: (N, 4) int64 x1 y1 x2 y2 px, inside the frame and not empty.
        size: (height, width) of the output, px.
        mean: (3,) subtracted from RGB in 0-1.
        std: (3,) then divided by.
        gains: (N, 3) factor on each colour of each crop, which then stays within 0-1; None changes none.

    Returns:
        (N, 3, height, width) float32.
    """
    device = rows.device
    pixels = torch.cat([frame.reshape(-1, 3) for frame in frames])
    widths = torch.tensor([frame.shape[1] for frame in frames], device=device)
    areas = torch.tensor([frame.shape[0] * frame.shape[1] for frame in frames], device=device)
    starts = (areas.cumsum(0) - areas)[rows]
    left, right, across = _samples(rectangles[:, 0], rectangles[:, 2], size[1])
    above, below, down = _samples(rectangles[:, 1], rectangles[:, 3], size[0])
    stride = widths[rows][:, None]
    upper = (starts[:, None] + above * stride)[:, :, None]
    lower = (starts[:, None] + below * stride)[:, :, None]
    across, down = across[:, None, :, None], down[:, :, None, None]
    top = torch.lerp(pixels[upper + left[:, None]].float(), pixels[upper + right[:, None]].float(), across)
    bottom = torch.lerp(pixels[lower + left[:, None]].float(), pixels[lower + right[:, None]].float(), across)
    crops = torch.lerp(top, bottom, down)
    crops = crops / 255
    if gains is not None:
        crops = (crops * gains[:, None, None].to(crops.dtype)).clamp(max=1)
    return ((crops - mean) / std).permute(0, 3, 1, 2)


def _samples(low: Tensor, high: Tensor, length: int) -> tuple[Tensor, Tensor, Tensor]:
    """The two pixels every output place lies between, (N, length) each, and its share of the second."""
    centres = torch.arange(length, device=low.device, dtype=torch.float64) + 0.5
    extent = (high - low)[:, None]
    place = (centres * extent / length - 0.5).clamp(min=0)
    place = torch.minimum(place, (extent - 1).double())
    first = place.long()
    second = torch.minimum(first + 1, extent - 1)
    return low[:, None] + first, low[:, None] + second, (place - first).float()
