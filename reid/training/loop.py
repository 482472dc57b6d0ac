"""The training loop. Every step depends on the seed and its number alone, so a resumed run continues identically."""

import logging
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from data.learning_curves import draw_curves
from data.records import IntArray
from data.runtime.progress import Progress
from data.runtime.stopping import stop_signals
from data.training_folder import TrainingFolder
from reid.training.ranks import Ranks
from reid.training.steps import AnyBatch, Batch, GradientSteps, Model, Step
from reid.training.writers import ScalarWriter

logger = logging.getLogger(__name__)

Read_co = TypeVar("Read_co", bound=AnyBatch, covariant=True)


class Batches(Protocol):
    """Which pictures make up the batches of an epoch."""

    def epoch(self, number: int) -> IntArray | Sequence[IntArray]:
        """Rows of pictures of each batch, int64."""
        ...


class Reader(Protocol[Read_co]):
    """Reads batches, see ``BatchLoader``."""

    def read(self, rows: Sequence[Sequence[int]]) -> Generator[Read_co]:
        """Read batches, given the rows of each."""
        ...

    def close(self) -> None:
        """Let go of what reading needs."""
        ...


@dataclass(frozen=True, slots=True)
class LoopConfig:
    """How long a training lasts, and how it is kept.

    Attributes:
        epochs: passes over the training pictures.
        save_every: steps between saved states, beside those at the end of each epoch.
        clip: largest gradient norm; 0: no limit.
        seed: of every step's random numbers.
        accumulate: batches whose gradients make up one step.
        ema: decay of the average of the weights that is written; 0: the weights themselves.
    """

    epochs: int
    save_every: int
    clip: float
    seed: int
    accumulate: int
    ema: float


def step_seed(seed: int, step: int, salt: Sequence[int] = ()) -> int:
    """What everything random in a step follows from.

    Args:
        seed: of the whole training.
        step: its number.
        salt: of one of several processes; empty for a single one.
    """
    return int(np.random.SeedSequence([seed, step, *salt]).generate_state(1)[0])


class TrainingLoop(ABC, Generic[Model, Batch]):
    """Steps and saved states of one training in one folder; what a step learns is the subclass's.

    The log gets one line per step. ``reid.training.scored.ScoredLoop`` also scores and keeps the best weights.

    Args:
        config: length, saving, seed.
        folder: where the training is kept.
        model: the network, on its device.
        optimiser: of its parameters.
        sampler: says what the batches of every epoch are.
        loader: reads them.
        reduced: what matrix products run in; None: fp32.
        writer: also gets every logged number.
        ranks: the processes that train together; None: this one alone.

    Raises:
        UserError: when a batch cannot be divided among the processes.
    """

    def __init__(
        self,
        config: LoopConfig,
        folder: TrainingFolder,
        model: Model,
        optimiser: torch.optim.Optimizer,
        sampler: Batches,
        loader: Reader[Batch],
        reduced: torch.dtype | None = None,
        writer: ScalarWriter | None = None,
        ranks: Ranks | None = None,
    ) -> None:
        self.model = model
        self._loop, self._folder, self._optimiser = config, folder, optimiser
        self._sampler, self._loader = sampler, loader
        self._reduced, self._ranks = reduced, ranks or Ranks()
        self._writer = writer if self._ranks.leads else None
        self._device = next(model.parameters()).device
        self._steps = GradientSteps(
            model, optimiser, self._ranks, reduced == torch.float16, config.clip, config.ema, self._smaller
        )
        self._epoch = self._batch = self._step = 0

    @property
    def judged(self) -> Model:
        """The network that is written: the average of the weights where there is one."""
        return self._steps.judged

    def run(self, stop_after: int | None = None) -> dict[str, float]:
        """Train to the end.

        Args:
            stop_after: leave after so many steps, state saved, as an interruption would.

        Returns:
            The scores at the end; empty where nothing is scored, and when stopped.

        Raises:
            InterruptedTraining: when a signal asked the process to end; the state is saved.
            UserError: when there is no memory or disk left, or losses or gradients are no longer finite.
        """
        config = self._loop
        last = None if stop_after is None else self._step + stop_after
        progress = Progress("training", "step", None, self._step, self._ranks.leads)
        with self._folder.writing(), closing(self._loader), stop_signals("step") as stopped, progress:
            self._begin()
            while True:
                self._look_back()
                if self._epoch >= config.epochs or self._enough():
                    return self._finish()
                if not self._run_epoch(progress, stopped, last):
                    if self._step == last:
                        return {}
                    self._draw()
                    raise self._folder.interrupted(f"step {self._step}")

    @abstractmethod
    def _begin(self) -> None:
        """Say what is learnt from."""

    @abstractmethod
    def _set_rates(self, epoch: float) -> float:
        """Set the learning rates for a point of training, in epochs with a fraction; the one that is logged."""

    @abstractmethod
    def _learn(self, batch: Batch, generator: torch.Generator) -> tuple[Tensor, Mapping[str, float | Tensor]]:
        """The loss of a batch, and what else is logged; all random numbers come from the generator, on the CPU."""

    @abstractmethod
    def _export(self, path: Path, told: Mapping[str, str]) -> None:
        """Write the judged network's weights.

        Args:
            path: where.
            told: for the file's header: epochs, seed, and the scores they were chosen by.
        """

    @abstractmethod
    def _smaller(self, pictures: int) -> str:
        """The setting that makes a batch of at most so many pictures, for a message; empty where there is none."""

    def _look_back(self) -> None:
        """Before each epoch and after the last: judge what was learnt so far."""

    def _enough(self) -> bool:
        """Whether training ends before its last epoch."""
        return False

    def _end_epoch(self, rows: Sequence[Sequence[int]]) -> None:
        """Look back at an epoch, of whose batches these were read."""

    def _run_epoch(self, progress: Progress, stopped: Sequence[int], last: int | None) -> bool:
        """Train to the end of an epoch; False: left before it, state saved."""
        config = self._loop
        rows = [self._ranks.own(batch.tolist()) for batch in self._sampler.epoch(self._epoch)]
        steps = [rows[first : first + config.accumulate] for first in range(0, len(rows), config.accumulate)]
        left = steps[self._batch :]
        progress.expect(self._step + len(left) + (config.epochs - self._epoch - 1) * len(steps))
        read = [row for step in left for row in step]
        with closing(self._loader.read(read)) as batches:
            for step in left:
                taken = self._train_step(islice(batches, len(step)), len(step), len(steps), stopped)
                told = f"loss {taken.numbers['loss']:.3f}, rate {taken.numbers['rate']:.2g}"
                progress.advance(1, f"epoch {self._epoch + 1} of {config.epochs}, {told}")
                if taken.stopped or self._step == last:
                    self._save()
                    return False
                if self._step % config.save_every == 0:
                    self._save()
        self._end_epoch(read)
        self._epoch, self._batch = self._epoch + 1, 0
        self._save()
        return True

    def _train_step(self, batches: Iterable[Batch], count: int, steps: int, stopped: Sequence[int]) -> Step:
        """Take one step of so many batches, of so many steps in the epoch."""
        started = time.perf_counter()
        rate = self._set_rates(self._epoch + self._batch / steps)
        # Networks draw from the global generator, augmentation from its own; both restart at every step.
        seed = step_seed(self._loop.seed, self._step, self._ranks.salt)
        torch.manual_seed(seed)
        generator = torch.Generator().manual_seed(seed)
        self.model.train()
        step = self._steps.take(self._step, batches, count, lambda batch: self._learn(batch, generator), stopped)
        step = replace(step, numbers=step.numbers | {"rate": rate})
        self._step += 1
        self._batch += 1
        told = {name: value for name, value in step.numbers.items() if math.isfinite(value)}
        self._note("train", told if step.finite else told | {"skipped": 1.0}, seconds=time.perf_counter() - started)
        return step

    def _autocast(self) -> AbstractContextManager[object]:
        return nullcontext() if self._reduced is None else torch.autocast(self._device.type, self._reduced)

    def _finish(self) -> dict[str, float]:
        """Write the last weights; the scores at the end."""
        self._write(self._folder.last)
        self._draw()
        return {}

    def _write(self, path: Path, chosen_on: str = "none", scores: Mapping[str, float] | None = None) -> None:
        if not self._ranks.leads:
            return
        told = {"epochs": str(self._epoch), "seed": str(self._loop.seed)}
        if chosen_on != "none":
            told |= {"chosen_on": chosen_on}
        told |= {name: f"{value:.4f}" for name, value in (scores or {}).items()}
        with self._folder.storing():
            self._export(path, told)

    def _note(self, what: str, numbers: Mapping[str, float], **untold: float) -> None:
        self._folder.note({"what": what, "step": self._step, "epoch": self._epoch, **numbers})
        if self._writer is not None:
            for name, value in {**numbers, **untold}.items():
                self._writer.add_scalar(f"{what}/{name}", value, self._step)

    def _draw(self) -> None:
        if self._ranks.leads:
            draw_curves(self._folder.root)

    def _state(self) -> dict[str, Any]:
        """What a resumed training needs."""
        return {**self._steps.state_dict(), "epoch": self._epoch, "batch": self._batch, "step": self._step}

    def _take_up(self, state: Mapping[str, Any]) -> None:
        self._steps.load_state_dict(state)
        self._epoch, self._batch, self._step = state["epoch"], state["batch"], state["step"]

    def _save(self) -> None:
        self._folder.save(self._state())

    def _restore(self) -> None:
        """Take up the state in the folder."""
        with self._folder.resuming() as state:
            self._take_up(state)
        if self._epoch > self._loop.epochs and self._ranks.leads:
            logger.warning("%d epochs are done; epochs=%d leaves nothing to learn", self._epoch, self._loop.epochs)
