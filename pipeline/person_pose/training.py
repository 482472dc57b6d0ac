"""Training of the detector with keypoints, by the loop of all trainings."""

import logging
import math
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from data.errors import UserError
from data.pictures import read_picture
from data.records import Image, IntArray
from data.synthetic.training_set import RECIPE
from data.training_folder import TrainingFolder
from data.training_preview import Preview
from pipeline.person_pose.config import TrainConfig
from pipeline.person_pose.files import load_network, save_network
from pipeline.person_pose.loss import pose_loss
from pipeline.person_pose.network import PersonPoseNet
from pipeline.person_pose.pictures import Picture, Window, WindowBatch, WindowConfig, collate, cut, read_pictures
from reid.training.loading import BatchLoader
from reid.training.loop import LoopConfig, TrainingLoop
from reid.training.writers import ScalarWriter

logger = logging.getLogger(__name__)

_CACHED_PICTURES = 64


class Trainer(TrainingLoop[PersonPoseNet, WindowBatch]):
    """One training in one folder.

    Args:
        config: the training.
        out: the folder, see ``TrainingFolder``.
        device: torch device.
        resume: go on from the state in the folder.
        writer: also gets every logged number.

    Raises:
        UserError: when the data, the weights to start from, or the folder do not fit.
    """

    def __init__(
        self, config: TrainConfig, out: Path, device: str, resume: bool = False, writer: ScalarWriter | None = None
    ) -> None:
        self._config = config
        folder = TrainingFolder(out, config, counted="step", resume=resume, may_change=("save_every", "workers"))
        self._pictures = _pictures_of(config)
        torch.manual_seed(config.seed)
        model = PersonPoseNet(config.network) if config.pretrained is None or resume else _started(config)
        place = torch.device(device)
        model = model.to(place, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._people = _people_of([config.found(path) for path in config.train], config.pretrained)
        windows = _Windows(self._pictures, config.windows, config.seed)
        loader: BatchLoader[Window, WindowBatch] = BatchLoader(windows, collate, config.workers, place)
        loop = LoopConfig(1, config.save_every, config.clip, config.seed, 1, 0.0)
        super().__init__(loop, folder, model, _optimiser(config, model), _Steps(config), loader, None, writer)
        if resume:
            self._restore()

    def _begin(self) -> None:
        size = sum(value.numel() for value in self.model.parameters()) / 1e6
        logger.info("%d pictures, %.2f M parameters", len(self._pictures), size)

    def _set_rates(self, epoch: float) -> float:
        rate = learning_rate(self._config, self._step)
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        return rate

    def _learn(self, batch: WindowBatch, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        images = batch.images.to(self._device, non_blocking=True).float() / 255
        people = batch.people.changed(lambda value: value.to(self._device, non_blocking=True))
        return pose_loss(self.model(images), people, self._config.loss)

    def _export(self, path: Path, told: Mapping[str, str]) -> None:
        config = self._config
        provenance = {
            "trained_on": ", ".join(map(str, config.train)),
            "steps": str(config.steps),
            "batch": str(config.batch),
            "seed": str(config.seed),
            "people": self._people,
        }
        save_network(path, self.model, provenance)

    def _smaller(self, pictures: int) -> str:
        return f"batch={pictures}"


class _Steps:
    """One epoch of as many batches as there are steps; windows are numbered through."""

    def __init__(self, config: TrainConfig) -> None:
        self._shape = (config.steps, config.batch)

    def epoch(self, number: int) -> IntArray:
        """Numbers of the windows of each batch, (steps, batch) int64."""
        return np.arange(math.prod(self._shape)).reshape(self._shape)


class _Windows(Dataset[Window]):
    """Windows by number; their pictures come in an order that is drawn anew for every pass."""

    def __init__(self, pictures: Sequence[Picture], config: WindowConfig, seed: int) -> None:
        self._pictures, self._config, self._seed = pictures, config, seed

    def __getitem__(self, number: int) -> Window:
        order = _order(self._seed, number // len(self._pictures), len(self._pictures))
        picture = self._pictures[int(order[number % len(self._pictures)])]
        return cut(picture, _image(picture.path), self._config, np.random.default_rng([self._seed, 1, number]))


@lru_cache(_CACHED_PICTURES)
def _image(path: Path) -> Image:
    return read_picture(path)


def learning_rate(config: TrainConfig, step: int) -> float:
    """Linear rise, then a cosine down to a hundredth."""
    if step < config.warmup:
        return config.rate * (step + 1) / config.warmup
    done = (step - config.warmup) / max(config.steps - config.warmup, 1)
    return config.rate * (0.01 + 0.99 * (1 + math.cos(math.pi * done)) / 2)


def preview(config: TrainConfig) -> Preview:
    """Read the truth, look for every picture, open the first, and put the starting weights in."""
    found = Preview(config.model_dump(mode="json"))
    pictures = found.attempt(partial(_pictures_of, config))
    if pictures is not None:
        people = sum(len(picture.boxes) for picture in pictures)
        found.facts.append(f"train: {len(pictures)} pictures of {people} people")
        found.attempt(partial(read_picture, pictures[0].path))
    if config.pretrained is not None:
        found.attempt(partial(_started, config))
    return found


def _pictures_of(config: TrainConfig) -> list[Picture]:
    if not config.train:
        raise UserError("train: name at least one COCO keypoint file")
    return [picture for path in config.train for picture in read_pictures(config.found(path))]


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
