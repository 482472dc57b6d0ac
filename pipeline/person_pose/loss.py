"""What the network is told to get better at: score, box, keypoints, and whether each keypoint is visible."""

import math

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from data.config import Section
from data.skeletons import COCO17
from pipeline.person_pose.assign import People, assign
from pipeline.person_pose.network import Candidates


class LossConfig(Section):
    """Weights of the parts of the loss."""

    score: float = Field(1.0, ge=0, description="binary cross-entropy of the scores")
    box: float = Field(5.0, ge=0, description="1 - complete IoU of the boxes")
    points: float = Field(8.0, ge=0, description="1 - OKS of the keypoints, hidden ones included")
    seen: float = Field(1.0, ge=0, description="binary cross-entropy of the keypoints' visibility")


def pose_loss(found: Candidates, people: People, config: LossConfig) -> tuple[Tensor, dict[str, float]]:
    """The loss of a batch, per person-cell.

    Args:
        found: what the network says.
        people: the truth.
        config: weights.

    Returns:
        The loss and its unweighted parts.
    """
    assigned = assign(found, people)
    total = assigned.quality.sum().clamp(min=1.0)
    judged = F.binary_cross_entropy_with_logits(found.logits, assigned.quality, reduction="none")
    parts = {"score": (judged * assigned.counted).sum() / total}
    row, cell = torch.nonzero(assigned.person >= 0, as_tuple=True)
    person = assigned.person[row, cell]
    weight = assigned.quality[row, cell]
    truth, guess = people.boxes[row, person], found.boxes[row, cell]
    parts["box"] = ((1 - complete_iou(guess, truth)) * weight).sum() / total
    points = people.keypoints[row, person]
    known = (points[..., 2] > 0).float()
    area = (truth[:, 2:] - truth[:, :2]).prod(-1).clamp(min=1.0)
    off = ((found.points[row, cell] - points[..., :2]) ** 2).sum(-1)
    falloff = 2 * (2 * off.new_tensor(COCO17.sigmas)) ** 2
    missed = (1 - torch.exp(-off / (falloff * area[:, None]))) * known
    share = known.sum(-1).clamp(min=1.0)
    parts["points"] = (missed.sum(-1) / share * weight).sum() / total
    visible = (points[..., 2] > 0.75).float()
    told = F.binary_cross_entropy_with_logits(found.seen[row, cell], visible, reduction="none")
    parts["seen"] = (told.mean(-1) * weight).sum() / total
    loss = sum((getattr(config, name) * value for name, value in parts.items()), start=total.new_zeros(()))
    return loss, {name: float(value.detach()) for name, value in parts.items()}


def complete_iou(a: Tensor, b: Tensor) -> Tensor:
    """IoU less the distance of centres and the difference of aspects (Zheng et al., AAAI 2020): (N, 4) -> (N,)."""
    low, high = torch.maximum(a[:, :2], b[:, :2]), torch.minimum(a[:, 2:], b[:, 2:])
    shared = (high - low).clamp(min=0).prod(-1)
    size_a, size_b = (a[:, 2:] - a[:, :2]).clamp(min=1e-3), (b[:, 2:] - b[:, :2]).clamp(min=1e-3)
    overlap = shared / (size_a.prod(-1) + size_b.prod(-1) - shared).clamp(min=1e-6)
    span = torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])
    apart = ((a[:, :2] + a[:, 2:] - b[:, :2] - b[:, 2:]) ** 2).sum(-1) / 4
    angle = torch.atan(size_a[:, 0] / size_a[:, 1]) - torch.atan(size_b[:, 0] / size_b[:, 1])
    shape = 4 / math.pi**2 * angle**2
    with torch.no_grad():
        trade = shape / (1 - overlap + shape).clamp(min=1e-6)
    return overlap - apart / (span**2).sum(-1).clamp(min=1e-6) - trade * shape
