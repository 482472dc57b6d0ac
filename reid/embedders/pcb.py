"""Descriptors of picture files by PCB, and the preparation of its input."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data.pictures import read_picture
from data.records import FloatArray, Image
from reid.models.spec import IMAGENET_MEAN, IMAGENET_STD

if TYPE_CHECKING:
    from torch import Tensor

    from reid.models.pcb import PCB

_READERS = 4


def resize(picture: Image) -> "Tensor":
    """(H, W, 3) uint8 RGB -> (3, 384, 192) float32 0-1: bicubic, antialiased, rounded to grey levels, as PIL does."""
    import torch

    from reid.models.pcb import HEIGHT, WIDTH

    planes = torch.from_numpy(picture).permute(2, 0, 1)[None]
    return torch.nn.functional.interpolate(planes, (HEIGHT, WIDTH), mode="bicubic", antialias=True)[0].float() / 255


def normalise(images: "Tensor") -> "Tensor":
    """(N, 3, H, W) 0-1 -> ImageNet mean 0 and deviation 1."""
    mean, std = (images.new_tensor(values)[:, None, None] for values in (IMAGENET_MEAN, IMAGENET_STD))
    return (images - mean) / std


def batches(parts: Sequence[Sequence[Path]]) -> Iterator["Tensor"]:
    """Resized pictures of each part, (len(part), 3, 384, 192) float32 0-1; the next is read while one is used."""
    import torch

    def load(part: Sequence[Path]) -> "Tensor":
        return torch.stack([resize(read_picture(path)) for path in part])

    with ThreadPoolExecutor(_READERS) as pool:
        waiting = [pool.submit(load, part) for part in parts[:2]]
        for number in range(len(parts)):
            ready = waiting.pop(0).result()
            if number + 2 < len(parts):
                waiting.append(pool.submit(load, parts[number + 2]))
            yield ready


def extract(model: "PCB", paths: Sequence[Path], device: str = "cpu", size: int = 32) -> FloatArray:
    """Descriptors of pictures, (N, 12288) float32 of unit length.

    Args:
        model: the network.
        paths: N picture files.
        device: torch device.
        size: pictures at a time.

    Raises:
        UserError: when a file is absent or no picture.
    """
    import torch

    from reid.models.pcb import CHANNELS, STRIPS

    result = np.empty((len(paths), CHANNELS * STRIPS), np.float32)
    model = model.eval().to(device)
    done = 0
    with torch.inference_mode():
        for images in batches([paths[start : start + size] for start in range(0, len(paths), size)]):
            result[done : done + len(images)] = model.descriptor(normalise(images.to(device))).cpu().numpy()
            done += len(images)
    return result
