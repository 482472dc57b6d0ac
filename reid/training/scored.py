"""A training loop that scores: the best weights are kept, and the test set is scored with them."""

import logging
import math
import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch

from data.runtime.progress import Progress
from data.training_folder import TrainingFolder
from reid.training.loop import Batches, LoopConfig, Reader, TrainingLoop
from reid.training.ranks import Ranks
from reid.training.selection import SelectConfig
from reid.training.steps import Batch, Model
from reid.training.writers import ScalarWriter

logger = logging.getLogger(__name__)

Scored = Literal["validation", "test"]

_DRAWN_EVERY_S = 60.0
# Keys of a configuration that say what is scored, and how.
_OF_THE_TEST = ("test", "label_use.test")


class ScoredLoop(TrainingLoop[Model, Batch]):
    """A ``TrainingLoop`` that scores what was held out, or the test set; the log gets one line per scoring too.

    Args:
        config: length, saving, seed.
        select: what the best weights are chosen on.
        evaluate_every: epochs between scorings, beside the one at the end; 0: no other.
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
        select: SelectConfig,
        evaluate_every: int,
        folder: TrainingFolder,
        model: Model,
        optimiser: torch.optim.Optimizer,
        sampler: Batches,
        loader: Reader[Batch],
        reduced: torch.dtype | None = None,
        writer: ScalarWriter | None = None,
        ranks: Ranks | None = None,
    ) -> None:
        super().__init__(config, folder, model, optimiser, sampler, loader, reduced, writer, ranks)
        self._select, self._every = select, evaluate_every
        self._best, self._waited, self._scored = -math.inf, 0, 0
        self._best_scores: dict[str, float] = {}
        self._result: dict[str, float] = {}
        self._drawn_at = time.monotonic()

    @property
    @abstractmethod
    def _tested(self) -> bool:
        """Whether there is a test set."""

    @abstractmethod
    def _evaluate(self, scored: Scored) -> dict[str, float]:
        """Score the judged network on what was held out, or on the test set."""

    @abstractmethod
    def _worth(self, scores: Mapping[str, float]) -> float:
        """How good a scoring is: the weights of the largest are kept."""

    @abstractmethod
    def _load(self, path: Path) -> None:
        """Put weights that were exported into the judged network."""

    def _run_epoch(self, progress: Progress, stopped: Sequence[int], last: int | None) -> bool:
        self._result = {}
        return super()._run_epoch(progress, stopped, last)

    @property
    def _watched(self) -> Scored | None:
        """What is scored while training goes on."""
        if self._select.best_on == "validation":
            return "validation"
        return "test" if self._tested else None

    def _due(self) -> bool:
        every, ends = self._every, self._epoch >= self._loop.epochs
        return self._watched is not None and self._scored < self._epoch and (
            ends or bool(every and self._epoch % every == 0)
        )  # fmt: skip

    def _look_back(self) -> None:
        if self._due():
            self._choose()
            self._save()

    def _enough(self) -> bool:
        patience = self._select.patience
        if not patience or self._waited < patience:
            return False
        logger.info("epoch %d: no better for %d scorings, training ends", self._epoch, self._waited)
        return True

    def _choose(self) -> None:
        """Score, and keep the weights if they are the best so far."""
        watched, best_on = self._watched, self._select.best_on
        assert watched is not None
        scores = self._scores(watched)
        self._scored = self._epoch
        if watched == "test":
            self._result = scores
        worth = self._worth(scores)
        if best_on != "none" and worth > self._best:
            self._best, self._best_scores, self._waited = worth, scores, 0
            self._write(self._folder.best if best_on == "validation" else self._folder.best_on_test, best_on, scores)
        else:
            self._waited += 1
        if time.monotonic() - self._drawn_at > _DRAWN_EVERY_S:
            self._draw()

    def _scores(self, scored: Scored) -> dict[str, float]:
        """Scores by the leading process, known to all."""
        scores = self._ranks.told(self._evaluate(scored) if self._ranks.leads else {})
        self._note(scored, scores)
        told = ", ".join(f"{name} {value:.3f}" for name, value in list(scores.items())[:2])
        logger.info("epoch %d, %s: %s", self._epoch, scored, told)
        return scores

    def _finish(self) -> dict[str, float]:
        """Write the last weights, and score the chosen ones on the test set.

        Returns:
            The scores on the test set, or else the best ones on what was held out; empty without either.
        """
        self._write(self._folder.last)
        if self._watched == "validation" and not self._result:
            self._result = {f"validation_{name}": value for name, value in self._best_scores.items()}
            if self._tested:
                self._result = self._scores_of_best()
            self._save()
        self._draw()
        return self._result

    def _scores_of_best(self) -> dict[str, float]:
        last = {name: value.clone() for name, value in self.judged.state_dict().items()}
        if self._ranks.leads:
            self._load(self._folder.best)
        try:
            return self._scores("test")
        finally:
            self.judged.load_state_dict(last)

    def _draw(self) -> None:
        super()._draw()
        self._drawn_at = time.monotonic()

    def _state(self) -> dict[str, Any]:
        return {
            **super()._state(),
            "scored": self._scored,
            "waited": self._waited,
            "best": self._best,
            "best_scores": self._best_scores,
            "result": self._result,
        }

    def _take_up(self, state: Mapping[str, Any]) -> None:
        super()._take_up(state)
        self._scored, self._waited = state["scored"], state["waited"]
        self._best, self._best_scores, self._result = state["best"], state["best_scores"], state["result"]

    def _restore(self) -> None:
        super()._restore()
        if any(key.startswith(_OF_THE_TEST) for key in self._folder.changed):
            # What was found on the test set as it was is no result of this one.
            self._result = {}
            if self._watched == "test":
                self._best, self._waited, self._scored = -math.inf, 0, 0
