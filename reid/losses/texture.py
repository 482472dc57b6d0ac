"""SAN's losses on drawn textures (Jin et al., AAAI 2020, section 3.2, in the form of their code)."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

Mining = Literal["next", "hard"]


def reconstruction_loss(drawn: Tensor, textures: Tensor) -> Tensor:
    """Mean absolute difference; the paper's L_Rec.

    Args:
        drawn: (N, 3, H, W).
        textures: (N, 3, H, W), what should have been drawn.
    """
    return F.l1_loss(drawn, textures)


def decoder_triplet_losses(
    levels: Sequence[Tensor], pictures: int, margin: float = 0.3, mining: Mining = "next"
) -> Tensor:
    """Triplet losses on the decoder's maps, with the mean squared difference as distance; the paper's L_TR.

    Args:
        levels: the decoder's maps, (N, C, h, w) each; N is a multiple of ``pictures``, identities side by side.
        pictures: K of each identity.
        margin: by how much another person's map must be farther.
        mining: next: as in the authors' code. Level l of an identity compares its picture l with its picture l + 1
            (from 0, modulo K) and with picture l of the next identity in the batch (the last level: its first picture);
            the last identity is never an anchor; the sum over identities. hard: every picture is an anchor, with its
            farthest positive and its nearest negative; the mean over pictures.

    Returns:
        (L,) one term per level.

    Raises:
        ValueError: when N is no multiple of K, or there are fewer than two identities or pictures of each.
    """
    count = len(levels[0])
    if count % pictures or count < 2 * pictures or pictures < 2:
        raise ValueError(f"{count} pictures are no two or more identities of {pictures} pictures")
    if mining == "hard":
        return torch.stack([_hard(level, pictures, margin) for level in levels])
    return torch.stack([_next(level, number, len(levels), pictures, margin) for number, level in enumerate(levels)])


def _next(level: Tensor, number: int, levels: int, pictures: int, margin: float) -> Tensor:
    people = level.unflatten(0, (-1, pictures))
    other = 0 if number == levels - 1 else number % pictures
    anchor = people[:-1, number % pictures]
    near = (anchor - people[:-1, (number + 1) % pictures]).square().flatten(1).mean(1)
    far = (anchor - people[1:, other]).square().flatten(1).mean(1)
    return F.relu(near - far + margin).sum()


def _hard(level: Tensor, pictures: int, margin: float) -> Tensor:
    rows = level.flatten(1).float()
    square = rows.square().sum(1)
    apart = (square[:, None] + square[None] - 2 * rows @ rows.T).clamp(min=0) / rows.shape[1]
    owners = torch.arange(len(rows), device=rows.device) // pictures
    same = owners[:, None] == owners[None]
    near = apart.masked_fill(~same, -torch.inf).amax(1)
    far = apart.masked_fill(same, torch.inf).amin(1)
    return F.relu(near - far + margin).mean()
