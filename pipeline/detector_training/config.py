"""Everything a training of the detector can be told; ``configs/detector/*.yaml`` patch it."""

import os
from collections.abc import Sequence
from pathlib import Path

from pydantic import Field, model_validator

from data.config import Section
from data.section_files import load_section
from pipeline.person_pose.loss import LossConfig
from pipeline.person_pose.network import NetworkSpec
from pipeline.person_pose.pictures import WindowConfig
from reid.training.selection import SelectConfig


class TrainConfig(Section):
    """One training."""

    network: NetworkSpec = NetworkSpec()
    train: tuple[Path, ...] = Field((), description="COCO keypoint files, here or under $MTMCT_DATA")
    pretrained: Path | None = Field(None, description="weights of this network to start from; null: none")
    windows: WindowConfig = WindowConfig()
    loss: LossConfig = LossConfig()
    batch: int = Field(8, ge=1, description="windows per step")
    steps: int = Field(10_000, ge=1, description="steps in all")
    rate: float = Field(1.5e-3, gt=0, description="highest learning rate of AdamW")
    warmup: int = Field(200, ge=0, description="steps of linear rise")
    weight_decay: float = Field(0.02, ge=0, description="of weights, not of norms and biases")
    clip: float = Field(10.0, ge=0, description="largest gradient norm; 0: no limit")
    seed: int = Field(1, ge=0, description="of weights, windows and their order")
    workers: int = Field(4, ge=0, description="processes that read pictures, at most one per core; 0 reads here")
    save_every: int = Field(500, ge=1, description="steps between saved states")
    test: tuple[Path, ...] = Field((), description="COCO keypoint files that are scored; none: nothing is")
    evaluate_every: int = Field(0, ge=0, description="steps between scorings; 0: only at the end")
    select: SelectConfig = Field(
        SelectConfig(best_on="none"),
        description="validation holds out the last pictures of each file, as frames of one recording lie side by side; "
        "the best weights have the largest sum of the average precisions of boxes and of skeletons",
    )

    @model_validator(mode="after")
    def _fits(self) -> "TrainConfig":
        self.select.check_scorings(self.evaluate_every)
        return self

    def found(self, path: Path) -> Path:
        """Where a data file is: here, or under $MTMCT_DATA."""
        elsewhere = Path(os.environ.get("MTMCT_DATA", "")) / path
        return elsewhere if not path.exists() and elsewhere.exists() else path


def load_training(path: Path, overrides: Sequence[str] = ()) -> TrainConfig:
    """Read a training configuration.

    Args:
        path: YAML; keys left out keep their defaults.
        overrides: "key.sub=value" with a YAML value.

    Raises:
        UserError: for a missing or broken file, an unknown key or a value out of range.
    """
    return load_section(TrainConfig, path, overrides)
