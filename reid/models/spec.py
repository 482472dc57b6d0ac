"""What a part-based ReID network is made of: enough to rebuild it and to prepare its input."""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field, model_validator

from data.config import Section

Architecture = Literal["kpr", "bpbreid"]
Backbone = Literal["swin", "swinv2", "resnet50", "hrnet32"]
Pooling = Literal["gwap", "gap", "gmp"]
Reduction = Literal["none", "before_pooling", "before_and_after_pooling", "after_pooling"]
PromptGrouping = Literal["cck1", "cck2", "cck3", "cck4", "cck6", "cck8"]

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

PART_NAMES: dict[str, tuple[str, ...]] = {
    "five_v": ("head", "upper_arms_torso", "lower_arms_torso", "legs", "feet"),
    "eight": ("head", "left_arm", "right_arm", "torso", "left_leg", "right_leg", "left_foot", "right_foot"),
}
"""Names of the parts the published networks predict, by the name of their grouping."""


_SIDES = {"left_": "right_", "right_": "left_"}


def mirrored_parts(names: Sequence[str]) -> list[int]:
    """Of each part the row of the one that takes its place in a mirror: ``left_x`` and ``right_x`` change places.

    >>> mirrored_parts(["head", "left_arm", "right_arm", "left_foot"])
    [0, 2, 1, 3]
    """
    rows = {name: row for row, name in enumerate(names)}
    found = []
    for row, name in enumerate(names):
        side = next((side for side in _SIDES if name.startswith(side)), "")
        found.append(rows.get(_SIDES[side] + name.removeprefix(side), row) if side else row)
    return found


def stripe_names(count: int) -> tuple[str, ...]:
    """Names of parts that are horizontal stripes, top to bottom."""
    return tuple(f"stripe_{number}" for number in range(1, count + 1))


PROMPT_GROUPS: dict[PromptGrouping, tuple[tuple[int, ...], ...]] = {
    "cck1": (tuple(range(17)),),
    "cck2": ((13, 14, 15, 16), tuple(range(13))),
    "cck3": ((0, 1, 2, 3, 4), (13, 14, 15, 16), (5, 6, 7, 8, 9, 10, 11, 12)),
    "cck4": ((0, 1, 2, 3, 4), (7, 8, 9, 10), (13, 14, 15, 16), (5, 6, 11, 12)),
    "cck6": ((0, 1, 2, 3, 4), (7, 9), (8, 10), (13, 15), (14, 16), (5, 6, 11, 12)),
    "cck8": ((0, 1, 2, 3, 4), (5, 7, 9), (6, 8, 10), (5, 6, 11, 12), (13, 15), (14, 16), (15,), (16,)),
}
"""COCO-17 keypoint indices of each prompt channel, by the name of the grouping."""


class ModelSpec(Section):
    """Architecture, input and parts of a KPR or BPBReID network."""

    architecture: Architecture = Field(description="kpr: promptable transformer; bpbreid: convolutional, no prompts")
    backbone: Backbone = Field(description="swin: Swin v1 (SOLIDER and ImageNet files); swinv2: timm Swin V2")
    embed_dim: int = Field(128, ge=8, description="width of the first Swin stage; it doubles at each of the others")
    depths: tuple[int, ...] = Field((2, 2, 18, 2), description="blocks of each Swin stage")
    heads: tuple[int, ...] = Field((4, 8, 16, 32), description="attention heads of each Swin stage")
    window: int = Field(7, ge=2, description="side of the attention window, tokens")
    pretrained_windows: tuple[int, ...] = Field((12, 12, 12, 6), description="swinv2: windows its biases come from")
    semantic_weight: float = Field(-1.0, le=1, description="SOLIDER's semantic weight; negative: no modulation")
    drop_path: float = Field(0.1, ge=0, lt=1, description="share of residual branches dropped in training, last block")

    height: int = Field(384, ge=32, description="input height, px")
    width: int = Field(128, ge=32, description="input width, px")
    mean: tuple[float, float, float] = Field(IMAGENET_MEAN, description="subtracted from RGB in 0-1")
    std: tuple[float, float, float] = Field(IMAGENET_STD, description="then divided by")

    part_names: tuple[str, ...] = Field(PART_NAMES["eight"], min_length=1, description="parts, without background")
    prompt_groups: PromptGrouping | None = Field(None, description="keypoints per prompt channel (kpr)")
    negatives: bool = Field(True, description="prompts have a channel for other people's keypoints")
    background_token: bool = Field(True, description="the tokenizer sees the prompts' background channel")
    prompt_threshold: float = Field(0.3, ge=0, lt=1, description="only keypoints of higher confidence are drawn")
    prompt_continuous: bool = Field(
        False, description="a keypoint's peak is its confidence, and every keypoint is drawn: no threshold"
    )
    cameras: int = Field(0, ge=0, description="number of camera tokens; 0: none")
    camera_weight: float = Field(3.0, description="factor on the camera token")

    fusion: bool = Field(True, description="kpr: all stages are fused at the first stage's resolution")
    learnable_attention: bool = Field(True, description="false: part masks are given from outside, or are stripes")
    stripes: bool = Field(False, description="parts are horizontal stripes of equal height; needs no attention")
    pooling: Pooling = Field("gwap", description="gwap: mask-weighted mean; gap, gmp: mean, maximum of mask x feature")
    reduction: Reduction = Field("after_pooling", description="where features are brought to dim")
    dim: int = Field(512, ge=1, description="length of an embedding, where there is a reduction")
    shared_part_classifier: bool = Field(False, description="one identity head for all parts")
    identities: int = Field(1, ge=1, description="training identities, rows of the identity heads")

    @model_validator(mode="after")
    def _coherent(self) -> "ModelSpec":
        transformer = self.backbone in ("swin", "swinv2")
        if (self.architecture == "kpr") != transformer:
            raise ValueError(f"architecture {self.architecture} has no backbone {self.backbone}")
        if (self.architecture == "kpr") != (self.prompt_groups is not None):
            raise ValueError("kpr needs prompt_groups, bpbreid has none")
        if transformer and len(self.depths) != len(self.heads):
            raise ValueError(f"{len(self.depths)} depths but {len(self.heads)} entries of heads")
        if self.stripes and self.learnable_attention:
            raise ValueError("stripes are a fixed attention: they need learnable_attention: false")
        return self

    @property
    def needs_masks(self) -> bool:
        """Whether the network can only run with part masks from outside."""
        return not self.learnable_attention and not self.stripes

    @property
    def parts(self) -> int:
        """Number of parts K, without background."""
        return len(self.part_names)

    @property
    def prompt_channels(self) -> int:
        """Channels of the prompt tensor: background, negatives where used, then the groups; 0 without prompts."""
        if self.prompt_groups is None:
            return 0
        return 1 + int(self.negatives) + len(PROMPT_GROUPS[self.prompt_groups])

    @property
    def prompt_floor(self) -> float:
        """Confidence above which a keypoint is drawn into a prompt."""
        return 0.0 if self.prompt_continuous else self.prompt_threshold

    @property
    def stage_widths(self) -> tuple[int, ...]:
        """Channels of each Swin stage."""
        return tuple(self.embed_dim << stage for stage in range(len(self.depths)))
