"""Training of KPR and BPBReID."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from data.records import IntArray
from data.training_folder import TrainingFolder
from reid.losses.attention import attention_loss
from reid.losses.gilt import gilt_loss
from reid.models.bpbreid import BPBReID
from reid.models.kpr import KPR
from reid.models.part_head import KINDS, MaskUse, PartOutput
from reid.models.precision import reduced_dtype
from reid.samples.camera_tokens import tokens_of_cameras
from reid.samples.labels import check_labels
from reid.samples.network_input import draw_padded_prompts, normalise
from reid.samples.part_labels import label_masks
from reid.samples.sources import ReidData, default_rule, join, read_source
from reid.training.augment import augment
from reid.training.batch import TrainBatch
from reid.training.config import LabelUse, OptimiserConfig, TrainConfig
from reid.training.dataset import CropDataset, load_batches
from reid.training.evaluation import Way, evaluate, masks_of
from reid.training.loop import LoopConfig, TrainingLoop
from reid.training.people import people_of_sources
from reid.training.sampler import IdentityBatches
from reid.training.schedule import learning_rate
from reid.training.writers import ScalarWriter
from reid.weights.checkpoints import build_model, cameras_entry, save_checkpoint
from reid.weights.pretrained import load_backbone, starting_file
from reid.weights.published import BACKBONE

logger = logging.getLogger(__name__)

# How pictures are read, saved and scored may change between a training and its resumption.
_MAY_CHANGE = ("batch.workers", "save_every", "evaluate_every", "test_rule", "test_cameras")
_EVALUATION_BATCH = 64


class Trainer(TrainingLoop[KPR | BPBReID, TrainBatch]):
    """One training in one folder.

    Args:
        config: the training.
        out: the folder, see ``TrainingFolder``.
        device: torch device.
        resume: go on from the state in the folder.
        writer: also gets every logged number.

    Raises:
        UserError: when a data set, the backbone file, the folder or the precision does not fit.
    """

    def __init__(
        self, config: TrainConfig, out: Path, device: str, resume: bool = False, writer: ScalarWriter | None = None
    ) -> None:
        self._config = config
        place = torch.device(device)
        start = None if resume else starting_file(config.pretrained, config.model)
        folder = TrainingFolder(out, config, counted="step", resume=resume, may_change=_MAY_CHANGE)
        data = [read_source(source, "train", config.batch.bad_files) for source in config.train]
        samples, people, self._cameras = join([part.train for part in data])
        self._test: ReidData | None = None if config.test is None else read_source(config.test, "test")
        self._rule = config.test_rule or default_rule("market" if config.test is None else config.test.kind)
        self.spec = config.spec(people, len(self._cameras))
        self._label_use = {name: _mask_use(self.spec.needs_masks, use) for name, use in dict(config.label_use).items()}
        check_labels(samples, self._label_use["train"])
        if self._test is not None:
            check_labels([*self._test.query, *self._test.gallery], self._label_use["test"])
        torch.manual_seed(config.seed)
        model = build_model(self.spec)
        assert isinstance(model, (KPR, BPBReID))
        if start is not None:
            load_backbone(model.backbone_appearance_feature_extractor, self.spec, start)
        model = model.to(place)
        size = (self.spec.height, self.spec.width)
        self._dataset = CropDataset(samples, size, config.grouping, config.batch.bad_files)
        identities: IntArray = np.array([sample.identity for sample in samples], np.int64)
        sampler = IdentityBatches(identities, config.batch.people, config.batch.pictures, config.seed)
        optimiser, self._rate_factors = _optimiser(config.optimiser, model)
        loop = LoopConfig(
            config.epochs, config.save_every, config.evaluate_every, config.optimiser.clip, config.seed
        )  # fmt: skip
        super().__init__(loop, folder, model, optimiser, sampler, reduced_dtype(config.precision, place), writer)
        self._unlabelled = 0
        if resume:
            self._restore()
        elif start is None:
            logger.warning("the network begins with random weights, as pretrained=none says")
        folder.begin()
        logger.info("%d crops of %d people from %d cameras", len(samples), people, len(self._cameras))

    @property
    def _tested(self) -> bool:
        return self._test is not None

    def _read(self, rows: Sequence[Sequence[int]]) -> Iterator[TrainBatch]:
        return load_batches(self._dataset, rows, self._config.batch.workers)

    def _set_rates(self, epoch: float) -> float:
        config = self._config
        rate = learning_rate(config.schedule, config.optimiser.rate, config.epochs, epoch)
        for group, factor in zip(self._optimiser.param_groups, self._rate_factors, strict=True):
            group["lr"] = rate * factor
        return rate

    def _learn(self, batch: TrainBatch, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        config = self._config
        self._freeze_prompts(self._epoch < config.freeze_prompts)
        if self._epoch == 0:
            self._unlabelled += int((~batch.labelled).sum())
        parts = () if config.grouping is None else self.spec.part_names
        batch = augment(batch.to(self._device), config.augment, generator, parts, self.spec.mean)
        with self._autocast():
            output = self._forward(batch)
        return self._losses(_in_fp32(output), batch, generator)

    def _forward(self, batch: TrainBatch) -> PartOutput:
        images = normalise(batch.images, self.spec.mean, self.spec.std)
        if isinstance(self.model, KPR):
            cameras = batch.cameras if self.spec.cameras else None
            prompts = draw_padded_prompts(batch.targets, batch.negatives, self.spec)
            features = self.model.feature_map(images, prompts, cameras)
        else:
            features = self.model.feature_map(images)
        external = masks_of(batch, features, self._label_use["train"])
        return self.model.describe(features, external, "binary", KINDS, scores=True)

    def _losses(
        self, output: PartOutput, batch: TrainBatch, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        config = self._config.loss
        loss, log = gilt_loss(
            output.embeddings, output.id_scores, batch.identities, config.gilt_weights(), config.margin,
            output.visibility if config.use_visibility else None, config.combine, generator,
        )  # fmt: skip
        # An empty label would teach that the person is background.
        if config.attention and output.pixel_logits is not None and bool(batch.labelled.any()):
            logits = output.pixel_logits[batch.labelled]
            labels = label_masks(batch.parts[batch.labelled], (logits.shape[2], logits.shape[3])).argmax(1)
            attention = attention_loss(logits, labels, config.best_share)
            log["attention"] = float(attention.detach())
            log["attention_accuracy"] = float((logits.argmax(1) == labels).float().mean())
            loss = loss + config.attention * attention
        return loss, log

    def _end_epoch(self, rows: Sequence[Sequence[int]]) -> None:
        if self._unlabelled and self._config.loss.attention and self.spec.learnable_attention:
            logger.warning(
                "of %d crops drawn in the first epoch, %d have neither a parsing label nor keypoints of their person; "
                "the attention learns nothing from them",
                sum(map(len, rows)), self._unlabelled,
            )  # fmt: skip
        self._unlabelled = 0

    def _freeze_prompts(self, frozen: bool) -> None:
        if isinstance(self.model, KPR):
            self.model.backbone_appearance_feature_extractor.masks_patch_embed.requires_grad_(not frozen)

    def _evaluate(self) -> dict[str, float]:
        config, data = self._config, self._test
        scores: dict[str, float] = {}
        assert config.test is not None
        assert data is not None
        known = self._cameras if self.spec.cameras else ()
        tokens = tokens_of_cameras(known, config.cameras_in(config.test))
        ways = {"": True, "_without_prompts": False} if isinstance(self.model, KPR) else {"": False}
        for suffix, prompted in ways.items():
            way = Way(
                config.grouping, _EVALUATION_BATCH, config.batch.workers, prompted, self._label_use["test"],
                config.test_features, tokens,
            )  # fmt: skip
            found = evaluate(self.model, data.query, data.gallery, way, self._rule)
            scores |= {name + suffix: value for name, value in found.items()}
        return scores

    def _worth(self, scores: Mapping[str, float]) -> float:
        return scores["mAP"]

    def _export(self, path: Path, scores: Mapping[str, float] | None = None) -> None:
        provenance = {
            "trained_on": ", ".join(str(source.root) for source in self._config.train),
            "people": people_of_sources([source.folder for source in self._config.train]),
            "epochs": str(self._epoch),
            "seed": str(self._config.seed),
        }
        if self.spec.cameras:
            provenance |= cameras_entry(self._cameras)
        provenance |= {name: f"{value:.4f}" for name, value in (scores or {}).items()}
        save_checkpoint(path, self.model.state_dict(), self.spec, provenance)


def _mask_use(needed: bool, use: LabelUse) -> MaskUse | None:
    if needed:
        return "fixed"
    return None if use == "none" else use


def _optimiser(config: OptimiserConfig, model: nn.Module) -> tuple[torch.optim.Optimizer, list[float]]:
    """The optimiser, and what the learning rate of each of its groups is multiplied by.

    Frozen tensors are left out, except those that are only frozen for some epochs.
    """
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            factor = config.bias_factor if name.endswith("bias") else 1.0
            factor *= config.backbone_factor if name.startswith(BACKBONE) else 1.0
            groups.setdefault((factor, config.decay_all or parameter.ndim > 1), []).append(parameter)
    # Decayed before kept: a saved state knows its groups by their order.
    keys = sorted(groups, key=lambda key: (-key[0], not key[1]))
    made: list[dict[str, Any]] = [
        {"params": groups[key], "weight_decay": config.weight_decay if key[1] else 0.0} for key in keys
    ]
    factors = [factor for factor, _ in keys]
    if config.kind == "sgd":
        return torch.optim.SGD(made, lr=config.rate, momentum=0.9), factors
    return (torch.optim.Adam if config.kind == "adam" else torch.optim.AdamW)(made, lr=config.rate), factors


def _in_fp32(output: PartOutput) -> PartOutput:
    """Losses are computed in fp32 whatever the network ran in."""

    def widened(values: Mapping[Any, Tensor]) -> dict[Any, Tensor]:
        return {kind: value if value.dtype == torch.bool else value.float() for kind, value in values.items()}

    return replace(
        output,
        embeddings=widened(output.embeddings),
        visibility=widened(output.visibility),
        id_scores=widened(output.id_scores),
        pixel_logits=None if output.pixel_logits is None else output.pixel_logits.float(),
    )
