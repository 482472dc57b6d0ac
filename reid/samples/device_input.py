"""Crops of frames as a network takes them, made in one operation on the device the network runs on."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from data.records import DoubleArray, FloatArray
from reid.models.spec import ModelSpec
from reid.samples.network_input import NetworkInput, draw_prompts_of, into_input, normalise


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

    Bilinear between the centres of pixels of the crop alone, as OpenCV's INTER_LINEAR resizes a crop that was cut
    before (without its rounding to whole grey levels): what the published networks were trained on.

    Args:
        frames: (H_i, W_i, 3) uint8 RGB, on the device.
        rows: (N,) int64, the frame each crop comes from.
        regions: (N, 4) int64 x1 y1 x2 y2 px, inside the frame and not empty.
        size: (height, width) of the output, px.
        gains: (N, 3) factor on each colour of each crop, which then stays within 0-1; None changes none.

    Returns:
        (N, 3, height, width) float32 RGB 0-1.
    """
    device = rows.device
    pixels = torch.cat([frame.reshape(-1, 3) for frame in frames])
    widths = torch.tensor([frame.shape[1] for frame in frames], device=device)
    areas = torch.tensor([frame.shape[0] * frame.shape[1] for frame in frames], device=device)
    starts = (areas.cumsum(0) - areas)[rows]
    left, right, across = _samples(regions[:, 0], regions[:, 2], size[1])
    above, below, down = _samples(regions[:, 1], regions[:, 3], size[0])
    stride = widths[rows][:, None]
    upper = (starts[:, None] + above * stride)[:, :, None]
    lower = (starts[:, None] + below * stride)[:, :, None]
    across, down = across[:, None, :, None], down[:, :, None, None]
    top = torch.lerp(pixels[upper + left[:, None]].float(), pixels[upper + right[:, None]].float(), across)
    bottom = torch.lerp(pixels[lower + left[:, None]].float(), pixels[lower + right[:, None]].float(), across)
    crops = torch.lerp(top, bottom, down) / 255
    if gains is not None:
        crops = (crops * gains[:, None, None].to(crops.dtype)).clamp(max=1)
    return crops.permute(0, 3, 1, 2)


def _samples(low: Tensor, high: Tensor, length: int) -> tuple[Tensor, Tensor, Tensor]:
    """The two pixels every output place lies between, (N, length) each, and its share of the second."""
    centres = torch.arange(length, device=low.device, dtype=torch.float64) + 0.5
    extent = (high - low)[:, None]
    place = (centres * extent / length - 0.5).clamp(min=0)
    place = torch.minimum(place, (extent - 1).double())
    first = place.long()
    second = torch.minimum(first + 1, extent - 1)
    return low[:, None] + first, low[:, None] + second, (place - first).float()
