"""Scores a network in training on a data set's queries and gallery."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader

from reid.distance import distance_matrix
from reid.metrics import RetrievalEvaluator, Rule
from reid.models.bpbreid import BPBReID
from reid.models.kpr import KPR
from reid.part_labels import PartGrouping
from reid.prompt_masks import draw_prompts
from reid.training.batch import TrainBatch
from reid.training.dataset import CropDataset, collate
from reid.training.samples import Sample

_ROWS = 256


def prompts_of(batch: TrainBatch, model: KPR) -> Tensor:
    """The prompt tensor of a batch."""
    spec = model.spec
    assert spec.prompt_groups is not None
    rows = torch.arange(len(batch), device=batch.images.device).repeat_interleave(batch.negatives.shape[1])
    size = (spec.height, spec.width)
    return draw_prompts(batch.targets, batch.negatives.flatten(0, 1), rows, size, spec.prompt_groups, spec.negatives)


def normalised(batch: TrainBatch, model: KPR | BPBReID) -> Tensor:
    """The images as the network takes them."""
    mean, std = (batch.images.new_tensor(value)[:, None, None] for value in (model.spec.mean, model.spec.std))
    return (batch.images - mean) / std


def evaluate(
    model: KPR | BPBReID,
    query: Sequence[Sample],
    gallery: Sequence[Sample],
    grouping: PartGrouping,
    batch: int,
    workers: int,
    rule: Rule = "market",
    use_prompts: bool = True,
) -> dict[str, float]:
    """Retrieve every query from the gallery with the published test features and distance.

    Args:
        model: its training mode is restored afterwards.
        query: crops to search for.
        gallery: crops to search in.
        grouping: of the parts.
        batch: crops per run.
        workers: processes that read pictures.
        rule: which gallery crops a query ranks.
        use_prompts: give the network the keypoints, where it takes any.

    Returns:
        ``mAP``, ``rank1``, ``rank5``, ``rank10`` (0-1) and ``uncomparable``, the share of pairs without a common part.
    """
    training = model.training
    model.eval()
    try:
        vectors, visibility = zip(
            *(_extract(model, samples, grouping, batch, workers, use_prompts) for samples in (query, gallery)),
            strict=True,
        )
    finally:
        model.train(training)
    ids, cameras = (
        [np.array([getattr(sample, name) for sample in samples], np.int64) for samples in (query, gallery)]
        for name in ("identity", "camera")
    )
    evaluator = RetrievalEvaluator(ids[0], ids[1], cameras[0], cameras[1], rule)
    missing = 0
    for start in range(0, len(query), _ROWS):
        rows = slice(start, start + _ROWS)
        block = distance_matrix(vectors[0][rows], vectors[1], visibility[0][rows], visibility[1])
        missing += int(torch.isinf(block).sum())
        evaluator.add(start, block.cpu().numpy())
    scores = evaluator.scores()
    return {
        "mAP": scores.mean_ap,
        **{f"rank{rank}": scores.rank(rank) for rank in (1, 5, 10)},
        "uncomparable": missing / max(1, len(query) * len(gallery)),
    }


@torch.inference_mode()
def _extract(
    model: KPR | BPBReID, samples: Sequence[Sample], grouping: PartGrouping, batch: int, workers: int, use_prompts: bool
) -> tuple[Tensor, Tensor]:
    """Foreground after the neck and parts before it, unit length, with binary visibility (spec section 2.10)."""
    device = next(model.parameters()).device
    dataset = CropDataset(samples, (model.spec.height, model.spec.width), grouping)
    vectors, visibility = [], []
    for crops in DataLoader(dataset, batch, num_workers=workers, collate_fn=collate):
        crops = crops.to(device)
        images = normalised(crops, model)
        if isinstance(model, KPR):
            features = model.feature_map(images, prompts_of(crops, model) if use_prompts else None)
        else:
            features = model.feature_map(images)
        out = model.describe(features, None, "binary", ("foreg", "parts"), scores=False)
        found = torch.cat([out.bn_embeddings["foreg"][:, None], out.embeddings["parts"]], 1)
        vectors.append(F.normalize(found.float(), dim=-1))
        visibility.append(torch.cat([out.visibility["foreg"][:, None], out.visibility["parts"]], 1))
    return torch.cat(vectors), torch.cat(visibility)
