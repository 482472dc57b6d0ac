"""A small convolutional network that finds people and their 17 keypoints in one pass.

Anchor-free: every cell of three grids (strides 8, 16, 32) gives one candidate. The trunk is a cross-stage-partial
network (Wang et al., CVPR Workshops 2020) with a path-aggregation neck (Liu et al., CVPR 2018); the heads are decoupled
(Ge et al., YOLOX, 2021).
"""

from dataclasses import dataclass
from typing import Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from data.config import Section

STRIDES = (8, 16, 32)
KEYPOINTS = 17
_COLUMNS = 3 * KEYPOINTS
# Keypoints are told in units of this many strides, so that the network's numbers stay near 1.
_REACH = 4.0
_PRIOR = 0.01


class NetworkSpec(Section):
    """What the network is made of."""

    stem: int = Field(16, ge=4, le=256, description="channels after the first layer")
    widths: tuple[int, int, int, int] = Field((32, 64, 96, 128), description="channels at strides 4, 8, 16 and 32")
    depths: tuple[int, int, int, int] = Field((1, 2, 2, 1), description="residual blocks at these strides")
    head: int = Field(48, ge=8, le=512, description="channels of the heads")
    height: int = Field(384, ge=64, description="height of the input pictures are run at, px")
    width: int = Field(640, ge=64, description="width of the same, px")

    @model_validator(mode="after")
    def _divisible(self) -> Self:
        if self.height % STRIDES[-1] or self.width % STRIDES[-1]:
            raise ValueError(f"height and width must be multiples of {STRIDES[-1]}")
        if min(self.widths) < 8 or any(width % 2 for width in self.widths):
            raise ValueError("widths must be even numbers from 8 up")
        if min(self.depths) < 1:
            raise ValueError("depths must be at least 1")
        return self


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """What every grid cell says, in input pixels.

    Attributes:
        logits: (B, A) of "a person".
        boxes: (B, A, 4) xyxy.
        points: (B, A, 17, 2) x, y.
        seen: (B, A, 17) logits of "this keypoint is visible".
        centres: (A, 2) of the cells.
    """

    logits: Tensor
    boxes: Tensor
    points: Tensor
    seen: Tensor
    centres: Tensor


class _Conv(nn.Sequential):
    """Convolution, batch normalisation, SiLU."""

    def __init__(self, inside: int, outside: int, size: int = 1, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inside, outside, size, stride, size // 2, bias=False),
            nn.BatchNorm2d(outside, eps=1e-3, momentum=0.03),
            nn.SiLU(inplace=True),
        )


class _Residual(nn.Module):
    def __init__(self, width: int, shortcut: bool) -> None:
        super().__init__()
        self.first, self.second = _Conv(width, width, 3), _Conv(width, width, 3)
        self._shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.second(self.first(x))
        return out + x if self._shortcut else out


class _Partial(nn.Module):
    """Half of the channels pass through residual blocks, and every block's output is kept."""

    def __init__(self, inside: int, outside: int, depth: int, shortcut: bool) -> None:
        super().__init__()
        half = outside // 2
        self.enter = _Conv(inside, 2 * half)
        self.blocks = nn.ModuleList(_Residual(half, shortcut) for _ in range(depth))
        self.leave = _Conv((2 + depth) * half, outside)

    def forward(self, x: Tensor) -> Tensor:
        kept = list(self.enter(x).chunk(2, 1))
        for block in self.blocks:
            kept.append(block(kept[-1]))
        out: Tensor = self.leave(torch.cat(kept, 1))
        return out


class _WideView(nn.Module):
    """Three chained max pools, so that the coarsest grid sees the whole picture."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.enter, self.leave = _Conv(width, width // 2), _Conv(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        views = [self.enter(x)]
        for _ in range(3):
            views.append(F.max_pool2d(views[-1], 5, 1, 2))
        out: Tensor = self.leave(torch.cat(views, 1))
        return out


class _Head(nn.Module):
    """Score, and box with keypoints, of one grid."""

    def __init__(self, inside: int, width: int, stride: int) -> None:
        super().__init__()
        self.enter = _Conv(inside, width)
        self.judge, self.place = _Conv(width, width, 3), nn.Sequential(_Conv(width, width, 3), _Conv(width, width, 3))
        self.score, self.box, self.points = (nn.Conv2d(width, count, 1) for count in (1, 4, _COLUMNS))
        assert self.score.bias is not None
        assert self.box.bias is not None
        nn.init.constant_(self.score.bias, float(torch.logit(torch.tensor(_PRIOR))))
        nn.init.constant_(self.box.bias, 2.0)
        self.stride = stride

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = self.enter(x)
        placed = self.place(x)
        return self.score(self.judge(x)), self.box(placed), self.points(placed)


class PersonPoseNet(nn.Module):
    """See the module. Pictures go in as RGB 0-1."""

    def __init__(self, spec: NetworkSpec) -> None:
        super().__init__()
        self.spec = spec
        w4, w8, w16, w32 = spec.widths
        d4, d8, d16, d32 = spec.depths
        self.stem = _Conv(3, spec.stem, 3, 2)
        self.stage4 = nn.Sequential(_Conv(spec.stem, w4, 3, 2), _Partial(w4, w4, d4, True))
        self.stage8 = nn.Sequential(_Conv(w4, w8, 3, 2), _Partial(w8, w8, d8, True))
        self.stage16 = nn.Sequential(_Conv(w8, w16, 3, 2), _Partial(w16, w16, d16, True))
        self.stage32 = nn.Sequential(_Conv(w16, w32, 3, 2), _Partial(w32, w32, d32, True), _WideView(w32))
        self.up16 = _Partial(w32 + w16, w16, 1, False)
        self.up8 = _Partial(w16 + w8, w8, 1, False)
        self.to16, self.down16 = _Conv(w8, w8, 3, 2), _Partial(w8 + w16, w16, 1, False)
        self.to32, self.down32 = _Conv(w16, w16, 3, 2), _Partial(w16 + w32, w32, 1, False)
        self.heads = nn.ModuleList(
            _Head(width, spec.head, stride) for width, stride in zip((w8, w16, w32), STRIDES, strict=True)
        )

    def forward(self, images: Tensor) -> Candidates:
        """Look at (B, 3, H, W) pictures, RGB 0-1, sides multiples of 32."""
        x8 = self.stage8(self.stage4(self.stem(images)))
        x16 = self.stage16(x8)
        x32 = self.stage32(x16)
        up16 = self.up16(torch.cat([F.interpolate(x32, scale_factor=2.0), x16], 1))
        up8 = self.up8(torch.cat([F.interpolate(up16, scale_factor=2.0), x8], 1))
        down16 = self.down16(torch.cat([self.to16(up8), up16], 1))
        down32 = self.down32(torch.cat([self.to32(down16), x32], 1))
        rows: list[tuple[Tensor, ...]] = []
        for head, features in zip(self.heads, (up8, down16, down32), strict=True):
            assert isinstance(head, _Head)
            score, box, points = head(features)
            rows.append(_in_pixels(score, box, points, head.stride))
        *columns, centres = zip(*rows, strict=True)
        logits, boxes, points, seen = (torch.cat(column, 1) for column in columns)
        return Candidates(logits, boxes, points, seen, torch.cat(centres))


def _in_pixels(score: Tensor, box: Tensor, points: Tensor, stride: int) -> tuple[Tensor, ...]:
    """One grid's maps as rows of ``Candidates``."""
    batch, _, rows, columns = score.shape
    y = (torch.arange(rows, device=score.device, dtype=torch.float32) + 0.5) * stride
    x = (torch.arange(columns, device=score.device, dtype=torch.float32) + 0.5) * stride
    centres = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).reshape(-1, 2)
    sides = F.softplus(box.float()).flatten(2).transpose(1, 2) * stride
    corners = torch.cat([centres - sides[..., :2], centres + sides[..., 2:]], -1)
    told = points.float().flatten(2).transpose(1, 2).reshape(batch, -1, KEYPOINTS, 3)
    places = centres[:, None] + told[..., :2] * (_REACH * stride)
    return score.float().flatten(1), corners, places, told[..., 2], centres
