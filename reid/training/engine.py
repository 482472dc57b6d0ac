"""The training loop. Every step depends on the seed and its number alone, so a resumed run continues identically."""

import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from data.errors import UserError
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
from reid.samples.sources import ReidData, SourceConfig, default_rule, join, read_source
from reid.training.augment import augment
from reid.training.batch import TrainBatch
from reid.training.config import LabelUse, OptimiserConfig, TrainConfig
from reid.training.dataset import CropDataset, load_batches
from reid.training.evaluation import Way, evaluate, masks_of
from reid.training.sampler import IdentityBatches
from reid.training.schedule import learning_rate
from reid.training.writers import ScalarWriter
from reid.weights.checkpoints import build_model, cameras_entry, save_checkpoint
from reid.weights.pretrained import load_backbone
from reid.weights.published import BACKBONE

logger = logging.getLogger(__name__)

# How pictures are read, saved and scored may change between a training and its resumption.
_MAY_CHANGE = ("batch.workers", "save_every", "evaluate_every", "test_rule", "test_cameras")
_EVALUATION_BATCH = 64
# Only our own generator describes its crops in such files.
_SYNTHETIC = "crops_*.json"


class Trainer:
    """One training in one folder.

    The log gets one line per step and scoring.

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
        self._config, self._device, self._writer = config, torch.device(device), writer
        self._folder = TrainingFolder(out, config, counted="step", resume=resume, may_change=_MAY_CHANGE)
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
        if config.pretrained is not None and not resume:
            load_backbone(model.backbone_appearance_feature_extractor, self.spec, config.pretrained)
        self.model: KPR | BPBReID = model.to(self._device)
        size = (self.spec.height, self.spec.width)
        self._dataset = CropDataset(samples, size, config.grouping, config.batch.bad_files)
        identities: IntArray = np.array([sample.identity for sample in samples], np.int64)
        self._sampler = IdentityBatches(identities, config.batch.people, config.batch.pictures, config.seed)
        self._optimiser, self._rate_factors = _optimiser(config.optimiser, self.model)
        self._reduced = reduced_dtype(config.precision, self._device)
        self._scaler = torch.amp.GradScaler(self._device.type, enabled=self._reduced == torch.float16)
        self._epoch = self._batch = self._step = 0
        self._best = -1.0
        self._unlabelled = 0
        if resume:
            self._restore()
        self._folder.begin()
        logger.info("%d crops of %d people from %d cameras", len(samples), people, len(self._cameras))

    def run(self, stop_after: int | None = None) -> dict[str, float]:
        """Train to the end.

        Args:
            stop_after: leave after so many steps, state saved, as an interruption would.

        Returns:
            The last scoring, empty without a test set or when stopped.
        """
        config, scores = self._config, {}
        taken = 0
        while self._epoch < config.epochs:
            batches = self._sampler.epoch(self._epoch)
            rows = batches[self._batch :].tolist()
            for batch in load_batches(self._dataset, rows, config.batch.workers):
                self._train_step(batch, len(batches))
                taken += 1
                if taken == stop_after:
                    self._save()
                    return {}
                if self._step % config.save_every == 0:
                    self._save()
            if self._unlabelled:
                self._tell_unlabelled(sum(map(len, rows)))
            self._epoch, self._batch = self._epoch + 1, 0
            last = self._epoch == config.epochs
            if self._test is not None and (
                last or (config.evaluate_every and self._epoch % config.evaluate_every == 0)
            ):
                scores = self._score(self._test)
            self._save()
        self._export(self._folder.last)
        return scores

    def _train_step(self, batch: TrainBatch, batches: int) -> None:
        started = time.perf_counter()
        config = self._config
        rate = learning_rate(config.schedule, config.optimiser.rate, config.epochs, self._epoch + self._batch / batches)
        for group, factor in zip(self._optimiser.param_groups, self._rate_factors, strict=True):
            group["lr"] = rate * factor
        # Stochastic depth draws from the global generator, augmentation from its own; both restart at every step.
        seed = int(np.random.SeedSequence([config.seed, self._step]).generate_state(1)[0])
        torch.manual_seed(seed)
        generator = torch.Generator().manual_seed(seed)
        self.model.train()
        self._freeze_prompts(self._epoch < config.freeze_prompts)
        if self._epoch == 0:
            self._unlabelled += int((~batch.labelled).sum())
        parts = () if config.grouping is None else self.spec.part_names
        batch = augment(batch.to(self._device), config.augment, generator, parts, self.spec.mean)
        with self._autocast():
            output = self._forward(batch)
        loss, log = self._losses(_in_fp32(output), batch, generator)
        if not bool(torch.isfinite(loss)):
            raise UserError(f"the loss is {float(loss)} at step {self._step}: lower optimiser.rate, or use fp32")
        self._optimiser.zero_grad(set_to_none=True)
        self._scaler.scale(loss).backward()
        if config.optimiser.clip:
            self._scaler.unscale_(self._optimiser)
            nn.utils.clip_grad_norm_(self.model.parameters(), config.optimiser.clip)
        self._scaler.step(self._optimiser)
        self._scaler.update()
        self._step += 1
        self._batch += 1
        log |= {"loss": float(loss.detach()), "rate": rate}
        self._note("train", log, seconds=time.perf_counter() - started)

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

    def _tell_unlabelled(self, drawn: int) -> None:
        if self._config.loss.attention and self.spec.learnable_attention:
            logger.warning(
                "of %d crops drawn in the first epoch, %d have neither a parsing label nor keypoints of their person; "
                "the attention learns nothing from them",
                drawn, self._unlabelled,
            )  # fmt: skip
        self._unlabelled = 0

    def _autocast(self) -> AbstractContextManager[object]:
        return nullcontext() if self._reduced is None else torch.autocast(self._device.type, self._reduced)

    def _freeze_prompts(self, frozen: bool) -> None:
        if isinstance(self.model, KPR):
            self.model.backbone_appearance_feature_extractor.masks_patch_embed.requires_grad_(not frozen)

    def _score(self, data: ReidData) -> dict[str, float]:
        config = self._config
        scores: dict[str, float] = {}
        assert config.test is not None
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
        self._note("test", scores)
        logger.info("epoch %d: mAP %.3f, rank-1 %.3f", self._epoch, scores["mAP"], scores["rank1"])
        if scores["mAP"] > self._best:
            self._best = scores["mAP"]
            self._export(self._folder.best, scores)
        return scores

    def _note(self, what: str, numbers: Mapping[str, float], **untold: float) -> None:
        self._folder.note({"what": what, "step": self._step, "epoch": self._epoch, **numbers})
        if self._writer is not None:
            for name, value in {**numbers, **untold}.items():
                self._writer.add_scalar(f"{what}/{name}", value, self._step)

    def _export(self, path: Path, scores: Mapping[str, float] | None = None) -> None:
        provenance = {
            "trained_on": ", ".join(str(source.root) for source in self._config.train),
            "people": _people_of(self._config.train),
            "epochs": str(self._epoch),
            "seed": str(self._config.seed),
        }
        if self.spec.cameras:
            provenance |= cameras_entry(self._cameras)
        provenance |= {name: f"{value:.4f}" for name, value in (scores or {}).items()}
        save_checkpoint(path, self.model.state_dict(), self.spec, provenance)

    def _save(self) -> None:
        self._folder.save(
            {
                "model": self.model.state_dict(),
                "optimiser": self._optimiser.state_dict(),
                "scaler": self._scaler.state_dict(),
                "epoch": self._epoch,
                "batch": self._batch,
                "step": self._step,
                "best": self._best,
            }
        )

    def _restore(self) -> None:
        with self._folder.resuming() as state:
            self.model.load_state_dict(state["model"])
            self._optimiser.load_state_dict(state["optimiser"])
            self._scaler.load_state_dict(state["scaler"])
            self._epoch, self._batch, self._step = state["epoch"], state["batch"], state["step"]
            self._best = state["best"]


def _mask_use(needed: bool, use: LabelUse) -> MaskUse | None:
    if needed:
        return "fixed"
    return None if use == "none" else use


def _people_of(sources: Sequence[SourceConfig]) -> str:
    """What the network knows, for the header of its weights: "real", "synthetic" or "real and synthetic" people."""
    kinds = {"synthetic" if any(source.folder.glob(_SYNTHETIC)) else "real" for source in sources}
    return " and ".join(sorted(kinds))


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
