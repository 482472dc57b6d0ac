"""Body-part attention loss: the pixel classifier learns from parsing labels (BPBReID, WACV 2023, section 3.3.1)."""

from torch import Tensor
from torch.nn import functional as F

LABEL_SMOOTHING = 0.1


def attention_loss(pixel_logits: Tensor, labels: Tensor, best_share: float = 1.0) -> Tensor:
    """Cross-entropy of every pixel, with label smoothing 0.1.

    Args:
        pixel_logits: (N, K+1, h, w), background first.
        labels: (N, h, w) int64, or (N, K+1, h, w) label masks, whose argmax counts (the lowest index of equals).
        best_share: only this share of the pixels, those of lowest loss, is averaged: wrong labels are often the worst.

    Returns:
        Scalar.
    """
    if labels.ndim == 4:
        labels = labels.argmax(1)
    losses = F.cross_entropy(pixel_logits, labels, reduction="none", label_smoothing=LABEL_SMOOTHING).flatten()
    if best_share < 1:
        losses = losses.topk(max(1, int(best_share * len(losses))), largest=False).values
    return losses.mean()
