"""Everything a training of SAN or SAN-PG can be told; ``configs/san/*.yaml`` patch it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from data.config import Section
from data.section_files import load_section
from reid.losses.texture import Mining
from reid.models.san_spec import SanSpec
from reid.ranking.rules import Rule
from reid.samples.sources import SourceConfig, data_folder
from reid.training.schedule import ScheduleConfig
from reid.training.selection import SelectConfig


class TexturedSource(SourceConfig):
    """A ReID data set whose training pictures have textures."""

    textures: Path = Field(
        Path("textures"),
        description="folder of the training pictures' textures, in the data set's folder or anywhere; a texture is "
        "called as its picture, or as the beginning of the name up to an underscore; not read without a decoder",
    )


class PairSource(Section):
    """Pairs of picture and texture, as PIT has them."""

    root: Path = Field(description="folder of both; a relative one is looked for here, then under $MTMCT_DATA")
    images: Path = Field(Path("images"), description="folder in it of the pictures of people; sub-folders count too")
    textures: Path = Field(Path("textures"), description="folder in it of their textures, named as above")

    @property
    def folder(self) -> Path:
        """Where ``root`` is."""
        return data_folder(self.root)


class SanBatchConfig(Section):
    """What a batch holds and how it is read."""

    people: int = Field(16, ge=2, description="identities per batch")
    pictures: int = Field(4, ge=2, description="pictures of each; batches of pairs hold people x pictures of them")
    accumulate: int = Field(1, ge=1, description="batches whose gradients make up one step")
    workers: int = Field(4, ge=0, description="processes that read pictures; 0 reads in the training process")


class SanAugmentConfig(Section):
    """What happens to training pictures, in this order; textures stay as they are."""

    shift: float = Field(0.5, ge=0, le=1, description="probability of enlarging by 1/8 and cropping at random")
    flip: float = Field(0.5, ge=0, le=1, description="probability of mirroring")
    erase: float = Field(0.5, ge=0, le=1, description="probability of erasing one rectangle of 2 to 40 % of the area")


class SanLossConfig(Section):
    """The weights of the four losses, which are added up."""

    identity: float = Field(1.0, ge=0, description="cross-entropy over the training identities")
    smoothing: float = Field(0.1, ge=0, lt=1, description="share of its target that is spread over all identities")
    triplet: float = Field(1.0, ge=0, description="batch-hard triplet loss on the embeddings")
    reconstruction: float = Field(1.0, ge=0, description="mean absolute difference of drawn and given textures")
    decoder_triplet: float = Field(1.0, ge=0, description="triplet loss on the decoder's four maps")
    margin: float = Field(0.3, gt=0, description="of both triplet losses")
    mining: Mining = Field(
        "next", description="triplets of the decoder; next: as published; hard: hardest of the batch"
    )


class SanOptimiserConfig(Section):
    """Adam (AMSGrad) with a rate each for encoder and decoder."""

    rate: float = Field(8e-4, gt=0, description="highest learning rate of the encoder")
    weight_decay: float = Field(5e-4, ge=0, description="of the encoder")
    decoder_rate: float = Field(1e-5, gt=0, description="highest learning rate of the decoder")
    decoder_beta: float = Field(0.5, ge=0, lt=1, description="first moment's decay of the decoder (the encoder's: 0.9)")
    decoder_constant: bool = Field(True, description="the decoder's rate does not follow the schedule, as published")
    clip: float = Field(0.0, ge=0, description="largest gradient norm; 0: no limit")


class SanTrainConfig(Section):
    """One training: of SAN on ReID data sets, or of SAN-PG on pairs. The defaults are SAN's published recipe."""

    model: SanSpec = Field(
        SanSpec(), description="the network; identities follow from the data; decoder=false: the encoder alone"
    )
    start: Path | None = Field(
        None, description="SAN checkpoint to begin with, as SAN-PG; of the classifier only what fits"
    )
    pretrained: Literal["none"] | Path | None = Field(
        None,
        description="ResNet-50 file of ImageNet for the encoder; a relative one is looked for here, then in pretrained "
        "of $MTMCT_DATA; none: random weights; null needs start",
    )
    train: tuple[TexturedSource, ...] = Field((), description="ReID data sets, joined; they train SAN")
    pairs: tuple[PairSource, ...] = Field((), description="pairs of picture and texture; they train SAN-PG")
    test: SourceConfig | None = Field(None, description="data set whose queries and gallery are scored; null: none")
    test_pairs: PairSource | None = Field(None, description="pairs whose reconstruction is scored; null: none")
    test_rule: Rule | None = Field(None, description="what a query ranks; null: what test's kind is published with")
    batch: SanBatchConfig = SanBatchConfig()
    augment: SanAugmentConfig = SanAugmentConfig()
    loss: SanLossConfig = SanLossConfig()
    optimiser: SanOptimiserConfig = SanOptimiserConfig()
    schedule: ScheduleConfig = Field(
        ScheduleConfig(
            kind="steps", warmup_epochs=20, warmup="geometric", milestones=tuple(range(60, 320, 40)), factor=0.5
        ),
        description="of the rates; the published 300 epochs begin after 20 of warm-up",
    )
    epochs: int = Field(320, ge=1, description="passes over the training pictures")
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "fp32", description="of matrix products; auto: bf16 where native"
    )
    evaluate_every: int = Field(80, ge=0, description="epochs between scorings; 0: only at the end")
    save_every: int = Field(500, ge=1, description="steps between saved states")
    select: SelectConfig = SelectConfig()
    ema: float = Field(
        0.0, ge=0, lt=1, description="decay of the average of the weights that is scored and written; 0: themselves"
    )
    seed: int = Field(0, ge=0, description="of weights, batches and augmentation")

    @model_validator(mode="after")
    def _fits(self) -> "SanTrainConfig":
        self.select.check_scorings(self.evaluate_every)
        if bool(self.train) == bool(self.pairs):
            raise ValueError("train, pairs: name ReID data sets (SAN), or pairs of picture and texture (SAN-PG)")
        if self.pairs and not self.model.decoder:
            raise ValueError("pairs: SAN-PG is nothing without model.decoder")
        if self.model.decoder and self.model.dim is None:
            raise ValueError("model: the plain encoder (dim: null) has no decoder; set decoder: false")
        if (self.pairs and self.test is not None) or (self.train and self.test_pairs is not None):
            raise ValueError("train is scored by test, pairs by test_pairs")
        return self


def load_san_training(path: Path, overrides: Sequence[str] = ()) -> SanTrainConfig:
    """Read a training configuration.

    Args:
        path: YAML; keys left out keep their defaults.
        overrides: "key.sub=value" with a YAML value.

    Raises:
        UserError: for a missing or broken file, an unknown key or a value out of range.
    """
    return load_section(SanTrainConfig, path, overrides)
