"""Where one residual branch of a transformer ends and the next begins: sum and LayerNorm together."""

import torch
from torch import Tensor, nn

from reid.models.kernels import Kernel

_KERNEL = Kernel("reid.models.add_norm_triton:add_norm")


def add_norm(x: Tensor, branch: Tensor | None, norm: nn.LayerNorm) -> tuple[Tensor, Tensor]:
    """Add a branch to the residual and normalise the sum.

    Args:
        x: (..., C) the residual.
        branch: (..., C) what is added, or None.
        norm: over the last axis.

    Returns:
        The sum and its norm, (..., C) each. On a GPU under half-precision autocast, without gradients, the norm is in
        half precision already.
    """
    dtype = _reduced(x)
    if dtype is not None and _KERNEL.usable:
        given = None if branch is None else branch.contiguous()
        made: tuple[Tensor, Tensor] | None = _KERNEL(x.contiguous(), given, norm.weight, norm.bias, norm.eps, dtype)
        if made is not None:
            return made
    total = x if branch is None else x + branch
    return total, norm(total)


def _reduced(x: Tensor) -> torch.dtype | None:
    """What products of this tensor are computed in, where the kernel knows it."""
    if not x.is_cuda or torch.is_grad_enabled() or not torch.is_autocast_enabled("cuda"):
        return None
    dtype = torch.get_autocast_dtype("cuda")
    return dtype if dtype in (torch.float16, torch.bfloat16) else None
