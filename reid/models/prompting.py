"""Puts prompts into a Swin backbone: image tokens plus prompt tokens plus camera token (KPR, ECCV 2024)."""

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from data.runtime.torchvision_cure import ensure_torchvision
from reid.models.spec import Backbone, ModelSpec
from reid.models.swin import PatchEmbed, Swin

_PARTS_EMBED_DIM = 128


PromptStart = Literal["published", "silent"]

StageRunner = Callable[[Any, Tensor], list[Tensor]]
"""Runs a transformer from embedded tokens: (model, (N, h, w, C)) -> one (N, h_i, w_i, C_i) map per stage."""


class PromptableBackbone(nn.Module):
    """A Swin backbone whose patch embedding has a twin for prompts.

    The tensor names are those of the published checkpoints: the image's patch embedding appears twice, here and inside
    ``model``; ``parts_embed`` belongs to a prompt strategy that no published network uses and is carried for exchange.

    Args:
        model: the transformer, with its ``patch_embed``.
        run_stages: runs the transformer's stages on embedded tokens.
        masks_patch_embed: patch embedding of the prompt tensor.
        spec: what the network is made of.
    """

    def __init__(
        self, model: nn.Module, run_stages: StageRunner, masks_patch_embed: nn.Module, spec: ModelSpec
    ) -> None:
        super().__init__()
        self.model = model
        self.patch_embed = model.get_submodule("patch_embed")
        self.masks_patch_embed = masks_patch_embed
        self.parts_embed = nn.Parameter(torch.zeros(spec.prompt_channels, 1, _PARTS_EMBED_DIM), requires_grad=False)
        self.sie_embed: nn.Parameter | None = None
        if spec.cameras:
            self.sie_embed = nn.Parameter(torch.zeros(spec.cameras, 1, spec.embed_dim))
            nn.init.trunc_normal_(self.sie_embed, std=0.02)
        self._run_stages = run_stages
        self._camera_weight = spec.camera_weight
        self._background_token = spec.background_token

    def forward(self, images: Tensor, prompts: Tensor | None, cameras: Tensor | None) -> list[Tensor]:
        """Run the backbone.

        Args:
            images: (N, 3, H, W) normalised RGB.
            prompts: (N, P, H', W') prompt tensor, background channel first, resized where its size is another; None is
                the empty prompt: background everywhere.
            cameras: (N,) int64 numbers of camera tokens, -1 for none; None adds no camera token.

        Returns:
            One (N, C_i, h_i, w_i) map per stage, channels last in memory.
        """
        tokens = self.patch_embed(images) + self._prompt_tokens(images, prompts)
        if cameras is not None and self.sie_embed is not None:
            known = (cameras >= 0)[:, None, None]
            tokens = tokens + self._camera_weight * (self.sie_embed[cameras.clamp(min=0)] * known)[:, :, None]
        return [level.permute(0, 3, 1, 2) for level in self._run_stages(self.model, tokens)]

    def _prompt_tokens(self, images: Tensor, prompts: Tensor | None) -> Tensor:
        if prompts is None:
            # Every token of the empty prompt is the same, so one patch stands for all.
            channels = int(self.parts_embed.shape[0])
            prompts = images.new_zeros(1, channels, 4, 4)
            prompts[:, 0] = 1
        elif prompts.shape[2:] != images.shape[2:]:
            prompts = F.interpolate(prompts, images.shape[2:], mode="bilinear", align_corners=True)
        return self.masks_patch_embed(prompts if self._background_token else prompts[:, 1:])


def start_prompts(backbone: PromptableBackbone, kind: Backbone, start: PromptStart) -> None:
    """Give the prompt tokenizer the weights a training begins with.

    Args:
        backbone: with fresh weights.
        kind: of the backbone.
        start: published: the convolution of a Swin v1 is zero, so that prompts begin without effect, and that of a
            Swin V2 is random. silent: the norm's scale is zero in both, so that prompts begin without effect in both,
            and no LayerNorm stands over zero variance, whose gradient is multiplied by 1 / sqrt(epsilon) = 316.
    """
    if start == "silent":
        silenced: Any = backbone.masks_patch_embed.get_submodule("norm")
    elif kind == "swin":
        silenced = backbone.masks_patch_embed.get_submodule("projection")
    else:
        return
    nn.init.zeros_(silenced.weight)
    nn.init.zeros_(silenced.bias)


def build_promptable(spec: ModelSpec) -> PromptableBackbone:
    """Build the backbone a KPR network names."""
    channels = spec.prompt_channels - int(not spec.background_token)
    build: Callable[[ModelSpec, int], PromptableBackbone] = {"swin": _swin, "swinv2": _swinv2}[spec.backbone]
    return build(spec, channels)


def _swin(spec: ModelSpec, channels: int) -> PromptableBackbone:
    model = Swin(spec.embed_dim, spec.depths, spec.heads, spec.window, spec.drop_path, spec.semantic_weight)
    return PromptableBackbone(model, Swin.stage_maps, PatchEmbed(channels, spec.embed_dim), spec)


def _swinv2(spec: ModelSpec, channels: int) -> PromptableBackbone:
    ensure_torchvision()
    from timm.layers import PatchEmbed as TimmPatchEmbed
    from timm.models.swin_transformer_v2 import SwinTransformerV2

    size = (spec.height, spec.width)
    model = SwinTransformerV2(
        img_size=size, embed_dim=spec.embed_dim, depths=spec.depths, num_heads=spec.heads, window_size=spec.window,
        pretrained_window_sizes=spec.pretrained_windows, drop_path_rate=spec.drop_path, num_classes=0, global_pool="",
    )  # fmt: skip

    masks_patch_embed = TimmPatchEmbed(
        size, patch_size=4, in_chans=channels, embed_dim=spec.embed_dim, norm_layer=nn.LayerNorm, output_fmt="NHWC",
        strict_img_size=False,
    )  # fmt: skip
    backbone = PromptableBackbone(model, _timm_stages, masks_patch_embed, spec)
    # In every published file although multi-stage fusion never uses it.
    backbone.norm = nn.LayerNorm(sum(spec.stage_widths)).requires_grad_(False)
    return backbone


def _timm_stages(model: Any, tokens: Tensor) -> list[Tensor]:
    maps = []
    for layer in model.layers:
        tokens = layer(tokens)
        maps.append(tokens)
    return maps
