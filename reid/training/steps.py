"""From losses to steps of an optimiser: scaled where that is needed, left out where they are not finite, averaged."""

import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, Self, TypeVar

import torch
from torch import Tensor, nn

from data.errors import UserError
from reid.training.averaging import Averaged
from reid.training.memory import fitting_size, is_out_of_memory
from reid.training.ranks import Ranks
from reid.training.statistics import RunningStatistics

logger = logging.getLogger(__name__)

# Loss scaling starts at 2^16 and halves at each step it skips; what is not finite at a scale of 1/16 never will be.
_SKIPS_IN_A_ROW = 20


class AnyBatch(Protocol):
    """Pictures that are learnt from together."""

    def __len__(self) -> int:
        """How many pictures there are."""
        ...

    def first(self, count: int) -> Self:
        """The first of them only."""
        ...


Model = TypeVar("Model", bound=nn.Module)
Batch = TypeVar("Batch", bound=AnyBatch)
Told = Mapping[str, float | Tensor]


@dataclass(frozen=True, slots=True)
class Step:
    """One step.

    Attributes:
        numbers: means over its batches of what is logged, ``loss`` and ``gradient_norm`` among them.
        finite: loss and gradient were; else the weights are as before.
        stopped: a process was asked to stop.
    """

    numbers: dict[str, float]
    finite: bool
    stopped: bool


class GradientSteps(Generic[Model]):
    """The steps of one network.

    Args:
        model: the network, on its device.
        optimiser: of its parameters.
        ranks: the processes that train together; batch norms of the network are shared among them.
        scaled: fp16, whose gradients need scaling.
        clip: largest gradient norm; 0: no limit.
        ema: decay of the average of the weights; 0: there is none.
        smaller: the setting that makes a batch of so many pictures, for a message; empty where there is none.
    """

    def __init__(
        self,
        model: Model,
        optimiser: torch.optim.Optimizer,
        ranks: Ranks,
        scaled: bool,
        clip: float,
        ema: float,
        smaller: Callable[[int], str],
    ) -> None:
        self._model, self._optimiser, self._ranks = model, optimiser, ranks
        self._clip, self._smaller = clip or math.inf, smaller
        self._device = next(model.parameters()).device
        self._scaler = torch.amp.GradScaler(self._device.type, enabled=scaled)
        ranks.share_norms(model)
        self._statistics = RunningStatistics(model)
        self._averaged = Averaged(model, ema) if ema else None
        self._skipped = 0

    @property
    def judged(self) -> Model:
        """The network that is scored and written: the average of the weights where there is one."""
        return self._model if self._averaged is None else self._averaged.model

    def take(
        self,
        number: int,
        batches: Iterable[Batch],
        count: int,
        learn: Callable[[Batch], tuple[Tensor, Told]],
        stopped: Sequence[int],
    ) -> Step:
        """Take one step.

        Args:
            number: of the step, for messages.
            batches: whose gradients make it up.
            count: of them.
            learn: loss of a batch, and what is logged of it.
            stopped: not empty once this process was asked to stop.

        Raises:
            UserError: when a batch finds no room, or nothing has been finite for long.
        """
        optimiser = self._optimiser
        self._statistics.remember()
        optimiser.zero_grad(set_to_none=True)
        logs = [self._learned(number, batch, count, learn) for batch in batches]
        parameters = list(self._model.parameters())
        asked = self._ranks.sum_gradients(parameters, bool(stopped))
        self._scaler.unscale_(optimiser)
        norm = nn.utils.clip_grad_norm_(parameters, self._clip)
        numbers = _means([*logs, {"gradient_norm": norm}])
        finite = math.isfinite(numbers["loss"]) and math.isfinite(numbers["gradient_norm"])
        if finite or self._scaler.is_enabled():
            self._scaler.step(optimiser)
        self._scaler.update()
        self._count_skipped(number, finite)
        if self._averaged is not None and finite:
            self._averaged.update(self._model)
        return Step(numbers, finite, asked)

    def state_dict(self) -> dict[str, Any]:
        """To be saved, the network itself included."""
        return {
            "model": self._model.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "scaler": self._scaler.state_dict(),
            "averaged": None if self._averaged is None else self._averaged.state_dict(),
            "skipped": self._skipped,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what was saved."""
        self._model.load_state_dict(state["model"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._scaler.load_state_dict(state["scaler"])
        if self._averaged is not None:
            self._averaged.load_state_dict(state["averaged"])
        self._skipped = state["skipped"]

    def _learned(self, number: int, batch: Batch, count: int, learn: Callable[[Batch], tuple[Tensor, Told]]) -> Told:
        """The log of a batch, whose share of the gradients is added."""
        try:
            loss, log = learn(batch)
            self._scaler.scale(loss / count).backward()
            return {**log, "loss": loss.detach()}
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise

        # Only now is what the failed attempt held let go of.
        def attempt(size: int) -> None:
            self._optimiser.zero_grad(set_to_none=True)
            learn(batch.first(size))[0].backward()

        # Several processes cannot try: the others do not take part.
        fits = fitting_size(len(batch), attempt) if self._ranks.count == 1 else len(batch) // 2
        setting = self._smaller(fits * self._ranks.count)
        less = "no smaller one fits: take a smaller network or input"
        if fits and setting:
            less = f"{fits} {'would' if self._ranks.count == 1 else 'may'} fit: set {setting}"
        raise UserError(
            f"out of memory on {self._device} at step {number}, with {len(batch)} pictures in a batch; {less}"
        )

    def _count_skipped(self, number: int, finite: bool) -> None:
        if finite:
            self._skipped = 0
            return
        self._statistics.restore()
        self._skipped += 1
        if self._skipped == 1:
            logger.warning("loss or gradient is not finite at step %d, which is skipped", number)
        if self._skipped > _SKIPS_IN_A_ROW:
            raise UserError(
                f"loss or gradient has not been finite for {self._skipped} steps up to step {number}: lower "
                "optimiser.rate, or use precision=fp32"
            )


def _means(logs: Sequence[Mapping[str, float | Tensor]]) -> dict[str, float]:
    """Mean of each number over the logs that have it; tensors come from their device together."""
    tensors = [value.detach() for log in logs for value in log.values() if isinstance(value, Tensor)]
    fetched = iter(torch.stack([value.double() for value in tensors]).tolist())
    found: dict[str, list[float]] = {}
    for log in logs:
        for name, value in log.items():
            found.setdefault(name, []).append(next(fetched) if isinstance(value, Tensor) else value)
    return {name: sum(values) / len(values) for name, values in found.items()}
