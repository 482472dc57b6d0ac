"""What a training batch is made of."""

from dataclasses import dataclass, fields

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class TrainBatch:
    """B crops at the network's input size, not yet normalised; row i of every field is the same crop.

    Attributes:
        images: (B, 3, H, W) float32 RGB, 0-1.
        parts: (B, K, H, W) float32 part masks from parsing labels, 0-1, background not included.
        silhouettes: (B, H, W) float32, 0-1, soft outline of the person; zero where it is not known.
        targets: (B, 17, 3) float32 skeleton of the person: x, y in pixels of the input, confidence.
        negatives: (B, S, 17, 3) float32 other people's skeletons, zero rows where there are fewer.
        identities: (B,) int64, rows of the identity heads.
        cameras: (B,) int64, from 0.
        labelled: (B,) bool, whether the part masks are known; they are zero where they are not.
    """

    images: Tensor
    parts: Tensor
    silhouettes: Tensor
    targets: Tensor
    negatives: Tensor
    identities: Tensor
    cameras: Tensor
    labelled: Tensor

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True, slots=True)
class ReadBatch:
    """The same as it is read: pictures and masks are uint8, 255 = 1, a quarter of what there is to move.

    Attributes:
        images: (B, 3, H, W) uint8 RGB.
        parts: (B, K, H, W) uint8.
        silhouettes: (B, H, W) uint8.
        targets: see ``TrainBatch``.
        negatives: see ``TrainBatch``.
        identities: see ``TrainBatch``.
        cameras: see ``TrainBatch``.
        labelled: see ``TrainBatch``.
    """

    images: Tensor
    parts: Tensor
    silhouettes: Tensor
    targets: Tensor
    negatives: Tensor
    identities: Tensor
    cameras: Tensor
    labelled: Tensor

    def on(self, device: torch.device | str) -> TrainBatch:
        """The batch on a device, pictures and masks made floats there."""
        moved = [getattr(self, field.name).to(device, non_blocking=True) for field in fields(self)]
        return TrainBatch(*(value.float() / 255 if value.dtype == torch.uint8 else value for value in moved))

    def first(self, count: int) -> "ReadBatch":
        """The first crops only."""
        return ReadBatch(*(getattr(self, field.name)[:count] for field in fields(self)))

    def pin_memory(self) -> "ReadBatch":
        """The same in pinned memory; torch's loader calls this."""
        return ReadBatch(*(getattr(self, field.name).pin_memory() for field in fields(self)))

    def __len__(self) -> int:
        return len(self.images)
