"""GiLt: identity loss on holistic embeddings, triplet loss on parts (BPBReID, WACV 2023, section 3.3)."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from reid.losses.triplet import Combination, part_triplet_loss
from reid.models.part_head import Kind

LABEL_SMOOTHING = 0.1


@dataclass(frozen=True, slots=True)
class KindWeight:
    """How much the two losses of one kind of embedding count."""

    identity: float = 0.0
    triplet: float = 0.0


GILT: dict[Kind, KindWeight] = {
    "globl": KindWeight(identity=1.0),
    "foreg": KindWeight(identity=1.0),
    "conct": KindWeight(identity=1.0),
    "parts": KindWeight(triplet=1.0),
}
"""The published weights."""


def gilt_loss(
    embeddings: Mapping[Kind, Tensor],
    id_scores: Mapping[Kind, Tensor],
    identities: Tensor,
    weights: Mapping[Kind, KindWeight] = GILT,
    margin: float = 0.3,
    visibility: Mapping[Kind, Tensor] | None = None,
    combine: Combination = "mean",
    generator: torch.Generator | None = None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Weighted sum of the losses of every kind.

    Args:
        embeddings: (N, D), parts (N, K, D), conct (N, K*D), before the BN-neck, of the kinds with a triplet weight.
        id_scores: (N, C), parts (N, K, C) identity logits, of the kinds with an identity weight.
        identities: (N,) int64, rows of the identity heads.
        weights: per kind; kinds left out count nothing.
        margin: of the triplet loss; 0 or less is the soft margin.
        visibility: (N,), parts (N, K): boolean ones leave samples or parts out, others weigh them; None counts all.
        combine: how the triplet loss makes one distance per pair out of one per part.
        generator: of its random choices, if it makes any.

    Returns:
        The scalar loss, and for the log, per kind: ``<kind>_identity``, ``<kind>_accuracy``, ``<kind>_triplet``,
        ``<kind>_trivial`` and ``<kind>_valid``, scalars without a graph that stay on the device: nothing waits for it.
    """
    total = torch.zeros((), device=identities.device)
    log: dict[str, Tensor] = {}
    for kind, weight in weights.items():
        seen = None if visibility is None else visibility[kind]
        if weight.identity:
            loss, accuracy = identity_loss(id_scores[kind], identities, seen)
            total = total + weight.identity * loss
            log |= {f"{kind}_identity": loss.detach(), f"{kind}_accuracy": accuracy}
        if weight.triplet:
            vectors = embeddings[kind]
            single = vectors.ndim == 2
            seen = seen[:, None] if seen is not None and single else seen
            columns = vectors[:, None] if single else vectors
            result = part_triplet_loss(columns, identities, seen, margin, combine, generator)
            total = total + weight.triplet * result.loss
            log[f"{kind}_triplet"] = result.loss.detach()
            log |= {f"{kind}_trivial": result.trivial, f"{kind}_valid": result.valid}
    return total, log


def identity_loss(scores: Tensor, identities: Tensor, visibility: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Cross-entropy with label smoothing 0.1.

    Args:
        scores: (N, C), or (N, K, C) where every part is a sample of its own.
        identities: (N,) int64.
        visibility: (N,) or (N, K): bool leaves samples out, float weighs them; None counts all.

    Returns:
        The scalar loss (0 where nothing is visible) and the accuracy: over the visible samples with bool, over all of
        them otherwise, as the originals log it.
    """
    if scores.ndim == 3:
        identities = identities[:, None].expand(scores.shape[:2]).reshape(-1)
        scores = scores.flatten(0, 1)
    weight = torch.ones_like(scores[:, 0]) if visibility is None else visibility.reshape(-1).to(scores.dtype)
    losses = F.cross_entropy(scores, identities, reduction="none", label_smoothing=LABEL_SMOOTHING)
    counted = weight if visibility is not None and visibility.dtype == torch.bool else torch.ones_like(weight)
    right = (scores.detach().argmax(1) == identities) * counted
    tiny = torch.finfo(weight.dtype).tiny
    return (losses * weight).sum() / weight.sum().clamp(min=tiny), right.sum() / counted.sum().clamp(min=1)
