"""Batch-hard triplet loss on part embeddings (BPBReID, WACV 2023, section 3.3.2)."""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from data.kernels.checks import one_of

Combination = Literal["mean", "max", "min", "max_min", "random_max_min", "intra"]

_TINY = 1e-16
# The soft margin is never quite kept; the originals count what keeps the published hard one.
_PUBLISHED_MARGIN = 0.3


@dataclass(frozen=True, slots=True)
class TripletResult:
    """The loss and how much there was to learn from, scalars.

    Attributes:
        loss: scalar; 0 with a gradient of 0 where the batch holds no valid triplet.
        trivial: share of the valid triplets that already keep the margin; with the soft margin, the published 0.3.
        valid: share of the anchors (intra: of anchors and parts) that have a positive and a negative.
    """

    loss: Tensor
    trivial: Tensor
    valid: Tensor


def part_triplet_loss(
    embeddings: Tensor,
    identities: Tensor,
    visibility: Tensor | None = None,
    margin: float = 0.3,
    combine: Combination = "mean",
    generator: torch.Generator | None = None,
) -> TripletResult:
    """Hardest positive against hardest negative of every anchor.

    Args:
        embeddings: (N, K, D), not normalised, before the BN-neck.
        identities: (N,) int64.
        visibility: (N, K) bool or float 0-1, or None to count all parts. A pair's part weighs v_i v_j (bool) or
            sqrt(v_i v_j) (float); pairs that share no part form no triplet.
        margin: by how much the negative must be farther; 0 or less uses the soft margin log(1 + exp(dp - dn)).
        combine: one distance per pair out of K: their weighted mean, largest or smallest; max_min: the largest for
            positives, the smallest for negatives; random_max_min: for each pair, at an even chance, one of the two;
            intra: none, each part forms its own triplets.
        generator: on the CPU, of random_max_min; None draws from the global one.

    Returns:
        The loss: the mean over valid triplets, for intra over those of all parts together.

    Raises:
        UserError: for an unknown combination.
    """
    one_of(combine, get_args(Combination), "the way part distances are combined")
    distances = pairwise_distances(embeddings)
    weights = _pair_weights(distances, visibility)
    if combine == "intra":
        positive_source = negative_source = distances
        comparable = weights > 0
    elif combine == "mean":
        total = weights.sum(0, keepdim=True)
        mean = (weights * distances).sum(0, keepdim=True) / total.clamp(min=torch.finfo(total.dtype).tiny)
        positive_source = negative_source = mean
        comparable = total > 0
    else:
        largest = distances.masked_fill(weights == 0, -torch.inf).amax(0, keepdim=True)
        smallest = distances.masked_fill(weights == 0, torch.inf).amin(0, keepdim=True)
        if combine == "random_max_min":
            drawn = torch.rand(distances.shape[1:], generator=generator).to(distances.device)
            positive_source = negative_source = torch.where(drawn < 0.5, largest, smallest)
        else:
            positive_source = smallest if combine == "min" else largest
            negative_source = largest if combine == "max" else smallest
        comparable = (weights > 0).any(0, keepdim=True)

    same = identities[:, None] == identities[None]
    itself = torch.eye(len(identities), dtype=torch.bool, device=same.device)
    positive = positive_source.masked_fill(~(same & ~itself & comparable), -torch.inf).amax(-1)
    negative = negative_source.masked_fill(~(~same & comparable), torch.inf).amin(-1)
    valid = torch.isfinite(positive) & torch.isfinite(negative)
    count = valid.sum().clamp(min=1)
    gap = torch.where(valid, positive - negative, 0)
    losses = (F.relu(gap + margin) if margin > 0 else F.softplus(gap)) * valid
    trivial = (gap + (margin if margin > 0 else _PUBLISHED_MARGIN) <= 0) & valid
    return TripletResult(losses.sum() / count, trivial.sum() / count, valid.float().mean())


def pairwise_distances(embeddings: Tensor) -> Tensor:
    """Euclidean distance of every pair, per part: (N, K, D) -> (K, N, N), with gradient 0 where it is 0."""
    vectors = embeddings.transpose(0, 1)
    square = vectors.square().sum(-1)
    squared = square[:, :, None] + square[:, None] - 2 * torch.bmm(vectors, vectors.transpose(1, 2))
    coincide = squared <= 0
    return squared.masked_fill(coincide, _TINY).sqrt().masked_fill(coincide, 0.0)


def _pair_weights(distances: Tensor, visibility: Tensor | None) -> Tensor:
    if visibility is None:
        return torch.ones_like(distances)
    seen = visibility.T.to(distances.dtype)
    weights = seen[:, :, None] * seen[:, None]
    return weights if visibility.dtype == torch.bool else weights.sqrt()
