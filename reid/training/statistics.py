"""The running statistics of batch norms, kept so that a step can be undone."""

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


class RunningStatistics:
    """Those of a network; a step whose loss is not finite has spoilt them for good, unless they are put back.

    Args:
        model: on its device.
    """

    def __init__(self, model: nn.Module) -> None:
        norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
        self._now: list[Tensor] = [value for norm in norms for value in norm.buffers(recurse=False)]
        self._kept = [value.clone() for value in self._now]

    @torch.no_grad()
    def remember(self) -> None:
        """Keep them as they are."""
        if self._now:
            torch._foreach_copy_(self._kept, self._now)

    @torch.no_grad()
    def restore(self) -> None:
        """Put back what was kept."""
        if self._now:
            torch._foreach_copy_(self._now, self._kept)
