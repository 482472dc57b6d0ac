"""The training loop. Every step depends on the seed and its number alone, so a resumed run continues identically."""

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from data.errors import UserError
from data.records import IntArray
from data.training_folder import TrainingFolder
from reid.training.writers import ScalarWriter

logger = logging.getLogger(__name__)

Batch = TypeVar("Batch")
Model = TypeVar("Model", bound=nn.Module)


class Batches(Protocol):
    """Which pictures make up the batches of an epoch."""

    def epoch(self, number: int) -> IntArray:
        """Rows of pictures, (B, size) int64."""
        ...


@dataclass(frozen=True, slots=True)
class LoopConfig:
    """How long a training lasts, and how it is kept.

    Attributes:
        epochs: passes over the training pictures.
        save_every: steps between saved states, beside those at the end of each epoch.
        evaluate_every: epochs between scorings, beside the one at the end; 0: no other.
        clip: largest gradient norm; 0: no limit.
        seed: of every step's random numbers.
    """

    epochs: int
    save_every: int
    evaluate_every: int
    clip: float
    seed: int


class TrainingLoop(ABC, Generic[Model, Batch]):
    """Steps, scorings and saved states of one training in one folder; what a step learns is the subclass's.

    The log gets one line per step and scoring.

    Args:
        config: length, saving, seed.
        folder: where the training is kept.
        model: the network, on its device.
        optimiser: of its parameters.
        sampler: gives the batches of every epoch.
        reduced: what matrix products run in; None: fp32.
        writer: also gets every logged number.
    """

    def __init__(
        self,
        config: LoopConfig,
        folder: TrainingFolder,
        model: Model,
        optimiser: torch.optim.Optimizer,
        sampler: Batches,
        reduced: torch.dtype | None = None,
        writer: ScalarWriter | None = None,
    ) -> None:
        self.model = model
        self._loop, self._folder, self._optimiser, self._sampler = config, folder, optimiser, sampler
        self._reduced, self._writer = reduced, writer
        self._device = next(model.parameters()).device
        self._scaler = torch.amp.GradScaler(self._device.type, enabled=reduced == torch.float16)
        self._epoch = self._batch = self._step = 0
        self._best = -float("inf")

    def run(self, stop_after: int | None = None) -> dict[str, float]:
        """Train to the end.

        Args:
            stop_after: leave after so many steps, state saved, as an interruption would.

        Returns:
            The last scoring, empty without a test set or when stopped.
        """
        config, scores = self._loop, {}
        taken = 0
        while self._epoch < config.epochs:
            batches = self._sampler.epoch(self._epoch)
            rows = batches[self._batch :].tolist()
            for batch in self._read(rows):
                self._train_step(batch, len(batches))
                taken += 1
                if taken == stop_after:
                    self._save()
                    return {}
                if self._step % config.save_every == 0:
                    self._save()
            self._end_epoch(rows)
            self._epoch, self._batch = self._epoch + 1, 0
            last = self._epoch == config.epochs
            if self._tested and (last or (config.evaluate_every and self._epoch % config.evaluate_every == 0)):
                scores = self._score()
            self._save()
        self._export(self._folder.last)
        return scores

    @property
    @abstractmethod
    def _tested(self) -> bool:
        """Whether there is something to score the network on."""

    @abstractmethod
    def _read(self, rows: Sequence[Sequence[int]]) -> Iterator[Batch]:
        """Read batches, given the rows of each."""

    @abstractmethod
    def _set_rates(self, epoch: float) -> float:
        """Set the learning rates for a point of training, in epochs with a fraction; the one that is logged."""

    @abstractmethod
    def _learn(self, batch: Batch, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """The loss of a batch, and what else is logged; all random numbers come from the generator, on the CPU."""

    @abstractmethod
    def _evaluate(self) -> dict[str, float]:
        """Score the network on what there is to score it on."""

    @abstractmethod
    def _worth(self, scores: Mapping[str, float]) -> float:
        """How good a scoring is: the weights of the largest are kept."""

    @abstractmethod
    def _export(self, path: Path, scores: Mapping[str, float] | None = None) -> None:
        """Write the network's weights."""

    def _end_epoch(self, rows: Sequence[Sequence[int]]) -> None:
        """Look back at an epoch, of whose batches these were read."""

    def _train_step(self, batch: Batch, batches: int) -> None:
        started = time.perf_counter()
        config = self._loop
        rate = self._set_rates(self._epoch + self._batch / batches)
        # Networks draw from the global generator, augmentation from its own; both restart at every step.
        seed = int(np.random.SeedSequence([config.seed, self._step]).generate_state(1)[0])
        torch.manual_seed(seed)
        generator = torch.Generator().manual_seed(seed)
        self.model.train()
        loss, log = self._learn(batch, generator)
        if not bool(torch.isfinite(loss)):
            raise UserError(f"the loss is {float(loss)} at step {self._step}: lower optimiser.rate, or use fp32")
        self._optimiser.zero_grad(set_to_none=True)
        self._scaler.scale(loss).backward()
        if config.clip:
            self._scaler.unscale_(self._optimiser)
            nn.utils.clip_grad_norm_(self.model.parameters(), config.clip)
        self._scaler.step(self._optimiser)
        self._scaler.update()
        self._step += 1
        self._batch += 1
        log |= {"loss": float(loss.detach()), "rate": rate}
        self._note("train", log, seconds=time.perf_counter() - started)

    def _autocast(self) -> AbstractContextManager[object]:
        return nullcontext() if self._reduced is None else torch.autocast(self._device.type, self._reduced)

    def _score(self) -> dict[str, float]:
        scores = self._evaluate()
        self._note("test", scores)
        told = ", ".join(f"{name} {value:.3f}" for name, value in list(scores.items())[:2])
        logger.info("epoch %d: %s", self._epoch, told)
        worth = self._worth(scores)
        if worth > self._best:
            self._best = worth
            self._export(self._folder.best, scores)
        return scores

    def _note(self, what: str, numbers: Mapping[str, float], **untold: float) -> None:
        self._folder.note({"what": what, "step": self._step, "epoch": self._epoch, **numbers})
        if self._writer is not None:
            for name, value in {**numbers, **untold}.items():
                self._writer.add_scalar(f"{what}/{name}", value, self._step)

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
        """Take up the state in the folder."""
        with self._folder.resuming() as state:
            self.model.load_state_dict(state["model"])
            self._optimiser.load_state_dict(state["optimiser"])
            self._scaler.load_state_dict(state["scaler"])
            self._epoch, self._batch, self._step = state["epoch"], state["batch"], state["step"]
            self._best = state["best"]
