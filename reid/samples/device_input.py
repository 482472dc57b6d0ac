"""Crops of frames as a network takes them, made in one operation on the device the network runs on."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from data.kernels.device_crops import crop_batch
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
