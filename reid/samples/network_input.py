"""From raw crops and skeletons to what a network takes.

Crops that lie in files are resized here, as OpenCV does it; crops of frames are cut on the device, by
``reid.samples.device_input``. Keypoints are rescaled, pictures normalised and prompts drawn by the functions below,
whoever asks.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from data.formats.reid_keypoints import CropSkeletons
from data.records import FloatArray, Image
from reid.models.spec import ModelSpec
from reid.prompts.masks import draw_prompts
from reid.samples.crops import check_picture


@dataclass(frozen=True, slots=True)
class NetworkInput:
    """What a KPR or BPBReID network is called with.

    Attributes:
        images: (N, 3, H, W) float32 RGB of the network's mean and deviation.
        prompts: (N, P, H, W) float32, or None: the network takes none, or there is no skeleton in any crop.
    """

    images: Tensor
    prompts: Tensor | None


@dataclass(frozen=True, slots=True, eq=False)
class SizedCrop:
    """One crop at the size of a network's input.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        target: (17, 3) float32 skeleton of the person: x, y in pixels of the input, confidence.
        negatives: (M, 17, 3) float32 other people's.
    """

    image: Image
    target: FloatArray
    negatives: FloatArray


def network_input(
    images: Sequence[Image],
    skeletons: Sequence[CropSkeletons | None],
    spec: ModelSpec,
    device: torch.device | str = "cpu",
) -> NetworkInput:
    """Prepare crops for a network.

    Args:
        images: N crops, (H_i, W_i, 3) uint8 RGB of any sizes.
        skeletons: of each, in its pixels; None where nothing is known.
        spec: of the network.
        device: where the input goes.
    """
    size = (spec.height, spec.width)
    sized = [
        size_crop(image, people or CropSkeletons.none(), size) for image, people in zip(images, skeletons, strict=True)
    ]
    pictures, targets, negatives = (value.to(device) for value in stack_crops(sized))
    prompts = draw_padded_prompts(targets, negatives, spec) if spec.prompt_groups is not None else None
    return NetworkInput(normalise(pictures.float() / 255, spec.mean, spec.std), prompts)


def size_crop(image: Image, skeletons: CropSkeletons, size: tuple[int, int]) -> SizedCrop:
    """Bring a crop and its skeletons to a size.

    Args:
        image: (H, W, 3) uint8 RGB.
        skeletons: in its pixels.
        size: height, width of the network's input, px.

    Raises:
        UserError: when the picture is of another kind.
    """
    check_picture(image)
    import cv2

    resized = cv2.resize(image, size[::-1], interpolation=cv2.INTER_LINEAR).astype(np.uint8, copy=False)
    whole = np.array([[0, 0, image.shape[1], image.shape[0]]])
    target = into_input(skeletons.target[None], whole, size)[0]
    return SizedCrop(resized, target, into_input(skeletons.negatives, whole, size))


def into_input(skeletons: FloatArray, regions: NDArray[np.int64], size: tuple[int, int]) -> FloatArray:
    """Keypoints in a picture -> keypoints in the pixels of the network's input.

    Args:
        skeletons: (M, 17, 3) x px, y px, confidence.
        regions: (M, 4) or (1, 4) x1 y1 x2 y2 px of the part of the picture each crop shows.
        size: height, width of the input, px.

    Returns:
        (M, 17, 3) float32; the confidence stays.
    """
    scale = np.array(size[::-1]) / (regions[:, 2:] - regions[:, :2])
    points = (skeletons[..., :2] - regions[:, None, :2]) * scale[:, None]
    return np.concatenate([points, skeletons[..., 2:]], axis=-1).astype(np.float32)


def stack_crops(crops: Sequence[SizedCrop]) -> tuple[Tensor, Tensor, Tensor]:
    """One tensor of each kind.

    Args:
        crops: N crops of one size.

    Returns:
        Pictures (N, 3, H, W) uint8 RGB, targets (N, 17, 3) and negatives (N, S, 17, 3), zero rows where a crop
        has fewer than S.
    """
    longest = max((len(crop.negatives) for crop in crops), default=0)
    people = np.zeros((len(crops), 1 + longest, 17, 3), np.float32)
    for row, crop in enumerate(crops):
        people[row, 0] = crop.target
        people[row, 1 : 1 + len(crop.negatives)] = crop.negatives
    pictures = torch.from_numpy(np.stack([crop.image for crop in crops])).permute(0, 3, 1, 2)
    skeletons = torch.from_numpy(people)
    return pictures, skeletons[:, 0], skeletons[:, 1:]


def normalise(images: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """(N, 3, H, W) RGB 0-1 -> a network's mean and deviation."""
    mean_of, std_of = (images.new_tensor(values)[:, None, None] for values in (mean, std))
    return (images - mean_of) / std_of


def draw_padded_prompts(targets: Tensor, negatives: Tensor, spec: ModelSpec) -> Tensor:
    """The prompt tensor of N crops, (N, P, H, W).

    Args:
        targets: (N, 17, 3) px of the input, confidence.
        negatives: (N, S, 17, 3), zero rows where a crop has fewer.
        spec: of a network that takes prompts.
    """
    rows = torch.arange(len(targets), device=targets.device).repeat_interleave(negatives.shape[1])
    return draw_prompts_of(targets, negatives.flatten(0, 1), rows, spec)


def draw_prompts_of(targets: Tensor, negatives: Tensor, negative_rows: Tensor, spec: ModelSpec) -> Tensor:
    """As ``draw_prompts``, for the input of one network."""
    assert spec.prompt_groups is not None
    size = (spec.height, spec.width)
    return draw_prompts(
        targets, negatives, negative_rows, size, spec.prompt_groups, spec.negatives, spec.prompt_threshold,
        spec.prompt_continuous,
    )  # fmt: skip
