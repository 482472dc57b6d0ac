"""Which grid cells learn which person: task-aligned assignment (Feng et al., TOOD, ICCV 2021, section 3.2)."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.person_pose.network import Candidates

_SCORE_POWER, _OVERLAP_POWER = 0.5, 6.0
_CELLS_PER_PERSON = 10


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """The truth of a batch of pictures, padded with rows of no person.

    Attributes:
        boxes: (B, M, 4) xyxy input px.
        keypoints: (B, M, 17, 3) x, y, and 1 = visible, 0.5 = hidden, 0 = unknown.
        learnt: (B, M) bool, a person to be found.
        ignored: (B, M) bool, a person who may or may not be found (hardly visible).
    """

    boxes: Tensor
    keypoints: Tensor
    learnt: Tensor
    ignored: Tensor

    def changed(self, change: Callable[[Tensor], Tensor]) -> "People":
        """The same with every field changed in one way, as moved to a device."""
        return People(change(self.boxes), change(self.keypoints), change(self.learnt), change(self.ignored))


@dataclass(frozen=True, slots=True, eq=False)
class Assignment:
    """What every cell should say.

    Attributes:
        person: (B, A) int64, row of its person; -1 = nobody.
        quality: (B, A) 0-1, the score it should give.
        counted: (B, A) bool, False for cells without a person inside an ignored one.
    """

    person: Tensor
    quality: Tensor
    counted: Tensor


@torch.no_grad()
def assign(found: Candidates, people: People) -> Assignment:
    """Give each person the 10 cells inside the box that score and fit best; a cell of two takes the better fit."""
    inside = _inside(found.centres, people.boxes)
    overlap = iou(people.boxes[:, :, None], found.boxes[:, None])
    metric = found.logits.sigmoid()[:, None] ** _SCORE_POWER * overlap.clamp(min=0) ** _OVERLAP_POWER
    metric = torch.where(inside & people.learnt[..., None], metric, torch.zeros_like(metric))
    best = metric.topk(min(_CELLS_PER_PERSON, metric.shape[-1]), dim=-1)
    chosen = torch.zeros_like(metric, dtype=torch.bool).scatter_(-1, best.indices, best.values > 1e-9)
    fit = torch.where(chosen, overlap, torch.full_like(overlap, -1.0))
    top, person = fit.max(1)
    person = torch.where(top >= 0, person, torch.full_like(person, -1))
    own = chosen & (torch.arange(metric.shape[1], device=person.device)[:, None] == person[:, None])
    metric = torch.where(own, metric, torch.zeros_like(metric))
    best_metric = metric.amax(-1, keepdim=True)
    best_overlap = torch.where(own, overlap, torch.zeros_like(overlap)).amax(-1, keepdim=True)
    quality = (metric * best_overlap / best_metric.clamp(min=1e-9)).amax(1)
    spared = (inside & people.ignored[..., None]).any(1)
    return Assignment(person, quality, (person >= 0) | ~spared)


def iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of xyxy boxes, broadcast: (..., 4), (..., 4) -> (...)."""
    low, high = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
    shared = (high - low).clamp(min=0).prod(-1)
    areas = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1)
    return shared / (areas - shared).clamp(min=1e-6)


def _inside(centres: Tensor, boxes: Tensor) -> Tensor:
    """Whether (A, 2) points lie in (B, M, 4) boxes: (B, M, A)."""
    x, y = centres[:, 0], centres[:, 1]
    across = (x > boxes[..., 0:1]) & (x < boxes[..., 2:3])
    return across & (y > boxes[..., 1:2]) & (y < boxes[..., 3:4])
