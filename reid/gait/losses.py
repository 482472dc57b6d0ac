"""Losses of gait encoding (Rao et al., TPAMI 2021): sums over the batch, as published, per axis.

``0.5 sum x^2`` is the form of all squared terms.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from reid.gait.encoder import CageOutput

WEIGHT_DECAY = 0.02
_EPSILON = 1e-12


@dataclass(frozen=True, slots=True)
class GaitLosses:
    """The terms of one batch, (3,) each: one per axis. Training takes the sum of all.

    Attributes:
        written: how far the written frames are from the wanted ones.
        locality: attention outside the neighbourhood of the written frame; zero where it is not asked for.
        contrast: of neighbouring sequences against all others.
        weights: squared weights times ``WEIGHT_DECAY``.
    """

    written: Tensor
    locality: Tensor
    contrast: Tensor
    weights: Tensor

    @property
    def total(self) -> Tensor:
        """(3,) their sum."""
        return self.written + self.locality + self.contrast + self.weights


def locality_mask(frames: int, backwards: bool) -> Tensor:
    """Gaussian of width f / 2 about the frame that each step writes, (f, f) float32: rows written, columns read.

    Args:
        frames: f.
        backwards: step t writes frame f - 1 - t; otherwise t.
    """
    place = torch.arange(frames, dtype=torch.float32)
    centre = place.flip(0) if backwards else place
    return torch.exp(-((place - centre[:, None]) ** 2) / (2 * (frames / 2) ** 2))


def neighbour_contrast(vectors: Tensor, paired: Tensor, temperature: float) -> Tensor:
    """NT-Xent (Chen et al., ICML 2020) in which a sequence and the one after it are a positive pair.

    With B - 1 pairs, the 2 (B - 1) members stand as (later ; earlier), so that a sequence between two others is there
    twice; each member's partner competes with all other members.

    Args:
        vectors: (3, B, H) of the sequences of a batch, in their order.
        paired: (B - 1,) bool, whether rows i and i + 1 follow one another in one recording. The published training
            pairs all of them, across recordings and people.
        temperature: cosines are divided by it.

    Returns:
        (3,) mean over the members; zero where nothing is paired.
    """
    later, earlier = vectors[:, 1:][:, paired], vectors[:, :-1][:, paired]
    count = later.shape[1]
    if count == 0:
        return vectors.new_zeros(len(vectors))
    members = nn.functional.normalize(torch.cat([later, earlier], 1), dim=2, eps=_EPSILON)
    similarity = torch.bmm(members, members.transpose(1, 2)) / temperature
    itself = torch.eye(2 * count, dtype=torch.bool, device=vectors.device)
    similarity = similarity.masked_fill(itself, float("-inf"))
    partner = torch.arange(2 * count, device=vectors.device).roll(count)
    chosen = similarity.gather(2, partner[None, :, None].expand(len(vectors), -1, 1))[:, :, 0]
    return (torch.logsumexp(similarity, 2) - chosen).mean(1)


def squared_weights(model: nn.Module) -> Tensor:
    """``0.5 sum w^2`` over all weights and biases of each axis, (3,)."""
    return 0.5 * torch.stack([parameter.square().flatten(1).sum(1) for parameter in model.parameters()]).sum(0)


def gait_losses(
    output: CageOutput,
    target: Tensor,
    vectors: Tensor,
    paired: Tensor,
    temperature: float,
    mask: Tensor | None,
    model: nn.Module,
) -> GaitLosses:
    """All terms.

    Args:
        output: of the network.
        target: (3, N, f, J) what it should have written.
        vectors: (3, N, H) its contrast head's.
        paired: (N - 1,), see ``neighbour_contrast``.
        temperature: of the contrast.
        mask: (f, f) of ``locality_mask``, or None: attention is free.
        model: whose weights are kept small.
    """
    outside = output.alignment.new_zeros(len(output.alignment))
    if mask is not None:
        outside = 0.5 * (output.alignment * (1 - mask)).square().flatten(1).sum(1)
    return GaitLosses(
        written=0.5 * (output.written - target).square().flatten(1).sum(1),
        locality=outside,
        contrast=neighbour_contrast(vectors, paired, temperature),
        weights=WEIGHT_DECAY * squared_weights(model),
    )
