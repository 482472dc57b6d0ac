"""The appearance model's configuration section."""

from typing import Literal

from pydantic import Field

from data.weight_records import InputOptions


class ReidConfig(InputOptions):
    """Which appearance model describes people, and how it is run."""

    name: str = Field(
        "auto",
        description="osnet_parts (OSNet's last feature map pooled by body part; needs a pose), osnet_onnx (one vector "
        "per person, any embedding network in ONNX), kpr (KPR and BPBReID checkpoints), none, or auto: named weights "
        "with the model they are for, else kpr where weights of it that know real people are in the cache, else parts "
        "where there is a pose",
    )
    weights: str = Field("auto", description="file, name in data/weights/manifest.yaml, or auto")
    batch: int = Field(32, ge=1, description="crops per run of the network")
    adapt: Literal["none", "grey_world"] = Field(
        "none", description="colour correction of every frame before the network: grey_world evens out a camera's cast"
    )
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto",
        description="kpr: arithmetic of the backbone; auto: bf16 where the device computes it natively, else fp32; "
        "fp16: CUDA only. ONNX networks compute as they were exported",
    )
    keypoint_min: float = Field(
        0.2, ge=0, lt=1, description="osnet_parts: keypoints of this confidence or less show nothing of a part"
    )
