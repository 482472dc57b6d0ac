"""Descriptors of picture files by PCB."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data.records import FloatArray
from reid.models.spec import IMAGENET_MEAN, IMAGENET_STD

if TYPE_CHECKING:
    from reid.models.pcb import PCB


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
    from reid.samples.network_input import normalise
    from reid.samples.pcb_input import batches

    result = np.empty((len(paths), CHANNELS * STRIPS), np.float32)
    model = model.eval().to(device)
    done = 0
    with torch.inference_mode():
        for images in batches([paths[start : start + size] for start in range(0, len(paths), size)]):
            result[done : done + len(images)] = (
                model.descriptor(normalise(images.to(device), IMAGENET_MEAN, IMAGENET_STD)).cpu().numpy()
            )
            done += len(images)
    return result
