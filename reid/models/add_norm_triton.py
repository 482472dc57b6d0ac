"""End of a residual branch and LayerNorm of the sum in one CUDA kernel, written in half precision.

Under autocast the plain operations write the sum, read it, write its norm in fp32, and read that again to round it for
the next product. Here the sum is normalised while it is at hand: half of the memory traffic. Inference only.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

# Values of one program; rows of narrow maps share a program.
_TILE = 2048


@triton.jit
def _add_norm(  # type: ignore[no-untyped-def]
    x, branch, weight, bias, total, normed, rows, width, epsilon,
    ADDS: tl.constexpr, ROWS: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    place = tl.arange(0, WIDTH)
    inside = (row < rows)[:, None] & (place < width)[None, :]
    at = row.to(tl.int64)[:, None] * width + place[None, :]
    value = tl.load(x + at, mask=inside, other=0.0).to(tl.float32)
    if ADDS:
        value += tl.load(branch + at, mask=inside, other=0.0).to(tl.float32)
        rounded = value.to(total.dtype.element_ty)
        tl.store(total + at, rounded, mask=inside)
        value = rounded.to(tl.float32)
    mean = tl.sum(value, axis=1) / width
    away = tl.where(inside, value - mean[:, None], 0.0)
    deviation = tl.sqrt(tl.sum(away * away, axis=1) / width + epsilon)
    scale = tl.load(weight + place, mask=place < width, other=0.0).to(tl.float32)
    shift = tl.load(bias + place, mask=place < width, other=0.0).to(tl.float32)
    result = away / deviation[:, None] * scale[None, :] + shift[None, :]
    tl.store(normed + at, result.to(normed.dtype.element_ty), mask=inside)


def add_norm(
    x: Tensor, branch: Tensor | None, weight: Tensor, bias: Tensor, epsilon: float, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Add a branch and normalise the sum.

    Args:
        x: (..., C) residual, contiguous.
        branch: (..., C) what is added, contiguous, or None.
        weight: (C,) scale of the norm.
        bias: (C,) shift of the norm.
        epsilon: added to the variance.
        dtype: of the norm's result.

    Returns:
        The sum (..., C), in the wider of the two dtypes, and its norm (..., C).
    """
    width = x.shape[-1]
    rows = x.numel() // width
    total = x if branch is None else torch.empty_like(x, dtype=torch.promote_types(x.dtype, branch.dtype))
    normed = torch.empty_like(x, dtype=dtype)
    wide = triton.next_power_of_2(width)
    shared = max(1, _TILE // wide)
    grid: Any = (triton.cdiv(rows, shared),)
    # Triton launches on the current card, whichever holds the tensors.
    with torch.cuda.device_of(x):
        _add_norm[grid](
            x, x if branch is None else branch, weight, bias, total, normed, rows, width, epsilon,
            ADDS=branch is not None, ROWS=shared, WIDTH=wide, num_warps=4,
        )  # fmt: skip
    return total, normed
