"""BPBReID: body-part-based ReID on a convolutional backbone (Somers et al., WACV 2023)."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from data.runtime.torchvision_cure import ensure_torchvision
from reid.models.part_head import KINDS, ExternalMasks, Kind, PartModel, PartOutput, VisibilityMode
from reid.models.spec import ModelSpec

_CHANNELS = {"resnet50": 2048, "hrnet32": 1920}


class BPBReID(PartModel):
    """Convolutional backbone and part heads."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec, _CHANNELS[spec.backbone])
        self.backbone_appearance_feature_extractor = _resnet50(spec) if spec.backbone == "resnet50" else _hrnet32(spec)

    def forward(
        self,
        images: Tensor,
        external: ExternalMasks | None = None,
        visibility: VisibilityMode = "binary",
        kinds: Iterable[Kind] = KINDS,
        scores: bool = True,
    ) -> PartOutput:
        """Describe (N, 3, H, W) normalised RGB images; the other arguments are those of ``PartModel.describe``."""
        return self.describe(self.feature_map(images), external, visibility, kinds, scores)

    def feature_map(self, images: Tensor) -> Tensor:
        """The map that embeddings are pooled from: (N, 3, H, W) -> (N, 2048, H/16, W/16) or (N, 1920, H/4, W/4)."""
        backbone: Any = self.backbone_appearance_feature_extractor
        if self.spec.backbone == "resnet50":
            return backbone.forward_features(images)
        return hrnet_features(backbone, images)


def _resnet50(spec: ModelSpec) -> nn.Module:
    """torchvision-shaped ResNet-50 whose last stage keeps its resolution: (N, 2048, H/16, W/16)."""
    ensure_torchvision()
    import timm

    model: Any = timm.create_model("resnet50", pretrained=False, num_classes=0, global_pool="")
    first = model.layer4[0]
    first.conv2.stride = first.downsample[0].stride = (1, 1)
    # The backbone's own classifier is never used, but it is in every published file.
    model.classifier = nn.Linear(2048, spec.identities).requires_grad_(False)
    return model


def _hrnet32(spec: ModelSpec) -> nn.Module:
    """HRNet-W32 without its classification neck."""
    ensure_torchvision()
    import timm

    model: Any = timm.create_model("hrnet_w32", pretrained=False)
    del model.downsamp_modules, model.final_layer, model.classifier
    # No published network uses this neck, but it is in every published file.
    model.cls_head = nn.Sequential(nn.Conv2d(1920, spec.dim, 1), nn.BatchNorm2d(spec.dim)).requires_grad_(False)
    return model


def hrnet_features(model: Any, images: Tensor) -> Tensor:
    """All four HRNet branches at the finest one's size, side by side: (N, 3, H, W) -> (N, 1920, H/4, W/4)."""
    x = model.act1(model.bn1(model.conv1(images)))
    x = model.act2(model.bn2(model.conv2(x)))
    branches = [widen(branch) for widen, branch in zip(model.incre_modules, model.stages(x), strict=True)]
    size = branches[0].shape[2:]
    resized = [F.interpolate(branch, size, mode="bilinear", align_corners=True) for branch in branches[1:]]
    return torch.cat([branches[0], *resized], 1)
