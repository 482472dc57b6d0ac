"""Training of KPR and BPBReID."""

import logging
from collections.abc import Mapping, Sequence
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
from reid.models.prompting import start_prompts
from reid.samples.camera_tokens import tokens_of_cameras
from reid.samples.labels import check_labels
from reid.samples.network_input import draw_padded_prompts, normalise
from reid.samples.part_labels import label_masks
from reid.training.batch import ReadBatch, TrainBatch
from reid.training.config import LabelUse, OptimiserConfig, TrainConfig
from reid.training.data import Split, digest, training_data
from reid.training.dataset import CropDataset, LoadedCrop, collate
from reid.training.evaluation import Way, evaluate, masks_of
from reid.training.first_batch import augmented
from reid.training.loading import BatchLoader
from reid.training.loop import LoopConfig
from reid.training.memory import smaller_batch
from reid.training.occluders import OccluderBank
from reid.training.people import provenance_of
from reid.training.ranks import Ranks
from reid.training.sampler import IdentityBatches
from reid.training.schedule import learning_rate
from reid.training.scored import Scored, ScoredLoop
from reid.training.writers import ScalarWriter
from reid.weights.checkpoints import build_model, cameras_entry, load_model, save_checkpoint
from reid.weights.pretrained import began_with, load_start, starting_file
from reid.weights.published import BACKBONE

logger = logging.getLogger(__name__)

# How pictures are read, saved and scored, where they lie and how long training lasts may change when it goes on.
_MAY_CHANGE = (
    "batch.workers", "save_every", "evaluate_every", "epochs", "test", "test_also", "test_rule", "test_cameras",
    "test_features", "test_prompts", "label_use.test", "select.patience", "train.*.root",
)  # fmt: skip
_EVALUATION_BATCH = 64


class Trainer(ScoredLoop[KPR | BPBReID, ReadBatch]):
    """One training in one folder.

    Args:
        config: the training.
        out: the folder, see ``TrainingFolder``.
        device: torch device.
        resume: go on from the state in the folder.
        writer: also gets every logged number.
        ranks: the processes that train together; None: this one alone.

    Raises:
        UserError: when a data set, the backbone file, the folder or the precision does not fit.
    """

    def __init__(
        self,
        config: TrainConfig,
        out: Path,
        device: str,
        resume: bool = False,
        writer: ScalarWriter | None = None,
        ranks: Ranks | None = None,
    ) -> None:
        self._config = config
        ranks, place = ranks or Ranks(), torch.device(device)
        ranks.check_batch(config.batch.people)
        self._data = training_data(
            config.train, config.test, config.test_rule, config.select, config.batch.people, config.seed,
            config.batch.bad_files, config.test_also,
        )  # fmt: skip
        start = None if resume else starting_file(config.pretrained, config.model.backbone, config.model.mean)
        self._began = began_with(config.pretrained, config.model.backbone, config.model.mean)
        samples = self._data.train
        folder = TrainingFolder(
            out, config, counted="step", resume=resume, may_change=_MAY_CHANGE,
            data={"pictures": digest(samples)}, leads=ranks.leads,
        )  # fmt: skip
        self.spec = config.spec(self._data.people, len(self._data.cameras))
        self._label_use = {name: _mask_use(self.spec.needs_masks, use) for name, use in dict(config.label_use).items()}
        check_labels(samples, self._label_use["train"])
        check_labels([*self._data.queries(), *self._data.galleries()], self._label_use["test"])
        torch.manual_seed(config.seed)
        model = build_model(self.spec)
        assert isinstance(model, (KPR, BPBReID))
        if isinstance(model, KPR):
            start_prompts(model.backbone_appearance_feature_extractor, self.spec.backbone, config.prompt_start)
        if start is not None:
            load_start(model, self.spec, start)
        model = model.to(place)
        size = (self.spec.height, self.spec.width)
        crops = CropDataset(samples, size, config.grouping, config.batch.bad_files)
        loader: BatchLoader[LoadedCrop, ReadBatch] = BatchLoader(crops, collate, config.batch.workers, place)
        identities: IntArray = np.array([sample.identity for sample in samples], np.int64)
        self._bank = OccluderBank(crops.__getitem__, identities, config.seed)
        sampler = IdentityBatches(identities, config.batch.people, config.batch.pictures, config.seed)
        optimiser, self._rate_factors = _optimiser(config.optimiser, model)
        loop = LoopConfig(
            config.epochs, config.save_every, config.optimiser.clip, config.seed, config.batch.accumulate, config.ema
        )
        super().__init__(
            loop, config.select, config.evaluate_every, folder, model, optimiser, sampler, loader,
            reduced_dtype(config.precision, place), writer, ranks,
        )  # fmt: skip
        self._unlabelled = 0
        if resume:
            self._restore()
        elif start is None and ranks.leads:
            logger.warning("the network begins with random weights, as pretrained=none says")

    @property
    def _tested(self) -> bool:
        return self._data.test is not None or bool(self._data.also)

    def _begin(self) -> None:
        data = self._data
        logger.info("%d crops of %d people from %d cameras", len(data.train), data.people, len(data.cameras))

    def _set_rates(self, epoch: float) -> float:
        config = self._config
        rate = learning_rate(config.schedule, config.optimiser.rate, config.epochs, epoch)
        for group, factor in zip(self._optimiser.param_groups, self._rate_factors, strict=True):
            group["lr"] = rate * factor
        return rate

    def _learn(self, batch: ReadBatch, generator: torch.Generator) -> tuple[Tensor, dict[str, float | Tensor]]:
        config = self._config
        self._freeze_prompts(self._epoch < config.freeze_prompts)
        if self._epoch == 0:
            self._unlabelled += int((~batch.labelled).sum())
        drawn = augmented(batch, config, self.spec, self._bank, generator, self._device)
        with self._autocast():
            output = self._forward(drawn)
        return self._losses(_in_fp32(output), drawn, generator)

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
    ) -> tuple[Tensor, dict[str, float | Tensor]]:
        config, whole = self._config.loss, self._ranks.gathered
        if self._ranks.count > 1:
            # All processes compute one loss, so that what it draws by chance has to be the same.
            generator = torch.Generator().manual_seed(self._step)
        embeddings, id_scores, visibility = (
            {kind: whole(value) for kind, value in values.items()}
            for values in (output.embeddings, output.id_scores, output.visibility)
        )
        loss, told = gilt_loss(
            embeddings, id_scores, whole(batch.identities), config.gilt_weights(), config.margin,
            visibility if config.use_visibility else None, config.combine, generator,
        )  # fmt: skip
        log: dict[str, float | Tensor] = {**told}
        if config.attention and output.pixel_logits is not None:
            labels = label_masks(batch.parts, (output.pixel_logits.shape[2], output.pixel_logits.shape[3])).argmax(1)
            logits, labels, labelled = (whole(value) for value in (output.pixel_logits, labels, batch.labelled))
            # An empty label would teach that the person is background.
            if bool(labelled.any()):
                logits, labels = logits[labelled], labels[labelled]
                attention = attention_loss(logits, labels, config.best_share)
                log["attention"] = attention.detach()
                log["attention_accuracy"] = (logits.argmax(1) == labels).float().mean()
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

    def _evaluate(self, scored: Scored) -> dict[str, float]:
        config, data = self._config, self._data
        if scored == "validation":
            assert data.validation is not None
            with_tokens = self.spec.cameras and config.test_cameras is not False
            return self._scores_on(
                data.validation, {camera: camera for camera in range(len(data.cameras))} if with_tokens else {}
            )
        known = data.cameras if self.spec.cameras else ()
        scores: dict[str, float] = {}
        if data.test is not None and config.test is not None:
            scores |= self._scores_on(data.test, tokens_of_cameras(known, config.cameras_in(config.test)))
        for source, (name, split) in zip(config.test_also, data.also, strict=True):
            found = self._scores_on(split, tokens_of_cameras(known, config.cameras_in(source)))
            scores |= {f"{score}_on_{name}": value for score, value in found.items()}
        return scores

    def _scores_on(self, split: Split, tokens: Mapping[int, int]) -> dict[str, float]:
        config = self._config
        scores: dict[str, float] = {}
        for suffix, prompted in self._ways():
            way = Way(
                config.grouping, _EVALUATION_BATCH, config.batch.workers, prompted, self._label_use["test"],
                config.test_features, tokens,
            )  # fmt: skip
            found = evaluate(self.judged, split.query, split.gallery, way, split.rule)
            scores |= {name + suffix: value for name, value in found.items()}
        return scores

    def _ways(self) -> list[tuple[str, bool]]:
        """What is added to the names of scores, and whether prompts are given."""
        if not isinstance(self.model, KPR):
            return [("", False)]
        ways = {"with": ("", True), "without": ("_without_prompts", False)}
        return [way for name, way in ways.items() if self._config.test_prompts in (name, "both")]

    def _worth(self, scores: Mapping[str, float]) -> float:
        return scores["mAP" + self._ways()[0][0]]

    def _export(self, path: Path, told: Mapping[str, str]) -> None:
        provenance = provenance_of(self._config.train, self._began) | dict(told)
        if self.spec.cameras:
            provenance |= cameras_entry(self._data.cameras)
        save_checkpoint(path, self.judged.state_dict(), self.spec, provenance)

    def _load(self, path: Path) -> None:
        self.judged.load_state_dict(load_model(path)[0].state_dict())

    def _smaller(self, pictures: int) -> str:
        batch = self._config.batch
        return smaller_batch(pictures, batch.people, batch.pictures, batch.accumulate, self._ranks.count)


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
