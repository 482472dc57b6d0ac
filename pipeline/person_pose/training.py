"""The training loop. Every step depends on the seed and its number alone, so a resumed run continues identically."""

import logging
import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from data.errors import UserError
from data.pictures import read_picture
from data.records import Image
from data.synthetic.training_set import RECIPE
from data.training_folder import TrainingFolder
from pipeline.person_pose.assign import People
from pipeline.person_pose.config import TrainConfig
from pipeline.person_pose.files import load_network, save_network
from pipeline.person_pose.loss import pose_loss
from pipeline.person_pose.network import PersonPoseNet
from pipeline.person_pose.pictures import collate, cut, read_pictures

logger = logging.getLogger(__name__)

_LOG_EVERY = 50
_CACHED_PICTURES = 64


class Trainer:
    """One training in one folder.

    Args:
        config: the training.
        out: the folder, see ``TrainingFolder``.
        device: torch device.
        resume: go on from the state in the folder.

    Raises:
        UserError: when the data, the weights to start from, or the folder do not fit.
    """

    def __init__(self, config: TrainConfig, out: Path, device: str, resume: bool = False) -> None:
        self._config, self._device = config, torch.device(device)
        self._folder = TrainingFolder(out, config, counted="step", resume=resume, may_change=("save_every",))
        if not config.train:
            raise UserError("train: name at least one COCO keypoint file")
        self._pictures = [picture for path in config.train for picture in read_pictures(config.found(path))]
        self._load = lru_cache(_CACHED_PICTURES)(read_picture)
        torch.manual_seed(config.seed)
        model = PersonPoseNet(config.network)
        if config.pretrained is not None and not resume:
            model = _started(config)
        self.model = model.to(self._device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._optimiser = _optimiser(config, self.model)
        self._people = _people_of([config.found(path) for path in config.train], config.pretrained)
        self._step = 0
        if resume:
            self._restore()
        logger.info(
            "%d pictures, %.2f M parameters",
            len(self._pictures),
            sum(value.numel() for value in self.model.parameters()) / 1e6,
        )

    def run(self, stop_after: int | None = None) -> Path | None:
        """Train to the end.

        Args:
            stop_after: leave after so many steps, state saved, as an interruption would.

        Returns:
            The weights; None when stopped.
        """
        with self._folder.writing():
            return self._run(stop_after)

    def _run(self, stop_after: int | None) -> Path | None:
        config = self._config
        taken = 0
        self.model.train()
        while self._step < config.steps:
            told = self._train_step()
            taken += 1
            if self._step % _LOG_EVERY == 0 or self._step == config.steps:
                self._folder.note({"step": self._step, **told})
                logger.info("step %d: %s", self._step, ", ".join(f"{name} {value:.4f}" for name, value in told.items()))
            if taken == stop_after:
                self._save()
                return None
            if self._step % config.save_every == 0:
                self._save()
        self._save()
        provenance = {
            "trained_on": ", ".join(map(str, config.train)),
            "steps": str(config.steps),
            "batch": str(config.batch),
            "seed": str(config.seed),
            "people": self._people,
        }
        save_network(self._folder.last, self.model, provenance)
        return self._folder.last

    def _train_step(self) -> dict[str, float]:
        config = self._config
        rate = learning_rate(config, self._step)
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        images, people = self._batch()
        loss, told = pose_loss(self.model(images), people, config.loss)
        if not bool(torch.isfinite(loss)):
            raise UserError(f"the loss is {float(loss.detach())} at step {self._step}: lower the rate")
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        if config.clip:
            nn.utils.clip_grad_norm_(self.model.parameters(), config.clip)
        self._optimiser.step()
        self._step += 1
        return told | {"loss": float(loss.detach()), "rate": rate}

    def _batch(self) -> tuple[Tensor, People]:
        """The windows of the present step; pictures come in an order that is drawn anew for every pass."""
        config, count = self._config, len(self._pictures)
        first = self._step * config.batch
        windows = []
        for number in range(first, first + config.batch):
            order = _order(config.seed, number // count, count)
            picture = self._pictures[int(order[number % count])]
            rng = np.random.default_rng([config.seed, 1, number])
            windows.append(cut(picture, self._image(picture.path), config.windows, rng))
        images, people = collate(windows)
        moved = People(*(getattr(people, name).to(self._device) for name in People.__slots__))
        return images.to(self._device, memory_format=torch.channels_last), moved

    def _image(self, path: Path) -> Image:
        image: Image = self._load(path)
        return image

    def _save(self) -> None:
        self._folder.save(
            {"model": self.model.state_dict(), "optimiser": self._optimiser.state_dict(), "step": self._step}
        )

    def _restore(self) -> None:
        with self._folder.resuming() as state:
            self.model.load_state_dict(state["model"])
            self._optimiser.load_state_dict(state["optimiser"])
            self._step = state["step"]


def learning_rate(config: TrainConfig, step: int) -> float:
    """Linear rise, then a cosine down to a hundredth."""
    if step < config.warmup:
        return config.rate * (step + 1) / config.warmup
    done = (step - config.warmup) / max(config.steps - config.warmup, 1)
    return config.rate * (0.01 + 0.99 * (1 + math.cos(math.pi * done)) / 2)


def _people_of(truths: Sequence[Path], pretrained: Path | None) -> str:
    """What the network knows: sets of ``tools.make_training_set`` lie beside their recipe, weights say it."""
    kinds = {"synthetic" if (path.parent / RECIPE).exists() else "real" for path in truths}
    if pretrained is not None:
        kinds |= set(load_network(pretrained)[1].provenance.get("people", "real").split()) - {"and"}
    return " and ".join(sorted(kinds))


@lru_cache(4)
def _order(seed: int, turn: int, count: int) -> Any:
    return np.random.default_rng([seed, 0, turn]).permutation(count)


def _optimiser(config: TrainConfig, model: nn.Module) -> torch.optim.Optimizer:
    decayed = [value for value in model.parameters() if value.ndim > 1]
    kept = [value for value in model.parameters() if value.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": kept, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=config.rate)


def _started(config: TrainConfig) -> PersonPoseNet:
    """A network that starts from weights of the same make-up; the input size may differ."""
    assert config.pretrained is not None
    model, info = load_network(config.pretrained)
    sizes = {"height": config.network.height, "width": config.network.width}
    if info.spec.model_copy(update=sizes) != config.network:
        raise UserError(f"{config.pretrained} holds a network of another make-up; set network.* as it was trained")
    fresh = PersonPoseNet(config.network)
    fresh.load_state_dict(model.state_dict())
    return fresh
