"""Swin Transformer v1 under the tensor names of SOLIDER's and KPR's checkpoints.

Liu et al., "Swin Transformer", ICCV 2021; semantic modulation from Chen et al., "Beyond Appearance (SOLIDER)", CVPR
2023. timm has the network, but under other names, in another order of the patch-merging inputs, and without padding
inside the attention, which inputs that are no multiple of the window need.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reid.models.kernels import Kernel
from reid.models.residual import add_norm

_SEPARATED = -100.0
# One program of the fused kernel holds the scores of a window; more than 64 slots would spill.
_WIDEST_FUSED = 8
_ATTENTION = Kernel("reid.models.window_attention_triton:window_attention")


class DropPath(nn.Module):
    """Drops a residual branch for whole samples in training (Huang et al., "Stochastic Depth", ECCV 2016)."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """(N, ...) -> (N, ...), the expectation kept."""
        if not self.training or self.rate == 0:
            return x
        keep = torch.rand((len(x), *(1,) * (x.ndim - 1)), device=x.device) >= self.rate
        return x * keep.to(x.dtype) / (1 - self.rate)


class PatchEmbed(nn.Module):
    """Cuts a map into 4 x 4 patches: convolution, then LayerNorm."""

    def __init__(self, channels: int, dim: int) -> None:
        super().__init__()
        self.projection = nn.Conv2d(channels, dim, 4, 4)
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) -> (N, ceil(H/4), ceil(W/4), dim); zero-padded at the bottom and right."""
        x = F.pad(x, (0, -x.shape[3] % 4, 0, -x.shape[2] % 4))
        return self.norm(self.projection(x).permute(0, 2, 3, 1))


# Nothing is dropped: a captured graph reads it where it lies.
@cache
@torch.inference_mode(False)
def _window_plan(
    height: int, width: int, window: int, shift: int, device: torch.device
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """How tokens go into windows and back; kept, as it depends on the map's size alone.

    Returns:
        into: (windows * window^2,) token that fills each slot; slots of padding hold 0.
        padded: (p,) slots that are padding.
        back: (height * width,) slot of each token.
        mask: (windows, 1, window^2, window^2) -100 between tokens that are neighbours only because the map was rolled,
            or None without a shift.
    """
    rows, columns = -(-height // window) * window, -(-width // window) * window
    tokens = torch.full((rows, columns), -1)
    tokens[:height, :width] = torch.arange(height * width).view(height, width)

    def partition(grid: Tensor) -> Tensor:
        rolled = torch.roll(grid, (-shift, -shift), (0, 1))
        windows = rolled.view(rows // window, window, columns // window, window).transpose(1, 2)
        return windows.reshape(-1, window * window)

    into = partition(tokens).flatten()
    padded = torch.nonzero(into < 0).flatten()
    slots = torch.nonzero(into >= 0).flatten()
    back = slots[torch.argsort(into[slots])]
    mask = None
    if shift:
        # A rolled map joins opposite borders in its last windows; tokens of either side must not see each other.
        wrapped = [(torch.arange(length) < shift).long() for length in (rows, columns)]
        region = partition(wrapped[0][:, None] * 2 + wrapped[1][None, :])
        mask = torch.where(region[:, None, :, None] == region[:, None, None, :], 0.0, _SEPARATED)
    return into.clamp(min=0).to(device), padded.to(device), back.to(device), None if mask is None else mask.to(device)


def runs_fused(projected: Tensor, heads: int, window: int) -> bool:
    """Whether ``window_attention_triton`` may attend here: half precision on a CUDA device, without gradients.

    Args:
        projected: (N, h, w, 3 * dim) queries, keys and values.
        heads: attention heads.
        window: side of the windows.
    """
    if not projected.is_cuda or projected.requires_grad or projected.dtype not in (torch.float16, torch.bfloat16):
        return False
    width = projected.shape[-1] // (3 * heads)
    return window <= _WIDEST_FUSED and width >= 16 and width & (width - 1) == 0 and _ATTENTION.usable


class WindowAttention(nn.Module):
    """Multi-head attention inside (shifted) windows, with a learned bias per relative position."""

    relative_position_index: Tensor

    def __init__(self, dim: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads, self.window = heads, window
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        place = torch.arange(window * window)
        row, column = place // window, place % window
        steps = (row[:, None] - row + window - 1) * (2 * window - 1) + column[:, None] - column + window - 1
        self.register_buffer("relative_position_index", steps)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def forward(self, x: Tensor, shift: int) -> Tensor:
        """(N, h, w, dim) -> (N, h, w, dim).

        The published networks pad the map with zeros to a multiple of the window, before the projections. A zero token
        projects to the bias alone, so only real tokens are projected here and padding slots take the bias: the same
        numbers, for up to half the work.
        """
        count, height, width, dim = x.shape
        size = self.window * self.window
        projected = self.qkv(x)
        bias = self.relative_position_bias_table[self.relative_position_index].permute(2, 0, 1)
        if runs_fused(projected, self.heads, self.window):
            padding = self.qkv.bias.to(projected.dtype)
            attended: Tensor | None = _ATTENTION(projected, padding, bias.contiguous(), self.window, shift)
            if attended is not None:
                return self.proj(attended)
        into, padded, back, mask = _window_plan(height, width, self.window, shift, x.device)
        slots = projected.flatten(1, 2).index_select(1, into)
        if len(padded):
            slots.index_copy_(1, padded, self.qkv.bias.to(slots.dtype).expand(count, len(padded), -1))
        query, key, value = slots.view(-1, size, 3, self.heads, dim // self.heads).permute(2, 0, 3, 1, 4)
        bias = bias[None]
        if mask is not None:
            windows = len(mask)
            bias = (bias + mask)[None].expand(count, -1, -1, -1, -1).reshape(count * windows, self.heads, size, size)
        out = F.scaled_dot_product_attention(query, key, value, attn_mask=bias.to(query.dtype))
        out = out.transpose(1, 2).reshape(count, -1, dim).index_select(1, back)
        return self.proj(out).view(count, height, width, dim)


class _Attention(nn.Module):
    """Holds the attention under the published name ``attn.w_msa``."""

    def __init__(self, dim: int, heads: int, window: int) -> None:
        super().__init__()
        self.w_msa = WindowAttention(dim, heads, window)


class _FeedForward(nn.Module):
    """Two-layer perceptron with exact GELU, under the published names ``ffn.layers.0.0`` and ``ffn.layers.1``."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU()), nn.Linear(4 * dim, dim))

    def forward(self, x: Tensor) -> Tensor:
        """(..., dim) -> (..., dim)."""
        return self.layers(x)


class SwinBlock(nn.Module):
    """Pre-norm block: windowed attention and a perceptron, each with a residual."""

    def __init__(self, dim: int, heads: int, window: int, shift: int, drop_path: float) -> None:
        super().__init__()
        self.shift = shift
        self.norm1 = nn.LayerNorm(dim)
        self.attn = _Attention(dim, heads, window)
        self.norm2 = nn.LayerNorm(dim)
        self.ffn = _FeedForward(dim)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor, pending: Tensor | None) -> tuple[Tensor, Tensor]:
        """Add what the block before left, and leave the perceptron's branch to the next.

        Args:
            x: (N, h, w, dim) residual.
            pending: (N, h, w, dim) branch to be added to it, or None.

        Returns:
            The residual and the branch to be added to it.
        """
        x, normed = add_norm(x, pending, self.norm1)
        x, normed = add_norm(x, self.drop_path(self.attn.w_msa(normed, self.shift)), self.norm2)
        return x, self.drop_path(self.ffn(normed))


class PatchMerging(nn.Module):
    """Halves the map: 2 x 2 neighbours side by side, in the channel-major order of ``torch.nn.Unfold``."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * dim)
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, h, w, dim) -> (N, ceil(h/2), ceil(w/2), 2 dim); odd sides are zero-padded."""
        x = F.pad(x, (0, 0, 0, x.shape[2] % 2, 0, x.shape[1] % 2))
        count, height, width, dim = x.shape
        x = x.view(count, height // 2, 2, width // 2, 2, dim).permute(0, 1, 3, 5, 2, 4)
        _, normed = add_norm(x.reshape(count, height // 2, width // 2, 4 * dim), None, self.norm)
        return self.reduction(normed)


class _Stage(nn.Module):
    def __init__(self, dim: int, heads: int, window: int, drop_paths: Sequence[float], downsample: bool) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            SwinBlock(dim, heads, window, shift=window // 2 if row % 2 else 0, drop_path=rate)
            for row, rate in enumerate(drop_paths)
        )
        self.downsample = PatchMerging(dim) if downsample else None


class SemanticLine(nn.Linear):
    """One line of SOLIDER's modulation: read at the two numbers (w, 1 - w) and never called, so always in fp32."""

    def at(self, weight: float) -> Tensor:
        """(width,); no tensor is made for the two numbers, as a captured CUDA graph could not."""
        return weight * self.weight[:, 0] + (1 - weight) * self.weight[:, 1] + self.bias


class Swin(nn.Module):
    """The backbone: token map in, one normalised map per stage out.

    Args:
        embed_dim: width of the first stage; it doubles at each of the others.
        depths: blocks per stage.
        heads: attention heads per stage.
        window: side of the attention window.
        drop_path: drop rate of the last block's residuals; it rises linearly from 0.
        semantic_weight: SOLIDER's weight w of appearance against semantics, 0-1. After each merging, features are
            scaled by softplus(A s + a) and moved by B s + b, with s = (w, 1 - w). Negative: no modulation, and no
            tensors for it.
    """

    def __init__(
        self,
        embed_dim: int,
        depths: Sequence[int],
        heads: Sequence[int],
        window: int = 7,
        drop_path: float = 0.1,
        semantic_weight: float = -1.0,
    ) -> None:
        super().__init__()
        self.semantic_weight = semantic_weight
        widths = [embed_dim << stage for stage in range(len(depths))]
        rates = torch.linspace(0, drop_path, sum(depths), device="cpu").split(list(depths))
        self.patch_embed = PatchEmbed(3, embed_dim)
        self.stages = nn.ModuleList(
            _Stage(width, head, window, rate.tolist(), downsample=width != widths[-1])
            for width, head, rate in zip(widths, heads, rates, strict=True)
        )
        for stage, width in enumerate(widths):
            self.add_module(f"norm{stage}", nn.LayerNorm(width))
        if semantic_weight >= 0:
            # SOLIDER keeps a pair for the last stage too, where nothing follows: unused, but part of every checkpoint.
            following = [*widths[1:], widths[-1]]
            self.semantic_embed_w = nn.ModuleList(SemanticLine(2, width) for width in following).requires_grad_(False)
            self.semantic_embed_b = nn.ModuleList(SemanticLine(2, width) for width in following).requires_grad_(False)
        self.apply(_initialise)

    def stage_maps(self, x: Tensor) -> list[Tensor]:
        """Run the stages on embedded tokens.

        Args:
            x: (N, h, w, embed_dim).

        Returns:
            One (N, h / 2^i, w / 2^i, embed_dim * 2^i) map per stage, taken before its merging, normalised.
        """
        maps = []
        stages: Sequence[Any] = list(self.stages)
        for row, stage in enumerate(stages):
            pending = None
            for block in stage.blocks:
                x, pending = block(x, pending)
            norm: Any = self.get_submodule(f"norm{row}")
            x, level = add_norm(x, pending, norm)
            maps.append(level)
            if stage.downsample is not None:
                x = self._modulate(stage.downsample(x), row)
        return maps

    def _modulate(self, x: Tensor, stage: int) -> Tensor:
        if self.semantic_weight < 0:
            return x
        lines: list[Any] = [self.semantic_embed_w[stage], self.semantic_embed_b[stage]]
        scale, shift = (line.at(self.semantic_weight) for line in lines)
        return x * F.softplus(scale) + shift


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
