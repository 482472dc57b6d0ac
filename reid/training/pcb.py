"""Training of PCB as published with ST-ReID: SGD on the sum of six cross entropies."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.utils.data import Dataset

from data.config import Section
from data.errors import UserError
from data.pictures import read_picture
from data.training_folder import TrainingFolder
from reid.evaluation import retrieval
from reid.evaluation.embedders import PcbExtractor
from reid.evaluation.extract import Reading
from reid.models.pcb import PCB
from reid.models.spec import IMAGENET_MEAN, IMAGENET_STD
from reid.ranking.rules import Rule
from reid.samples.network_input import normalise
from reid.samples.pcb_input import resize_bytes
from reid.samples.sources import Sample, SourceConfig
from reid.training.data import TrainingData, digest
from reid.training.erasing import erase_rectangles
from reid.training.loading import BatchLoader
from reid.training.loop import LoopConfig
from reid.training.ranks import Ranks
from reid.training.sampler import WholeEpochs
from reid.training.scored import Scored, ScoredLoop
from reid.training.selection import SelectConfig
from reid.training.writers import ScalarWriter
from reid.weights.pcb import load_pcb, save_pcb

logger = logging.getLogger(__name__)

_MAY_CHANGE = (
    "save_every", "workers", "epochs", "pretrained", "evaluate_every", "test", "test_rule", "select.patience",
)  # fmt: skip
_EVALUATION_BATCH = 64
# Its state is saved after each epoch; an epoch is short.
_SAVED_STEPS = 1000


class PcbTrainingConfig(Section):
    """The published recipe; every epoch sees every picture once."""

    pretrained: Literal["none"] | Path | None = Field(
        None,
        description="ResNet-50 of ImageNet to begin with, torchvision's or timm's file; none: random weights; null: not"
        " told yet",
    )
    epochs: int = Field(60, ge=1, description="passes over the training pictures")
    batch: int = Field(32, ge=2, description="pictures per step; a last batch of one is left out")
    backbone_rate: float = Field(0.01, gt=0, description="learning rate of the backbone")
    heads_rate: float = Field(0.1, gt=0, description="learning rate of the strips' classifiers")
    momentum: float = Field(0.9, ge=0, lt=1, description="Nesterov momentum")
    weight_decay: float = Field(5e-4, ge=0, description="L2 penalty")
    drop_every: int = Field(40, ge=1, description="epochs after which the learning rates fall, again and again")
    drop_factor: float = Field(0.1, gt=0, le=1, description="by this factor (MTMCT: 0.13)")
    flip: float = Field(0.5, ge=0, le=1, description="probability of mirroring a picture")
    erase: float = Field(0.5, ge=0, le=1, description="probability of random erasing; 0 leaves it out")
    jitter: float = Field(0.0, ge=0, lt=1, description="largest change of brightness, contrast and saturation (0.1)")
    save_every: int = Field(10, ge=1, description="epochs between checkpoints")
    workers: int = Field(4, ge=0, description="processes that read pictures, at most one per core; 0 reads here")
    test: SourceConfig | None = Field(None, description="data set whose queries and gallery are scored; null: none")
    test_rule: Rule | None = Field(None, description="what a query ranks; null: what test's kind is published with")
    evaluate_every: int = Field(0, ge=0, description="epochs between scorings; 0: only at the end")
    select: SelectConfig = Field(SelectConfig(best_on="none"), description="the published recipe trains on everybody")
    seed: int = Field(0, ge=0, description="of weights, order and augmentation")

    @model_validator(mode="after")
    def _fits(self) -> "PcbTrainingConfig":
        self.select.check_scorings(self.evaluate_every)
        return self


@dataclass(frozen=True, slots=True)
class PcbBatch:
    """B pictures at the network's input size.

    Attributes:
        images: (B, 3, 384, 192) uint8 RGB.
        labels: (B,) int64.
    """

    images: Tensor
    labels: Tensor

    def first(self, count: int) -> "PcbBatch":
        """The first pictures only."""
        return PcbBatch(self.images[:count], self.labels[:count])

    def pin_memory(self) -> "PcbBatch":
        """The same in pinned memory; torch's loader calls this."""
        return PcbBatch(self.images.pin_memory(), self.labels.pin_memory())

    def __len__(self) -> int:
        return len(self.images)


class PcbTrainer(ScoredLoop[PCB, PcbBatch]):
    """One training in one folder; ``pcb_<epoch>.safetensors`` lie beside what every training keeps.

    Args:
        model: network with as many identities as there are people to learn from.
        data: what to learn from, to choose by and to test on.
        config: the recipe.
        out: the folder, see ``TrainingFolder``.
        device: torch device.
        resume: go on after the last step the state in the folder knows.
        overwrite: a training in the folder may be replaced.
        writer: also gets every logged number.
        ranks: the processes that train together; None: this one alone.

    Raises:
        UserError: when there are too few pictures, or the folder does not fit.
    """

    def __init__(
        self,
        model: PCB,
        data: TrainingData,
        config: PcbTrainingConfig,
        out: Path,
        device: str = "cpu",
        resume: bool = False,
        overwrite: bool = False,
        writer: ScalarWriter | None = None,
        ranks: Ranks | None = None,
    ) -> None:
        if len(data.train) < 2 or data.people != model.identities:
            raise UserError(
                f"{len(data.train)} pictures of {data.people} people are no training set for a network that knows "
                f"{model.identities}"
            )
        self._config, self._data, ranks = config, data, ranks or Ranks()
        ranks.check_batch(config.batch, "batch")
        folder = TrainingFolder(
            out, config, counted="step", resume=resume, overwrite=overwrite, may_change=_MAY_CHANGE,
            data=_identity(model, data), leads=ranks.leads,
        )  # fmt: skip
        place = torch.device(device)
        model = model.to(place)
        optimiser = torch.optim.SGD(
            [
                {"params": list(model.backbone.parameters()), "lr": config.backbone_rate},
                {"params": list(model.heads.parameters()), "lr": config.heads_rate},
            ],
            momentum=config.momentum,
            weight_decay=config.weight_decay,
            nesterov=config.momentum > 0,
        )
        loader = BatchLoader(_Pictures(data.train), _stacked, config.workers, place)
        loop = LoopConfig(config.epochs, _SAVED_STEPS, 0.0, config.seed, 1, 0.0)
        # Every process needs a picture of every batch.
        sampler = WholeEpochs(len(data.train), config.batch, config.seed, max(2, ranks.count))
        super().__init__(
            loop, config.select, config.evaluate_every, folder, model, optimiser, sampler, loader, None, writer, ranks
        )
        if resume:
            self._restore()

    @property
    def _tested(self) -> bool:
        return self._data.test is not None

    def _begin(self) -> None:
        logger.info("%d pictures of %d people", len(self._data.train), self._data.people)

    def _set_rates(self, epoch: float) -> float:
        config = self._config
        fallen = config.drop_factor ** (int(epoch) // config.drop_every)
        rates = (config.backbone_rate * fallen, config.heads_rate * fallen)
        for group, rate in zip(self._optimiser.param_groups, rates, strict=True):
            group["lr"] = rate
        return rates[0]

    def _learn(self, batch: PcbBatch, generator: torch.Generator) -> tuple[Tensor, dict[str, float | Tensor]]:
        images = batch.images.to(self._device, non_blocking=True).float() / 255
        logits = self.model(augment_pictures(images, self._config, generator))
        whole = self._ranks.gathered
        logits, labels = whole(logits.transpose(0, 1)).transpose(0, 1), whole(batch.labels.to(self._device))
        accuracy = (predictions(logits.detach()) == labels).float().mean()
        return strip_loss(logits, labels), {"accuracy": accuracy}

    def _end_epoch(self, rows: Sequence[Sequence[int]]) -> None:
        if (self._epoch + 1) % self._config.save_every == 0 and self._ranks.leads:
            with self._folder.storing():
                save_pcb(self.model, self._folder.root / f"pcb_{self._epoch + 1:03d}.safetensors")

    def _evaluate(self, scored: Scored) -> dict[str, float]:
        split = self._data.validation if scored == "validation" else self._data.test
        assert split is not None
        extractor = PcbExtractor(self.judged, str(self._device), "pcb")
        reading = Reading(_EVALUATION_BATCH, self._config.workers, "none")
        ranking = retrieval.Ranking(split.rule, device=str(self._device))
        return retrieval.evaluate(extractor, split.query, split.gallery, reading, ranking).summary()

    def _worth(self, scores: Mapping[str, float]) -> float:
        return scores["mAP"]

    def _export(self, path: Path, told: Mapping[str, str]) -> None:
        save_pcb(self.judged, path, told)

    def _load(self, path: Path) -> None:
        self.judged.load_state_dict(load_pcb(path).state_dict())

    def _smaller(self, pictures: int) -> str:
        return f"batch={pictures}"


class _Pictures(Dataset[tuple[Tensor, int]]):
    """Pictures by index, with the number of their person."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._samples = samples

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        sample = self._samples[index]
        return resize_bytes(read_picture(sample.path)), sample.identity


def _stacked(read: Sequence[tuple[Tensor, int]]) -> PcbBatch:
    return PcbBatch(torch.stack([image for image, _ in read]), torch.tensor([label for _, label in read]))


def _identity(model: PCB, data: TrainingData) -> dict[str, str]:
    """What must be the same when a training goes on, beside its configuration."""
    return {
        "pictures": digest(data.train),
        "network": f"{model.identities} identities, activation {model.activation}",
    }


def strip_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Sum over the strips of the cross entropy: (6, N, I), (N,) -> scalar."""
    return sum((cross_entropy(strip, labels) for strip in logits), start=logits.new_zeros(()))


def predictions(logits: Tensor) -> Tensor:
    """Identity of the largest summed probability: (6, N, I) -> (N,)."""
    return logits.softmax(-1).sum(0).argmax(-1)


def augment_pictures(images: Tensor, config: PcbTrainingConfig, generator: torch.Generator) -> Tensor:
    """Mirror, jitter, normalise and erase: (N, 3, H, W) 0-1 -> normalised; random numbers are drawn on the CPU."""
    count, device = len(images), images.device
    mirrored = (torch.rand(count, generator=generator) < config.flip).to(device)
    images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
    if config.jitter > 0:
        change = (1 + config.jitter * (2 * torch.rand(3, count, 1, 1, 1, generator=generator) - 1)).to(device)
        images = (images * change[0]).clamp(0, 1)
        grey = (images * images.new_tensor((0.299, 0.587, 0.114))[:, None, None]).sum(1, keepdim=True)
        level = grey.mean((2, 3), keepdim=True)
        images = (level + (images - level) * change[1]).clamp(0, 1)
        images = (grey + (images - grey) * change[2]).clamp(0, 1)
    return erase_rectangles(normalise(images, IMAGENET_MEAN, IMAGENET_STD), config.erase, generator)
