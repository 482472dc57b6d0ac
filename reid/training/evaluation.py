"""A training's batches as its network takes them, and the score of a network in training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from reid.evaluation import retrieval
from reid.evaluation.extract import Reading
from reid.evaluation.network import PUBLISHED_FEATURES, NetworkExtractor, TestFeature
from reid.models.bpbreid import BPBReID
from reid.models.kpr import KPR
from reid.models.part_head import ExternalMasks, MaskUse
from reid.ranking.rules import Rule
from reid.samples.part_labels import PartGrouping, label_masks
from reid.samples.sources import Sample
from reid.training.batch import TrainBatch


@dataclass(frozen=True, slots=True)
class Way:
    """How crops are turned into vectors.

    Attributes:
        grouping: of the parts; None where they are stripes.
        batch: crops per run.
        workers: processes that read pictures.
        prompts: give the network the keypoints, where it takes any.
        labels: what the label masks do; None: nothing.
        features: kinds of embedding that are compared.
        cameras: camera -> token it gives its crops.
    """

    grouping: PartGrouping | None
    batch: int
    workers: int
    prompts: bool = True
    labels: MaskUse | None = None
    features: tuple[TestFeature, ...] = PUBLISHED_FEATURES
    cameras: Mapping[int, int] = field(default_factory=dict)


def masks_of(batch: TrainBatch, features: Tensor, use: MaskUse | None) -> ExternalMasks | None:
    """The label masks of a batch at the size of its feature maps (B, C, h, w), to be used so; None for no use."""
    if use is None:
        return None
    return ExternalMasks(label_masks(batch.parts, (features.shape[2], features.shape[3])), use)


def evaluate(
    model: KPR | BPBReID, query: Sequence[Sample], gallery: Sequence[Sample], way: Way, rule: Rule = "market"
) -> dict[str, float]:
    """Retrieve every query from the gallery, as ``python -m tools.evaluate_reid`` does.

    Args:
        model: its training mode is restored afterwards.
        query: crops to search for.
        gallery: crops to search in.
        way: how crops are turned into vectors.
        rule: which gallery crops a query ranks.

    Returns:
        ``mAP``, ``rank1``, ``rank5``, ``rank10`` (0-1), and what ``PairStatistics`` tells.
    """
    extractor = NetworkExtractor(
        model, features=way.features, labels=way.labels, grouping=way.grouping, cameras=way.cameras
    )
    reading = Reading(way.batch, way.workers, "all" if way.prompts else "none")
    ranking = retrieval.Ranking(rule, device=str(next(model.parameters()).device))
    return retrieval.evaluate(extractor, query, gallery, reading, ranking).summary()
