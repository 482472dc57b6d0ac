"""Training of the detector with keypoints, by the loop of all trainings.

What the loop calls an epoch is the stretch between two scorings: windows have no end.
"""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from data.errors import UserError
from data.pictures import read_picture
from data.records import Detections, Image, IntArray, Poses
from data.training_folder import TrainingFolder
from data.training_preview import Preview
from pipeline.backends.config import DetectorConfig
from pipeline.backends.person_pose import PersonPoseNetwork
from pipeline.detector_training.config import TrainConfig
from pipeline.detector_training.data import detector_data, digest, people_of
from pipeline.evaluation.perception import Truth, check_reference, score_perceiver
from pipeline.person_pose.files import load_network, save_network
from pipeline.person_pose.loss import pose_loss
from pipeline.person_pose.network import PersonPoseNet
from pipeline.person_pose.pictures import Picture, Window, WindowBatch, WindowConfig, collate, cut
from reid.training.loading import BatchLoader
from reid.training.loop import LoopConfig
from reid.training.scored import Scored, ScoredLoop
from reid.training.writers import ScalarWriter

logger = logging.getLogger(__name__)

_CACHED_PICTURES = 64
# Average precision lives on weak answers too.
_SCORE_MIN = 0.05
_MAY_CHANGE = ("save_every", "workers", "test", "select.patience")


class Trainer(ScoredLoop[PersonPoseNet, WindowBatch]):
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
        self._data = detector_data(config)
        if self._data.judged:
            check_reference()
        folder = TrainingFolder(
            out, config, counted="step", resume=resume, may_change=_MAY_CHANGE,
            data={"pictures": digest(self._data.train)},
        )  # fmt: skip
        torch.manual_seed(config.seed)
        model = PersonPoseNet(config.network) if config.pretrained is None or resume else _started(config)
        place = torch.device(device)
        model = model.to(place, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._people = people_of([config.found(path) for path in config.train], config.pretrained)
        windows = _Windows(self._data.train, config.windows, config.seed)
        loader: BatchLoader[Window, WindowBatch] = BatchLoader(windows, collate, config.workers, place)
        stretches = _Stretches(config)
        loop = LoopConfig(stretches.count, config.save_every, config.clip, config.seed, 1, 0.0)
        super().__init__(
            loop, config.select, 1, folder, model, _optimiser(config, model), stretches, loader, None, writer
        )
        if resume:
            self._restore()

    @property
    def _tested(self) -> bool:
        return "test" in self._data.judged

    def _begin(self) -> None:
        size = sum(value.numel() for value in self.model.parameters()) / 1e6
        logger.info("%d pictures, %.2f M parameters", len(self._data.train), size)

    def _set_rates(self, epoch: float) -> float:
        rate = learning_rate(self._config, self._step)
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        return rate

    def _learn(self, batch: WindowBatch, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        images = batch.images.to(self._device, non_blocking=True).float() / 255
        people = batch.people.changed(lambda value: value.to(self._device, non_blocking=True))
        return pose_loss(self.model(images), people, self._config.loss)

    def _evaluate(self, scored: Scored) -> dict[str, float]:
        """Average precision of boxes and skeletons, 0-1, as the back-end finds them with these weights."""
        samples = (
            (Truth(one.boxes, one.keypoints, one.seen), read_picture(one.path)) for one in self._data.judged[scored]
        )
        with TemporaryDirectory() as folder:
            path = Path(folder) / "judged.safetensors"
            save_network(path, self.judged, {})
            found = PersonPoseNetwork(DetectorConfig(score_min=_SCORE_MIN, half=False), path, str(self._device))

            def perceive(images: Sequence[Image]) -> list[tuple[Detections, Poses | None]]:
                return list(found.perceive(images))

            scores = asdict(score_perceiver(perceive, samples))
        return {name: float(scores[name]) for name in ("box_ap", "box_ap50", "pose_ap", "pose_ap50")}

    def _worth(self, scores: Mapping[str, float]) -> float:
        return scores["box_ap"] + max(scores["pose_ap"], 0.0)

    def _load(self, path: Path) -> None:
        self.judged.load_state_dict(load_network(path)[0].state_dict())

    def _export(self, path: Path, told: Mapping[str, str]) -> None:
        config = self._config
        provenance = {
            "trained_on": ", ".join(map(str, config.train)),
            "steps": str(self._step),
            "batch": str(config.batch),
            "seed": str(config.seed),
            "people": self._people,
        }
        chosen = {name: value for name, value in told.items() if name not in ("epochs", "seed")}
        save_network(path, self.judged, provenance | chosen)

    def _smaller(self, pictures: int) -> str:
        return f"batch={pictures}"


class _Stretches:
    """The steps from scoring to scoring; windows are numbered through."""

    def __init__(self, config: TrainConfig) -> None:
        self._steps, self._batch = config.steps, config.batch
        self._length = config.evaluate_every or config.steps
        self.count = -(-config.steps // self._length)

    def epoch(self, number: int) -> IntArray:
        """Numbers of the windows of each batch, (steps, batch) int64."""
        first, last = number * self._length, min((number + 1) * self._length, self._steps)
        return np.arange(first * self._batch, last * self._batch).reshape(-1, self._batch)


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
    data = found.attempt(partial(detector_data, config))
    if data is not None:
        for name, pictures in (("train", data.train), *data.judged.items()):
            people = sum(len(picture.boxes) for picture in pictures)
            found.facts.append(f"{name}: {len(pictures)} pictures of {people} people")
            found.attempt(partial(read_picture, pictures[0].path))
        if data.judged:
            found.attempt(check_reference)
    if config.pretrained is not None:
        found.attempt(partial(_started, config))
    return found


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
