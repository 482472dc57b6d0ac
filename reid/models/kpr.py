"""KPR: keypoint-promptable part-based ReID (Somers et al., ECCV 2024)."""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reid.models.part_head import (
    KINDS,
    ExternalMasks,
    Kind,
    MapReduction,
    PartModel,
    PartOutput,
    VisibilityMode,
    bn_affine,
)
from reid.models.prompting import build_promptable
from reid.models.spec import ModelSpec


class StageFusion(nn.Module):
    """All stages at the first one's resolution, side by side, then reduced to the last one's depth.

    The published networks upsample (bilinear, corners aligned), concatenate and convolve by 1 x 1. Interpolation and
    1 x 1 convolution commute, so each stage is convolved at its own size first: the same map for an eighth of the work.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.dim_reduce = MapReduction(sum(widths), widths[-1])

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Stage maps (N, C_i, h_i, w_i) -> (N, C_last, h_0, w_0)."""
        layers: Any = self.dim_reduce.layers
        convolution, norm, activation = layers
        weight, bias = convolution.weight[:, :, 0, 0], convolution.bias
        if not self.training:
            scale, shift = bn_affine(norm)
            weight, bias = weight * scale[:, None], bias * scale + shift
        weight, bias = weight.to(maps[0].dtype), bias.to(maps[0].dtype)
        pieces = weight.split([level.shape[1] for level in maps], 1)
        # Interpolation keeps a constant, so the bias is added where the map is smallest.
        biases = [None] * (len(maps) - 1) + [bias]
        reduced = [
            F.linear(level.permute(0, 2, 3, 1), piece, offset).permute(0, 3, 1, 2)
            for level, piece, offset in zip(maps, pieces, biases, strict=True)
        ]
        fused = fuse_levels(reduced)
        return activation(norm(fused) if self.training else fused)


def fuse_levels(levels: Sequence[Tensor]) -> Tensor:
    """The first map plus all others interpolated to its size (bilinear, corners aligned), by two matrix products.

    Bilinear interpolation is linear in the rows and in the columns. Columns are spread level by level; then one product
    spreads the rows of all levels, adds them up and adds the first map. In full size, where memory is the time, there
    is one pass, not one for each level and sum.

    Args:
        levels: (N, C, h_i, w_i), channels last in memory, largest first; the first is overwritten.

    Returns:
        (N, C, h_0, w_0), channels last in memory.
    """
    first, *rest = (level.permute(0, 2, 3, 1) for level in levels)
    if not rest:
        return levels[0]
    count, height, width, channels = first.shape
    kind = (first.dtype, first.device)
    wide = torch.cat([torch.matmul(_spread(level.shape[2], width, *kind), level).flatten(2) for level in rest], 1)
    rows = torch.cat([_spread(level.shape[1], height, *kind) for level in rest], 1).expand(count, -1, -1)
    return first.flatten(2).baddbmm_(rows, wide).view(count, height, width, channels).permute(0, 3, 1, 2)


# Nothing is dropped: a captured graph reads it where it lies.
@cache
@torch.inference_mode(False)
def _spread(length: int, target: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """(target, length) weights of linear interpolation with aligned ends."""
    points = torch.eye(length)[:, None]
    return F.interpolate(points, target, mode="linear", align_corners=True)[:, 0].T.contiguous().to(device, dtype)


class KPR(PartModel):
    """Promptable Swin backbone, multi-stage fusion, part heads."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec, spec.stage_widths[-1])
        self.backbone_appearance_feature_extractor = build_promptable(spec)
        self.msf = StageFusion(spec.stage_widths) if spec.fusion else None

    def forward(
        self,
        images: Tensor,
        prompts: Tensor | None = None,
        cameras: Tensor | None = None,
        external: ExternalMasks | None = None,
        visibility: VisibilityMode = "binary",
        kinds: Iterable[Kind] = KINDS,
        scores: bool = True,
    ) -> PartOutput:
        """Describe images.

        Args:
            images: (N, 3, H, W) normalised RGB.
            prompts: (N, P, H, W) from ``reid.prompts.masks``, or None for the empty prompt.
            cameras: (N,) int64 numbers of camera tokens, -1 for none, or None; ignored by a network without them.
            external: part masks from outside, or None.
            visibility: binary or continuous.
            kinds: which embeddings to compute.
            scores: also compute identity logits.
        """
        return self.describe(self.feature_map(images, prompts, cameras), external, visibility, kinds, scores)

    def feature_map(self, images: Tensor, prompts: Tensor | None = None, cameras: Tensor | None = None) -> Tensor:
        """The map that embeddings are pooled from: (N, 3, H, W) -> (N, C, H/4, W/4), or H/32, W/32 without fusion."""
        maps = self.backbone_appearance_feature_extractor(images, prompts, cameras)
        return maps[-1] if self.msf is None else self.msf(maps)
