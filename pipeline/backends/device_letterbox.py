"""The input of a torch network from pictures: on a GPU, scaled and padded where the network runs."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from data.kernels.device_crops import crop_batch
from data.records import Image
from data.runtime.uploads import on_device
from pipeline.backends.letterbox import GREY, Placement, letterbox, place


def network_input(
    images: Sequence[Image], device: torch.device, height: int, width: int, centred: bool
) -> tuple[Tensor, list[Placement]]:
    """Pictures scaled into the input of a network, see ``letterbox``; the same numbers on every device.

    Args:
        images: (H_i, W_i, 3) uint8 RGB, neither side zero.
        device: of the network.
        height: of its input, px.
        width: of its input, px.
        centred: padding on both sides instead of right and below.

    Returns:
        (B, 3, height, width) float32 RGB 0-1, channels last, and where each picture lies in it.
    """
    if device.type != "cpu":
        return letterbox_tensors([on_device(image, device) for image in images], height, width, centred)
    placed = [letterbox(image, height, width, centred) for image in images]
    canvases = torch.from_numpy(np.stack([canvas for canvas, _ in placed]))
    pictures = canvases.permute(0, 3, 1, 2).float() / 255
    return pictures.contiguous(memory_format=torch.channels_last), [placement for _, placement in placed]


def letterbox_tensors(
    frames: Sequence[Tensor], height: int, width: int, centred: bool
) -> tuple[Tensor, list[Placement]]:
    """``network_input`` of pictures that are on the device: whole grey levels, the same as OpenCV's.

    Args:
        frames: (H_i, W_i, 3) uint8 RGB of one device, neither side zero.
        height: of the input, px.
        width: of the input, px.
        centred: padding on both sides instead of right and below.
    """
    device = frames[0].device
    pictures = torch.full((len(frames), 3, height, width), GREY / 255, device=device)
    pictures = pictures.contiguous(memory_format=torch.channels_last)
    placed = [place(frame.shape[0], frame.shape[1], height, width, centred) for frame in frames]
    sizes: dict[tuple[int, int], list[int]] = {}
    for index, (_, scaled) in enumerate(placed):
        sizes.setdefault(scaled, []).append(index)
    for (columns, rows), indices in sizes.items():
        whole = [[0, 0, frames[index].shape[1], frames[index].shape[0]] for index in indices]
        crops = crop_batch(
            [frames[index] for index in indices], torch.arange(len(indices), device=device),
            torch.tensor(whole, device=device), (rows, columns),
        )  # fmt: skip
        for index, crop in zip(indices, crops, strict=True):
            left, top = int(placed[index][0].left), int(placed[index][0].top)
            pictures[index, :, top : top + rows, left : left + columns] = crop
    return pictures, [placement for placement, _ in placed]
