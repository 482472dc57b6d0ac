"""The appearance model's configuration section."""

from typing import Literal

from pydantic import Field

from data.weight_records import InputOptions, NetworkChoice


class ReidConfig(InputOptions, NetworkChoice):
    """Appearance: which model describes people."""

    name: str = Field(
        "auto",
        description="osnet_parts (body parts of the last feature map; needs a pose), osnet_onnx (one vector per "
        "person, any embedding network in ONNX), kpr (KPR and BPBReID checkpoints), san (SAN checkpoints), none; auto: "
        "the model that named weights are for, else kpr where weights of it that know real people are in the cache, "
        "else parts where there is a pose",
    )
    batch: int = Field(32, ge=1, description="crops per run of the network")
    adapt: Literal["none", "grey_world"] = Field(
        "none", description="none, or grey_world: every frame's colour cast is evened out before the network"
    )
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto",
        description="kpr, san: auto (bf16 where the device has it, else fp32), fp32, bf16 or fp16 (CUDA); "
        "ONNX networks compute as they were exported",
    )
    camera_tokens: dict[str, int] = Field(
        {},
        description="kpr with camera tokens: camera -> training camera whose token its people get, as {hall: 3}; "
        "others get none, and no camera does by default",
    )
    keypoint_min: float = Field(
        0.2, ge=0, lt=1, description="osnet_parts: keypoints of this confidence or less show nothing of a part"
    )
