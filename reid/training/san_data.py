"""Reads pictures of people with their textures for SAN's training, and augments them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset

from data.pictures import read_picture
from data.records import Image
from reid.models.spec import IMAGENET_MEAN, IMAGENET_STD
from reid.samples.crops import resize_crop
from reid.samples.network_input import normalise
from reid.samples.textures import planes, read_texture, texture_target
from reid.training.erasing import erase_rectangles
from reid.training.san_config import SanAugmentConfig

_ENLARGED = 1.125


@dataclass(frozen=True, slots=True)
class TexturedPicture:
    """One picture to learn from.

    Attributes:
        path: the picture.
        texture: its texture, or None where none is read.
        identity: who is in it, from 0.
    """

    path: Path
    texture: Path | None
    identity: int


@dataclass(frozen=True, slots=True)
class TexturedBatch:
    """B pictures at the network's input size.

    Attributes:
        images: (B, 3, H, W) uint8 RGB.
        textures: (B, 3, 256, 256) uint8 RGB, or None.
        identities: (B,) int64.
    """

    images: Tensor
    textures: Tensor | None
    identities: Tensor

    def targets(self, device: torch.device) -> Tensor:
        """The textures as a decoder is to draw them, (B, 3, 256, 256) float32, on a device."""
        assert self.textures is not None
        return texture_target(self.textures.to(device, non_blocking=True))

    def first(self, count: int) -> "TexturedBatch":
        """The first pictures only."""
        textures = None if self.textures is None else self.textures[:count]
        return TexturedBatch(self.images[:count], textures, self.identities[:count])

    def pin_memory(self) -> "TexturedBatch":
        """The same in pinned memory; torch's loader calls this."""
        textures = None if self.textures is None else self.textures.pin_memory()
        return TexturedBatch(self.images.pin_memory(), textures, self.identities.pin_memory())

    def __len__(self) -> int:
        return len(self.images)


class Pictures(Dataset["tuple[Image, Image | None, int]"]):
    """Pictures by index, with texture and identity.

    Args:
        pictures: what to read; all with a texture, or none.
        size: height, width of the network's input, px.
    """

    def __init__(self, pictures: Sequence[TexturedPicture], size: tuple[int, int]) -> None:
        self._pictures, self._size = pictures, size

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, index: int) -> tuple[Image, Image | None, int]:
        """Read one.

        Raises:
            UserError: when picture or texture cannot be read, or a texture is not square.
        """
        picture = self._pictures[index]
        image = resize_crop(read_picture(picture.path), self._size)
        texture = None if picture.texture is None else read_texture(picture.texture)
        return image, texture, picture.identity


def stacked(read: Sequence[tuple[Image, Image | None, int]]) -> TexturedBatch:
    """Make a batch of pictures."""
    images, textures, identities = zip(*read, strict=True)
    there = [texture for texture in textures if texture is not None]
    return TexturedBatch(planes(images), planes(there) if there else None, torch.tensor(identities))


def augmented(images: Tensor, config: SanAugmentConfig, generator: torch.Generator) -> Tensor:
    """Shift, mirror, normalise and erase: (B, 3, H, W) uint8 RGB -> normalised float32.

    Args:
        images: on any device.
        config: what to do.
        generator: on the CPU: the same numbers on every device.
    """
    pictures = images.float() / 255
    count, _, height, width = pictures.shape
    drawn = torch.rand(count, 4, generator=generator).to(images.device)
    if config.shift:
        large = F.interpolate(
            pictures, (round(height * _ENLARGED), round(width * _ENLARGED)), mode="bilinear", align_corners=False
        )
        top = (drawn[:, 0] * (large.shape[2] - height + 1)).long()
        left = (drawn[:, 1] * (large.shape[3] - width + 1)).long()
        y = top[:, None] + torch.arange(height, device=images.device)
        x = left[:, None] + torch.arange(width, device=images.device)
        cut = large[torch.arange(count, device=images.device)[:, None, None], :, y[:, :, None], x[:, None, :]]
        pictures = torch.where(_where(drawn[:, 2] < config.shift), cut.permute(0, 3, 1, 2), pictures)
    pictures = torch.where(_where(drawn[:, 3] < config.flip), pictures.flip(3), pictures)
    # The published fill is the mean colour, put in after normalising: a little brighter than the mean.
    return erase_rectangles(normalise(pictures, IMAGENET_MEAN, IMAGENET_STD), config.erase, generator, IMAGENET_MEAN)


def _where(chosen: Tensor) -> Tensor:
    return chosen[:, None, None, None]
