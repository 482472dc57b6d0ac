"""Everything a ReID training can be told; ``configs/reid/*.yaml`` patch it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from data.config import Section, explain
from data.errors import UserError
from reid.losses.gilt import GILT, KindWeight
from reid.models.part_head import Kind
from reid.models.spec import PART_NAMES, ModelSpec
from reid.part_labels import PartGrouping
from reid.training.augment import AugmentConfig
from reid.training.dataset import BadFiles
from reid.training.samples import SourceConfig
from reid.training.schedule import ScheduleConfig


class BatchConfig(Section):
    """What a batch holds and how it is read."""

    people: int = Field(16, ge=2, description="identities per batch")
    pictures: int = Field(4, ge=2, description="pictures of each")
    workers: int = Field(4, ge=0, description="processes that read pictures; 0 reads in the training process")
    bad_files: BadFiles = Field("fail", description="unreadable pictures: fail, or replace by another of the person")


class LossWeight(Section):
    """How much the losses of one kind of embedding count."""

    identity: float = Field(0.0, ge=0, description="cross-entropy over the training identities")
    triplet: float = Field(0.0, ge=0, description="batch-hard triplet loss")


class LossConfig(Section):
    """GiLt and the attention loss."""

    weights: dict[Kind, LossWeight] = Field(
        {kind: LossWeight(identity=weight.identity, triplet=weight.triplet) for kind, weight in GILT.items()},
        description="per kind of embedding: globl, foreg, backg, conct, parts",
    )
    margin: float = Field(0.3, description="of the triplet loss; 0 or less: soft margin")
    attention: float = Field(0.35, ge=0, description="weight of the body-part attention loss")
    best_share: float = Field(
        1.0, gt=0, le=1, description="share of the pixels, of lowest loss, the attention learns from"
    )
    use_visibility: bool = Field(False, description="count only visible parts")

    def gilt_weights(self) -> dict[Kind, KindWeight]:
        """In the form ``gilt_loss`` takes."""
        return {kind: KindWeight(weight.identity, weight.triplet) for kind, weight in self.weights.items()}


class OptimiserConfig(Section):
    """How weights follow their gradients."""

    kind: Literal["sgd", "adam", "adamw"] = Field("sgd", description="sgd has momentum 0.9")
    rate: float = Field(0.008, gt=0, description="highest learning rate")
    weight_decay: float = Field(1e-4, ge=0, description="of weights")
    decay_all: bool = Field(True, description="decay biases, norms and tokens too, as the originals do")
    clip: float = Field(0.0, ge=0, description="largest gradient norm; 0: no limit")


class TrainConfig(Section):
    """One training."""

    model: ModelSpec = Field(
        ModelSpec(architecture="kpr", backbone="swin", prompt_groups="cck8"),
        description="the network; part_names, identities and cameras follow from parts, the data and camera_tokens",
    )
    parts: PartGrouping = Field("eight", description="which parsing fields make up the parts")
    camera_tokens: bool = Field(False, description="learn a token per training camera")
    pretrained: Path | None = Field(None, description="backbone weights: SOLIDER, Swin, ResNet-50, HRNet or timm file")
    train: tuple[SourceConfig, ...] = Field((), description="data sets, joined")
    test: SourceConfig | None = Field(None, description="data set whose queries and gallery are scored; null: none")
    test_rule: Literal["market", "all"] = Field("market", description="all: also rank pictures of the query's camera")
    batch: BatchConfig = BatchConfig()
    augment: AugmentConfig = AugmentConfig()
    loss: LossConfig = LossConfig()
    optimiser: OptimiserConfig = OptimiserConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    epochs: int = Field(120, ge=1, description="passes over the data")
    freeze_prompts: int = Field(0, ge=0, description="epochs during which the prompt tokenizer keeps still")
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto", description="auto: bf16 where the device computes it natively; fp16: CUDA only, with loss scaling"
    )
    seed: int = Field(1, ge=0, description="of weights, batches and augmentation")
    evaluate_every: int = Field(10, ge=0, description="epochs between scorings; 0: only after the last")
    save_every: int = Field(200, ge=1, description="steps between saved states; one is also saved after each epoch")

    @model_validator(mode="after")
    def _fits(self) -> "TrainConfig":
        if not self.train:
            raise ValueError("train: name at least one data set")
        return self

    def spec(self, identities: int, cameras: int) -> ModelSpec:
        """The network to train on so many identities and cameras."""
        return self.model.model_copy(
            update={
                "part_names": PART_NAMES[self.parts],
                "identities": identities,
                "cameras": cameras if self.camera_tokens else 0,
            }
        )


def load_training(path: Path, overrides: Sequence[str] = ()) -> TrainConfig:
    """Read a training configuration.

    Args:
        path: YAML; keys left out keep their defaults.
        overrides: "key.sub=value" with a YAML value.

    Raises:
        UserError: for a missing or broken file, an unknown key or a value out of range.
    """
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not valid YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(tree, dict):
        raise UserError(f"{path}: expected keys and values")
    for override in overrides:
        _set(tree, override)
    try:
        return TrainConfig.model_validate(tree)
    except ValidationError as error:
        raise UserError(explain(error, TrainConfig, str(path))) from None


def _set(tree: dict[str, Any], override: str) -> None:
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise UserError(f"'{override}' is not key.sub=value")
    *parents, last = key.split(".")
    node = tree
    for parent in parents:
        node = node.setdefault(parent, {})
        if not isinstance(node, dict):
            raise UserError(f"'{override}': {parent} holds no keys")
    try:
        node[last] = yaml.safe_load(value)
    except yaml.YAMLError:
        raise UserError(f"'{override}': the value is not valid YAML") from None
