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

    def to(self, device: torch.device | str) -> "TrainBatch":
        """Move everything to a device."""
        return TrainBatch(*(getattr(self, field.name).to(device) for field in fields(self)))

    def __len__(self) -> int:
        return len(self.images)
