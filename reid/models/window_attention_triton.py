"""Window attention of Swin in one CUDA kernel, straight from and to the token map.

Written with PyTorch operations, shifted windows cost several passes over memory: tokens are gathered into windows, the
bias is spread over all windows, results are gathered back. On a GPU these passes, not the products, are the time. Here
each program takes one window and one head, finds its tokens in the map, and writes where it has read. Inference only.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

_SEPARATED = -100.0


@triton.jit
def _attend(  # type: ignore[no-untyped-def]
    qkv, padding, bias, out,
    height, width, rows, columns, across, heads, scale,
    WINDOW: tl.constexpr, SHIFT: tl.constexpr, DIM: tl.constexpr, SLOTS: tl.constexpr, SEPARATED: tl.constexpr,
):  # fmt: skip
    program, head = tl.program_id(0), tl.program_id(1)
    windows = (rows // WINDOW) * across
    picture, number = program // windows, program % windows
    slot = tl.arange(0, SLOTS)
    row = (number // across * WINDOW + slot // WINDOW + SHIFT) % rows
    column = (number % across * WINDOW + slot % WINDOW + SHIFT) % columns
    used = slot < WINDOW * WINDOW
    real = used & (row < height) & (column < width)
    token = (picture * height + row) * width + column
    place = tl.arange(0, DIM)
    length = heads * DIM
    inside = head * DIM + place
    source = qkv + token.to(tl.int64)[:, None] * (3 * length) + inside[None, :]
    query = tl.load(source, mask=real[:, None], other=0.0)
    key = tl.load(source + length, mask=real[:, None], other=0.0)
    value = tl.load(source + 2 * length, mask=real[:, None], other=0.0)
    # A slot of padding holds a zero token, which projects to the bias alone.
    empty = (used & ~real)[:, None]
    key = tl.where(empty, tl.load(padding + length + inside)[None, :], key)
    value = tl.where(empty, tl.load(padding + 2 * length + inside)[None, :], value)
    score = tl.dot(query, tl.trans(key)) * scale
    size = WINDOW * WINDOW
    both = used[:, None] & used[None, :]
    score += tl.load(bias + (head * size + slot[:, None]) * size + slot[None, :], mask=both, other=0.0).to(tl.float32)
    if SHIFT > 0:
        region = (row < SHIFT).to(tl.int32) * 2 + (column < SHIFT).to(tl.int32)
        score += tl.where(region[:, None] == region[None, :], 0.0, SEPARATED)
    score = tl.where(used[None, :], score, -float("inf"))
    score = tl.exp(score - tl.max(score, 1)[:, None])
    weight = score / tl.sum(score, 1)[:, None]
    result = tl.dot(weight.to(value.dtype), value)
    target = out + token.to(tl.int64)[:, None] * length + inside[None, :]
    tl.store(target, result.to(value.dtype), mask=real[:, None])


def window_attention(qkv: Tensor, padding: Tensor, bias: Tensor, window: int, shift: int) -> Tensor:
    """Attend inside the windows of a map.

    Args:
        qkv: (N, h, w, 3 * heads * dim) queries, keys and values of the tokens, float16 or bfloat16, contiguous.
        padding: (3 * heads * dim,) what a slot of padding projects to.
        bias: (heads, window^2, window^2) added to the scores.
        window: side of the windows; at most 8.
        shift: rows and columns the map is rolled by.

    Returns:
        (N, h, w, heads * dim) in the dtype of ``qkv``.
    """
    count, height, width, triple = qkv.shape
    heads = len(bias)
    dim = triple // (3 * heads)
    rows, columns = -(-height // window) * window, -(-width // window) * window
    across = columns // window
    out = torch.empty((count, height, width, heads * dim), dtype=qkv.dtype, device=qkv.device)
    grid: Any = (count * (rows // window) * across, heads)
    # Triton launches on the current card, whichever holds the tensors.
    with torch.cuda.device_of(qkv):
        _attend[grid](
            qkv, padding, bias, out, height, width, rows, columns, across, heads, dim**-0.5,
            WINDOW=window, SHIFT=shift, DIM=dim, SLOTS=max(16, triton.next_power_of_2(window * window)),
            SEPARATED=_SEPARATED, num_warps=4,
        )  # fmt: skip
    return out
