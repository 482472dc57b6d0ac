"""From a feature map to one embedding per body part (BPBReID, WACV 2023; shared by KPR, ECCV 2024).

A pixel classifier assigns every place of the map to the background or to one of K parts. Its probabilities are the
masks that pool the map into embeddings; where a part wins no pixel, it is not visible.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from data.kernels.checks import one_of
from reid.models.spec import ModelSpec, Pooling

Kind = Literal["globl", "foreg", "backg", "conct", "parts"]
KINDS: tuple[Kind, ...] = ("globl", "foreg", "backg", "conct", "parts")
"""Whole image, foreground, background, all parts side by side, and each part: the names of the published code."""

VisibilityMode = Literal["binary", "continuous"]
MaskUse = Literal["soft", "hard", "fixed", "visibility"]

_LONG_NAMES = {"globl": "global", "foreg": "foreground", "backg": "background", "conct": "concat_parts"}
_ABSENT = 1e-12
_MIN_AREA = 1e-6


@dataclass(frozen=True, slots=True)
class ExternalMasks:
    """Part masks that do not come from the network.

    Attributes:
        masks: (N, K+1, h', w') background first; resized to the feature map where the size is another.
        use: fixed: they replace the network's attention. soft: they multiply the pooling masks. hard: pixels where the
            background is their maximum belong to no part. visibility: they only decide which parts are visible.
    """

    masks: Tensor
    use: MaskUse


@dataclass(frozen=True, slots=True)
class PartOutput:
    """What a part-based network says about N images; dictionaries hold the kinds that were asked for.

    Attributes:
        embeddings: (N, D), parts (N, K, D), conct (N, K*D): before the BN-neck, what the triplet loss sees.
        bn_embeddings: the same after the BN-neck.
        visibility: (N,), parts (N, K): bool, or float32 0-1 in continuous mode.
        id_scores: (N, identities), parts (N, K, identities): identity logits; empty unless asked for.
        masks: (N, h, w), parts (N, K, h, w): what the pooling used.
        pixel_logits: (N, K+1, h, w) background first, or None where the attention is fixed.
        features: (N, C, h, w) the map the embeddings were pooled from.
    """

    embeddings: dict[Kind, Tensor]
    bn_embeddings: dict[Kind, Tensor]
    visibility: dict[Kind, Tensor]
    id_scores: dict[Kind, Tensor]
    masks: dict[Kind, Tensor]
    pixel_logits: Tensor | None
    features: Tensor


class PixelClassifier(nn.Module):
    """Part logits of every pixel: BatchNorm, then a 1 x 1 convolution."""

    def __init__(self, channels: int, parts: int) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(channels)
        self.classifier = nn.Conv2d(channels, parts + 1, 1)
        nn.init.normal_(self.classifier.weight, std=0.001)
        nn.init.zeros_(self.classifier.bias)  # type: ignore[arg-type]

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, h, w) -> (N, K+1, h, w); outside training the norm is folded into the convolution."""
        if self.training:
            return self.classifier(self.bn(features))
        scale, shift = bn_affine(self.bn)
        weight, bias = self.classifier.weight[:, :, 0, 0], self.classifier.bias
        assert bias is not None
        return F.linear(features.permute(0, 2, 3, 1), weight * scale, bias + weight @ shift).permute(0, 3, 1, 2)


class Reduction(nn.Module):
    """Brings pooled features to the embedding size: linear, BatchNorm, ReLU."""

    def __init__(self, channels: int, dim: int) -> None:
        super().__init__()
        linear = nn.Linear(channels, dim)
        nn.init.kaiming_normal_(linear.weight, mode="fan_out", nonlinearity="relu")
        nn.init.zeros_(linear.bias)
        self.layers = nn.Sequential(linear, nn.BatchNorm1d(dim), nn.ReLU(inplace=True))

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) -> (..., dim); statistics are taken over all rows."""
        return self.layers(x.reshape(-1, x.shape[-1])).view(*x.shape[:-1], -1)


class MapReduction(nn.Module):
    """Brings a feature map to another depth: 1 x 1 convolution, BatchNorm, ReLU."""

    def __init__(self, channels: int, dim: int) -> None:
        super().__init__()
        convolution = nn.Conv2d(channels, dim, 1)
        nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
        nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
        self.layers = nn.Sequential(convolution, nn.BatchNorm2d(dim), nn.ReLU(inplace=True))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) -> (N, dim, h, w)."""
        return self.layers(x)


class IdentityHead(nn.Module):
    """BN-neck and identity classifier (Luo et al., "Bag of Tricks", CVPRW 2019): no bias in either."""

    def __init__(self, dim: int, identities: int) -> None:
        super().__init__()
        self.bn = nn.BatchNorm1d(dim)
        self.bn.bias.requires_grad_(False)
        self.classifier = nn.Linear(dim, identities, bias=False)
        nn.init.normal_(self.classifier.weight, std=0.001)


class PartModel(nn.Module):
    """The heads of a part-based network; a sub-class brings the backbone.

    Args:
        spec: what the network is made of.
        channels: depth of the feature map.
    """

    def __init__(self, spec: ModelSpec, channels: int) -> None:
        super().__init__()
        self.spec = spec
        if spec.reduction in ("before_pooling", "before_and_after_pooling"):
            width = spec.dim * (2 if spec.reduction == "before_and_after_pooling" else 1)
            self.before_pooling_dim_reduce = MapReduction(channels, width)
            channels = width
        dim = channels
        if spec.reduction in ("after_pooling", "before_and_after_pooling"):
            dim = spec.dim
            for kind in ("global", "foreground", "background", "parts"):
                self.add_module(f"{kind}_after_pooling_dim_reduce", Reduction(channels, dim))
        self.dim = dim
        self.pixel_classifier = PixelClassifier(channels, spec.parts)
        for name in ("global", "background", "foreground"):
            self.add_module(f"{name}_identity_classifier", IdentityHead(dim, spec.identities))
        self.concat_parts_identity_classifier = IdentityHead(spec.parts * dim, spec.identities)
        if spec.shared_part_classifier:
            self.parts_identity_classifier: nn.Module = IdentityHead(dim, spec.identities)
        else:
            heads = (IdentityHead(dim, spec.identities) for _ in spec.part_names)
            self.parts_identity_classifier = nn.ModuleList(heads)

    def describe(
        self,
        features: Tensor,
        external: ExternalMasks | None,
        visibility: VisibilityMode,
        kinds: Iterable[Kind],
        scores: bool,
    ) -> PartOutput:
        """Turn a feature map into embeddings and visibilities.

        Args:
            features: (N, C, h, w).
            external: masks from outside, or None.
            visibility: binary: a part is visible where it wins a pixel; continuous: its highest probability.
            kinds: which embeddings to compute.
            scores: also compute identity logits.
        """
        wanted = [kind for kind in KINDS if kind in set(kinds)]
        if self.spec.reduction in ("before_pooling", "before_and_after_pooling"):
            features = self.before_pooling_dim_reduce(features)
        given = None if external is None else _fit(external.masks, features)
        use = None if external is None else external.use
        logits = None
        if self.spec.stripes and use != "fixed":
            attention = stripe_masks(features, self.spec.parts)
        elif use == "fixed" or not self.spec.learnable_attention:
            if given is None:
                raise ValueError("a network with fixed attention needs external masks")
            attention = given
        else:
            logits = self.pixel_classifier(features)
            attention = logits.float().softmax(1)
        if given is not None and use == "hard":
            outside = given[:, 1:].amax(1, keepdim=True) <= given[:, :1]
            parts = attention[:, 1:].masked_fill(outside, _ABSENT)
            background = outside[:, 0].to(attention.dtype)
            attention = torch.cat([attention[:, :1], parts], 1)
        else:
            parts, background = attention[:, 1:], attention[:, 0]
            if given is not None and use == "soft":
                parts = parts * given[:, 1:]
        foreground = parts.amax(1)
        masks: dict[Kind, Tensor] = {
            "globl": torch.ones_like(background), "foreg": foreground, "backg": background, "conct": foreground,
            "parts": parts,
        }  # fmt: skip
        seen = part_visibility(given if given is not None and use == "visibility" else attention, visibility)
        embeddings = self._embed(features, masks, wanted)
        bn_embeddings = {kind: self._neck(kind, vector) for kind, vector in embeddings.items()}
        return PartOutput(
            embeddings,
            bn_embeddings,
            {kind: seen[kind] for kind in wanted},
            {kind: self._scores(kind, vector) for kind, vector in bn_embeddings.items()} if scores else {},
            {kind: masks[kind] for kind in wanted},
            logits,
            features,
        )

    def _embed(self, features: Tensor, masks: dict[Kind, Tensor], wanted: list[Kind]) -> dict[Kind, Tensor]:
        with_parts = "parts" in wanted or "conct" in wanted
        whole: list[Kind] = [kind for kind in wanted if kind in ("globl", "foreg", "backg")]
        pooled = pool(features, torch.stack([masks[kind] for kind in whole], 1), "gap").unbind(1) if whole else ()
        made: dict[Kind, Tensor] = {
            kind: self._reduce(_LONG_NAMES[kind], vector) for kind, vector in zip(whole, pooled, strict=True)
        }
        if with_parts:
            parts = self._reduce("parts", pool(features, masks["parts"], self.spec.pooling))
            made |= {"conct": parts.flatten(1), "parts": parts}
        return {kind: made[kind] for kind in wanted}

    def _reduce(self, name: str, x: Tensor) -> Tensor:
        if self.spec.reduction in ("none", "before_pooling"):
            return x
        return self.get_submodule(f"{name}_after_pooling_dim_reduce")(x)

    def _heads(self, kind: Kind) -> list[IdentityHead]:
        if kind != "parts":
            head: Any = self.get_submodule(f"{_LONG_NAMES[kind]}_identity_classifier")
            return [head]
        part_heads: Any = self.parts_identity_classifier
        return [part_heads] * self.spec.parts if self.spec.shared_part_classifier else list(part_heads)

    def _neck(self, kind: Kind, x: Tensor) -> Tensor:
        heads = self._heads(kind)
        if kind != "parts":
            return heads[0].bn(x)
        if self.spec.shared_part_classifier:
            return heads[0].bn(x.flatten(0, 1)).view_as(x)
        return torch.stack([head.bn(vector) for head, vector in zip(heads, x.unbind(1), strict=True)], 1)

    def _scores(self, kind: Kind, x: Tensor) -> Tensor:
        heads = self._heads(kind)
        if kind != "parts":
            return heads[0].classifier(x)
        return torch.stack([head.classifier(vector) for head, vector in zip(heads, x.unbind(1), strict=True)], 1)


def pool(features: Tensor, masks: Tensor, how: Pooling) -> Tensor:
    """Pool a map under masks.

    Args:
        features: (N, C, h, w).
        masks: (N, M, h, w).
        how: gwap: sum(m f) / sum(m); gap: mean of m f; gmp: maximum of m f.

    Returns:
        (N, M, C).
    """
    tokens = features.permute(0, 2, 3, 1).flatten(1, 2)
    weights = masks.flatten(2)
    if how == "gmp":
        return torch.stack([(weight[..., None] * tokens).amax(1) for weight in weights.unbind(1)], 1)
    summed = torch.bmm(weights.to(tokens.dtype), tokens)
    if how == "gap":
        return summed / weights.shape[2]
    return summed / weights.sum(2, keepdim=True).clamp(min=_MIN_AREA).to(summed.dtype)


def part_visibility(attention: Tensor, mode: VisibilityMode) -> dict[Kind, Tensor]:
    """Which parts can be seen, as BPBReID (WACV 2023) has it: a part whose attention wins no pixel is hidden.

    As in the published networks the foreground's visibility is taken over all channels, the background's included, so
    in binary mode it is always true.

    Args:
        attention: (N, K+1, h, w) probabilities or masks, background first.
        mode: binary: wins a pixel; continuous: highest value over the pixels.

    Returns:
        (N,) per kind, parts (N, K): bool or float32.
    """
    one_of(mode, get_args(VisibilityMode), "the mode of visibilities")
    flat = attention.flatten(2)
    if mode == "binary":
        winner = flat.argmax(1)
        seen = torch.zeros(flat.shape[:2], dtype=torch.bool, device=flat.device)
        seen.scatter_(1, winner, torch.ones_like(winner, dtype=torch.bool))
    else:
        seen = flat.amax(2)
    whole = seen.amax(1)
    return {"globl": torch.ones_like(whole), "foreg": whole, "backg": seen[:, 0], "conct": whole, "parts": seen[:, 1:]}


def stripe_masks(features: Tensor, stripes: int) -> Tensor:
    """Masks of horizontal stripes of equal height, bounded at round(i h / K) (PCB, Sun et al., ECCV 2018).

    Args:
        features: (N, C, h, w).
        stripes: K.

    Returns:
        (N, K+1, h, w) float32, 0 or 1; the background, which comes first, is empty.
    """
    count, _, height, width = features.shape
    edges = torch.tensor([round(number * height / stripes) for number in range(1, stripes)], device=features.device)
    stripe = torch.bucketize(torch.arange(height, device=features.device), edges, right=True)
    masks = F.one_hot(stripe + 1, stripes + 1).T.float()
    return masks[None, :, :, None].expand(count, -1, -1, width)


def bn_affine(bn: nn.BatchNorm1d | nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """What a BatchNorm does outside training: x -> x * scale + shift, two (C,) tensors."""
    assert bn.running_mean is not None
    assert bn.running_var is not None
    scale = bn.weight * torch.rsqrt(bn.running_var + bn.eps)
    return scale, bn.bias - bn.running_mean * scale


def _fit(masks: Tensor, features: Tensor) -> Tensor:
    if masks.shape[2:] == features.shape[2:]:
        return masks
    return F.interpolate(masks, features.shape[2:], mode="bilinear", align_corners=True)
