"""PCB: a ResNet-50 whose last feature map is averaged in six horizontal strips.

Sun et al., "Beyond Part Models", ECCV 2018, in the form ST-ReID uses: 384 x 192 input, output stride 16, each strip has
its own bottleneck and identity classifier; search uses the strips themselves.
"""

from typing import Any

import torch
from torch import Tensor, nn

from data.runtime.torchvision_cure import ensure_torchvision

STRIPS, CHANNELS, BOTTLENECK = 6, 2048, 256
HEIGHT, WIDTH = 384, 192
_SLOPE = 0.1


class StripClassifier(nn.Module):
    """Identity logits of one strip: linear, batch norm, perhaps an activation, dropout, linear."""

    def __init__(self, identities: int, activation: bool) -> None:
        super().__init__()
        self.reduce = nn.Linear(CHANNELS, BOTTLENECK)
        self.norm = nn.BatchNorm1d(BOTTLENECK)
        self.activation = nn.LeakyReLU(_SLOPE) if activation else nn.Identity()
        self.dropout = nn.Dropout(0.5)
        self.classify = nn.Linear(BOTTLENECK, identities)
        nn.init.kaiming_normal_(self.reduce.weight, mode="fan_out")
        nn.init.zeros_(self.reduce.bias)
        nn.init.normal_(self.norm.weight, 1.0, 0.02)
        nn.init.zeros_(self.norm.bias)
        nn.init.normal_(self.classify.weight, 0.0, 0.001)
        nn.init.zeros_(self.classify.bias)

    def forward(self, strip: Tensor) -> Tensor:
        """(N, 2048) -> (N, identities)."""
        reduced: Tensor = self.dropout(self.activation(self.norm(self.reduce(strip))))
        logits: Tensor = self.classify(reduced)
        return logits


class PCB(nn.Module):
    """Backbone, strips and their classifiers."""

    def __init__(self, identities: int, activation: bool = False) -> None:
        """Build the network.

        Args:
            identities: training identities.
            activation: LeakyReLU in the bottlenecks (the MTMCT variant); ST-ReID has none.
        """
        super().__init__()
        ensure_torchvision()
        import timm

        self.activation = activation
        network: Any = timm.create_model("resnet50", pretrained=False, num_classes=0, global_pool="")
        first = network.layer4[0]
        first.conv2.stride = first.downsample[0].stride = (1, 1)
        self.backbone = network
        self.dropout = nn.Dropout(0.5)
        self.heads = nn.ModuleList(StripClassifier(identities, activation) for _ in range(STRIPS))

    @property
    def identities(self) -> int:
        """Rows of the identity classifiers."""
        head = self.heads[0]
        assert isinstance(head, StripClassifier)
        return head.classify.out_features

    def strips(self, images: Tensor) -> Tensor:
        """(N, 3, 384, 192) normalised RGB -> (N, 2048, 6) means of the strips, top to bottom."""
        return nn.functional.adaptive_avg_pool2d(self.backbone(images), (STRIPS, 1)).squeeze(3)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, 384, 192) normalised RGB -> (6, N, identities) logits of each strip."""
        strips = self.dropout(self.strips(images))
        return torch.stack([head(strips[:, :, number]) for number, head in enumerate(self.heads)])

    def descriptor(self, images: Tensor) -> Tensor:
        """(N, 3, 384, 192) normalised RGB -> (N, 12288) of unit length.

        Strips of the image and of its mirror image are added, each strip is brought to unit length, and all of them
        together once more, so that a cosine is the mean of the strips' cosines.
        """
        strips = self.strips(images) + self.strips(images.flip(3))
        strips = nn.functional.normalize(strips, dim=1)
        return nn.functional.normalize(strips.flatten(1), dim=1)
