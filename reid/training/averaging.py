"""The exponential moving average of a network's weights in training."""

from copy import deepcopy
from typing import Any, Generic, TypeVar

import torch
from torch import nn

Model = TypeVar("Model", bound=nn.Module)


class Averaged(Generic[Model]):
    """A copy of a network that follows it slowly.

    Early averages are shorter, or the first weights would stay in them for long: the decay is at most
    (1 + n) / (10 + n) at the n-th update (as TensorFlow's ``ExponentialMovingAverage`` has it).

    Args:
        model: the network.
        decay: share of the average that is kept at an update, below 1.

    Attributes:
        model: the average; running statistics are averaged as weights are.
    """

    def __init__(self, model: Model, decay: float) -> None:
        self.model = deepcopy(model).requires_grad_(False).eval()
        self._decay, self._updates = decay, 0

    @torch.no_grad()
    def update(self, model: Model) -> None:
        """Move the average towards the network as it is now."""
        decay = min(self._decay, (1 + self._updates) / (10 + self._updates))
        self._updates += 1
        pairs = list(zip(self.model.state_dict().values(), model.state_dict().values(), strict=True))
        moving = [(kept, now) for kept, now in pairs if kept.is_floating_point()]
        torch._foreach_lerp_([kept for kept, _ in moving], [now for _, now in moving], 1 - decay)
        for kept, now in pairs:
            if not kept.is_floating_point():
                kept.copy_(now)

    def state_dict(self) -> dict[str, Any]:
        """To be saved."""
        return {"model": self.model.state_dict(), "updates": self._updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what was saved."""
        self.model.load_state_dict(state["model"])
        self._updates = state["updates"]
