"""SAN, a semantics-aligned network (Jin et al., AAAI 2020): an encoder for ReID that learns beside it to unwrap people.

SA-Enc is a ResNet-50 whose embedding is compared. SA-Dec draws from its maps the person's whole texture, unwrapped from
the body surface, so that the encoder has to know what is where on the body. It is needed in training only. The
generator of textures, SAN-PG, is the same network trained on pairs of picture and texture.
"""

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from data.runtime.torchvision_cure import ensure_torchvision
from reid.models.san_spec import TEXTURE_SIZE, SanSpec

_GAIN = 0.02


@dataclass(frozen=True, slots=True)
class EncoderOutput:
    """What the encoder makes of N pictures.

    Attributes:
        embeddings: (N, dim), not of unit length; non-negative where there is an embedding layer.
        logits: (N, identities).
        maps: of the four stages: 4c, 8c, 16c and 32c channels for c inner channels; a quarter, an eighth, a sixteenth
            and again a sixteenth of the picture's height and width.
    """

    embeddings: Tensor
    logits: Tensor
    maps: tuple[Tensor, Tensor, Tensor, Tensor]


@dataclass(frozen=True, slots=True)
class DecoderOutput:
    """What the decoder draws.

    Attributes:
        textures: (N, 3, 256, 256) RGB, where -1 is black and 1 white; not bounded.
        levels: its four maps, coarse to fine, on which the decoder's triplet losses act.
    """

    textures: Tensor
    levels: tuple[Tensor, Tensor, Tensor, Tensor]


class SanEncoder(nn.Module):
    """SA-Enc: ResNet, mean over the last map, embedding layer, classifier."""

    def __init__(self, spec: SanSpec) -> None:
        super().__init__()
        ensure_torchvision()
        from timm.models.resnet import Bottleneck, ResNet

        widths = tuple(spec.channels << stage for stage in range(4))
        # timm would start the last norm of each block at 0; the original starts all at 1.
        block: Any = Bottleneck
        backbone: Any = ResNet(block, spec.blocks, num_classes=0, global_pool="", channels=widths, zero_init_last=False)
        self.fc: nn.Sequential | None = None
        if spec.dim is not None:
            first = backbone.layer4[0]
            first.conv2.stride = first.downsample[0].stride = (1, 1)
            self.fc = nn.Sequential(nn.Linear(spec.features, spec.dim), nn.BatchNorm1d(spec.dim), nn.ReLU())
        self.backbone = backbone
        self.dim = spec.dim or spec.features
        self.classifier = nn.Linear(self.dim, spec.identities)
        for layer in (self.classifier, *(self.fc or ())):
            if isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, 0.0, 0.01)
                nn.init.zeros_(layer.bias)

    def forward(self, images: Tensor) -> EncoderOutput:
        """Encode (N, 3, H, W) normalised RGB."""
        maps = self.maps(images)
        embeddings = self.pooled(maps[3])
        return EncoderOutput(embeddings, self.classifier(embeddings), maps)

    def embed(self, images: Tensor) -> Tensor:
        """Embeddings of (N, 3, H, W) normalised RGB, (N, dim); the published distance between them is Euclidean."""
        return self.pooled(self.maps(images)[3])

    def maps(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The maps of the four stages, see ``EncoderOutput``."""
        net = self.backbone
        x = net.maxpool(net.act1(net.bn1(net.conv1(images))))
        first = net.layer1(x)
        second = net.layer2(first)
        third = net.layer3(second)
        return first, second, third, net.layer4(third)

    def pooled(self, last: Tensor) -> Tensor:
        """The last map -> embeddings."""
        mean = last.mean((2, 3))
        return mean if self.fc is None else self.fc(mean)


class _Up(nn.Module):
    """A residual block, then twice the size: (N, before, h, w) -> (N, after, 2h, 2w)."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.res = nn.Sequential(
            nn.Conv2d(before, before, 3, padding=1, bias=False), nn.BatchNorm2d(before), nn.ReLU(),
            nn.Conv2d(before, before, 3, padding=1, bias=False), nn.BatchNorm2d(before),
        )  # fmt: skip
        self.conv = nn.Conv2d(before, after, 3, padding=1, padding_mode="reflect")

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(x + self.res(x))
        grown: Tensor = self.conv(F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False))
        return grown


class SanDecoder(nn.Module):
    """SA-Dec: four upward steps that take in the encoder's maps on the way."""

    def __init__(self, spec: SanSpec) -> None:
        super().__init__()
        c = spec.channels
        self.reduce_dim = _reduction(32 * c, 8 * c)
        self.embed_layer3 = _reduction(16 * c, 8 * c)
        self.embed_layer2 = _reduction(8 * c, 4 * c)
        self.embed_layer1 = _reduction(4 * c, c)
        self.up1, self.up2 = _Up(8 * c, 4 * c), _Up(4 * c, c)
        self.up3, self.up4 = _Up(c, c // 2), _Up(c // 2, c // 4)
        self.final_layer = nn.Conv2d(c // 4, 3, 7, padding=3, padding_mode="reflect")
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.xavier_normal_(module.weight, _GAIN)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.weight, 1.0, _GAIN)

    def forward(self, maps: tuple[Tensor, Tensor, Tensor, Tensor]) -> DecoderOutput:
        """Draw the textures of the people an encoder saw; ``maps`` as in ``EncoderOutput``."""
        one, two, three, four = maps
        first = self.up1(self.embed_layer3(three) + self.reduce_dim(four))
        second = self.up2(self.embed_layer2(two) + first)
        third = self.up3(self.embed_layer1(one) + second)
        fourth = self.up4(third)
        drawn = self.final_layer(fourth)
        size = (TEXTURE_SIZE, TEXTURE_SIZE)
        # Corners aligned, as published; at the published input size the height is left as it is.
        textures = F.interpolate(drawn, size, mode="bilinear", align_corners=True)
        return DecoderOutput(textures, (first, second, third, fourth))


class SAN(nn.Module):
    """Encoder and, while training or drawing textures, decoder."""

    def __init__(self, spec: SanSpec) -> None:
        """Build the network of a spec, with fresh weights.

        Raises:
            ValueError: for a decoder behind the plain ResNet, whose last map is too small for it.
        """
        super().__init__()
        if spec.decoder and spec.dim is None:
            raise ValueError("the plain encoder (dim: null) has no decoder: its last map is half as large")
        self.spec = spec
        self.encoder = SanEncoder(spec)
        self.decoder = SanDecoder(spec) if spec.decoder else None

    def textures(self, images: Tensor) -> Tensor:
        """Textures of (N, 3, H, W) normalised RGB, (N, 3, 256, 256), see ``DecoderOutput``.

        Raises:
            ValueError: without a decoder.
        """
        if self.decoder is None:
            raise ValueError("this SAN has no decoder")
        drawn: DecoderOutput = self.decoder(self.encoder.maps(images))
        return drawn.textures


def _reduction(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, after, 1), nn.BatchNorm2d(after), nn.ReLU())
