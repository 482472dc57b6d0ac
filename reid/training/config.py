"""Everything a ReID training can be told; ``configs/reid/*.yaml`` patch it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from data.config import Section
from data.section_files import load_section
from reid.evaluation.network import TestFeature
from reid.losses.gilt import GILT, KindWeight
from reid.losses.triplet import Combination
from reid.models.part_head import Kind
from reid.models.prompting import PromptStart
from reid.models.spec import PART_NAMES, ModelSpec, stripe_names
from reid.ranking.rules import Rule
from reid.samples.camera_tokens import CameraUse
from reid.samples.part_labels import PartGrouping
from reid.samples.sources import BadFiles, SourceConfig
from reid.training.augment import AugmentConfig
from reid.training.schedule import ScheduleConfig
from reid.training.selection import SelectConfig

Parts = Literal["five_v", "eight", "stripes"]
LabelUse = Literal["none", "soft", "hard", "visibility"]


class BatchConfig(Section):
    """What a batch holds and how it is read."""

    people: int = Field(16, ge=2, description="identities per batch")
    pictures: int = Field(4, ge=2, description="pictures of each")
    accumulate: int = Field(1, ge=1, description="batches whose gradients make up one step")
    workers: int = Field(
        4, ge=0, description="processes that read pictures, at most one per core; 0 reads in the training process"
    )
    bad_files: BadFiles = Field("fail", description="unreadable files: fail, or replace by another crop of the person")


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
    combine: Combination = Field(
        "mean",
        description="triplet distance of a pair: mean, max or min over its parts; max_min: max of positives, min of "
        "negatives; random_max_min: one of the two by chance; intra: each part has triplets of its own",
    )
    attention: float = Field(
        0.35, ge=0, description="weight of the body-part attention loss, where attention is learnt"
    )
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
    bias_factor: float = Field(1.0, gt=0, description="biases follow the rate times this")
    backbone_factor: float = Field(1.0, ge=0, description="the backbone follows the rate times this; 0 keeps it still")
    clip: float = Field(0.0, ge=0, description="largest gradient norm; 0: no limit")


class LabelUseConfig(Section):
    """What the part masks of the parsing labels do in the network, beside teaching its attention.

    soft: they multiply the pooling masks. hard: pixels that are background to them belong to no part. visibility: they
    decide which parts are visible. Crops without labels have them drawn from their keypoints.
    """

    train: LabelUse = Field("none", description="none, soft, hard or visibility, in training")
    test: LabelUse = Field("none", description="the same in scoring")


class TrainConfig(Section):
    """One training."""

    model: ModelSpec = Field(
        ModelSpec(architecture="kpr", backbone="swin", prompt_groups="cck8"),
        description="the network; part_names, identities and cameras follow from parts, the data and camera_tokens",
    )
    parts: Parts = Field(
        "eight", description="which parsing fields make up the parts; stripes: horizontal stripes instead, as in PCB"
    )
    stripes: int = Field(6, ge=1, le=16, description="how many stripes; 1: the whole picture, as Bag of Tricks has it")
    label_use: LabelUseConfig = LabelUseConfig()
    camera_tokens: bool = Field(False, description="learn a token per training camera; use outside of scoring has none")
    test_cameras: bool | dict[int, int] | None = Field(
        None,
        description="scoring gives crops the tokens of their cameras, where those are training cameras (a number that "
        "several training sets have is none's); a mapping: camera of the test set -> training camera whose token it "
        "gets; null: true where the test set is the only training set",
    )
    pretrained: Literal["none"] | Path | None = Field(
        None,
        description="file training starts from: a network of ours, or a backbone (SOLIDER, Swin, ResNet-50, HRNet or "
        "timm's); a relative one is "
        "looked for here, then in pretrained of $MTMCT_DATA; none: random weights; null: has yet to be told",
    )
    prompt_start: PromptStart = Field(
        "published",
        description="weights of the prompt tokenizer; published: the convolution of a Swin v1 is zero, that of a Swin "
        "V2 random; silent: the norm of both is zero, so that prompts begin without effect",
    )
    train: tuple[SourceConfig, ...] = Field((), description="data sets, joined")
    test: SourceConfig | None = Field(None, description="data set whose queries and gallery are scored; null: none")
    test_also: tuple[SourceConfig, ...] = Field(
        (),
        description="further sets that are scored by their own rules; the names of their scores end in _on_<folder>, "
        "with the folders above it where several have one name",
    )
    test_rule: Rule | None = Field(
        None,
        description="what a query ranks; market: all but the same person in the same camera; all; intra: its own "
        "camera; inter: the others; null: what test's kind of data set is published with",
    )
    test_features: tuple[TestFeature, ...] = Field(
        ("bn_foreg", "parts"), min_length=1, description="kinds of embedding that are compared; bn_: after the BN-neck"
    )
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
    select: SelectConfig = SelectConfig()
    ema: float = Field(
        0.0, ge=0, lt=1, description="decay of the average of the weights that is scored and written; 0: themselves"
    )
    test_prompts: Literal["with", "without", "both"] = Field(
        "with", description="scoring gives a promptable network the keypoints; both takes twice as long"
    )
    seed: int = Field(1, ge=0, description="of weights, batches and augmentation")
    evaluate_every: int = Field(10, ge=0, description="epochs between scorings; 0: only after the last")
    save_every: int = Field(200, ge=1, description="steps between saved states; one is also saved after each epoch")

    @model_validator(mode="after")
    def _fits(self) -> "TrainConfig":
        if not self.train:
            raise ValueError("train: name at least one data set")
        self.select.check_scorings(self.evaluate_every)
        concatenated = {name.removeprefix("bn_") == "conct" for name in self.test_features}
        if len(concatenated) > 1:
            raise ValueError("test_features: conct is longer than the other kinds and cannot be compared beside them")
        if self.test is None and self.test_also:
            raise ValueError("test_also: there are further test sets, but no first one; name it with test")
        if self.test is None and self.select.best_on == "test":
            raise ValueError("select.best_on: test needs a test set; name it with test")
        folders = [source.folder.resolve() for source in (self.test, *self.test_also) if source is not None]
        if len(set(folders)) < len(folders):
            raise ValueError("test_also: a data set is tested twice; give each once")
        if len(set(self.test_features)) < len(self.test_features):
            raise ValueError("test_features: each kind counts once")
        if self.test_cameras and not self.camera_tokens:
            raise ValueError("test_cameras: there are no tokens without camera_tokens: true")
        if self.label_use != LabelUseConfig() and (self.parts == "stripes" or not self.model.learnable_attention):
            raise ValueError("label_use: stripes and learnable_attention: false leave labels nothing to choose")
        return self

    @property
    def grouping(self) -> PartGrouping | None:
        """Which parsing fields make up the parts; None where the parts are stripes."""
        return None if self.parts == "stripes" else self.parts

    @property
    def part_names(self) -> tuple[str, ...]:
        """Names of the parts."""
        return stripe_names(self.stripes) if self.parts == "stripes" else PART_NAMES[self.parts]

    def tests_like(self, source: SourceConfig) -> bool:
        """Whether what is told of ``test`` holds for a data set: it is one of the same kind, or none is configured."""
        return self.test is None or source.kind == self.test.kind

    def cameras_in(self, test: SourceConfig) -> CameraUse:
        """Which crops of a data set get camera tokens when it is scored."""
        told = self.test_cameras
        # A mapping numbers the cameras of ``test``.
        if isinstance(told, dict) and (test in self.test_also or not self.tests_like(test)):
            told = None
        if told is not None:
            return told
        return self.camera_tokens and len(self.train) == 1 and self.train[0].same_crops(test)

    def spec(self, identities: int, cameras: int) -> ModelSpec:
        """The network to train on so many identities and cameras."""
        update: dict[str, Any] = {
            "part_names": self.part_names,
            "identities": identities,
            "cameras": cameras if self.camera_tokens else 0,
        }
        if self.parts == "stripes":
            update |= {"stripes": True, "learnable_attention": False}
        return self.model.model_copy(update=update)


def load_training(path: Path, overrides: Sequence[str] = ()) -> TrainConfig:
    """Read a training configuration.

    Args:
        path: YAML; keys left out keep their defaults.
        overrides: "key.sub=value" with a YAML value.

    Raises:
        UserError: for a missing or broken file, an unknown key or a value out of range.
    """
    return load_section(TrainConfig, path, overrides)
