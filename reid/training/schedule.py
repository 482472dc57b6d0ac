"""Learning rate over time."""

import math
from typing import Literal

from pydantic import Field

from data.config import Section


class ScheduleConfig(Section):
    """How the learning rate rises and falls."""

    kind: Literal["cosine", "steps"] = Field("cosine", description="cosine: to the minimum; steps: by a factor")
    warmup_epochs: float = Field(5.0, ge=0, description="epochs of rise from the minimum (steps: from 1 %)")
    warmup: Literal["linear", "geometric"] = Field(
        "linear", description="linear: by equal steps; geometric: by equal factors"
    )
    minimum: float = Field(1.6e-5, ge=0, description="cosine: first and last learning rate")
    minimum_share: float | None = Field(
        None, ge=0, le=1, description="cosine: the same as a share of the highest rate, in place of minimum"
    )
    milestones: tuple[int, ...] = Field((40, 70), description="steps: epochs at which the rate falls")
    factor: float = Field(0.1, gt=0, le=1, description="steps: by how much")
    every_step: bool = Field(False, description="follow the schedule within an epoch; the originals move once an epoch")


def learning_rate(config: ScheduleConfig, base: float, epochs: int, epoch: float) -> float:
    """The rate at a point of training.

    Args:
        config: the schedule.
        base: highest rate.
        epochs: length of training.
        epoch: epochs done, with a fraction within an epoch.
    """
    if not config.every_step:
        epoch = math.floor(epoch)
    lowest = config.minimum if config.minimum_share is None else config.minimum_share * base
    start = lowest if config.kind == "cosine" else 0.01 * base
    if epoch < config.warmup_epochs:
        risen = epoch / config.warmup_epochs
        return start ** (1 - risen) * base**risen if config.warmup == "geometric" else start + (base - start) * risen
    if config.kind == "steps":
        return base * config.factor ** sum(epoch >= milestone for milestone in config.milestones)
    done = min(1.0, (epoch - config.warmup_epochs) / max(epochs - config.warmup_epochs, 1e-9))
    return lowest + (base - lowest) * (1 + math.cos(math.pi * done)) / 2
