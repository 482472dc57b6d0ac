"""Everything a gait training can be told; ``configs/gait/*.yaml`` patch it."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from data.config import Section
from reid.gait.spec import GaitModel, Level

Layout = Literal["biwi", "ias", "kgbd", "ks20", "kinectreid", "casia_b", "recordings"]


class GaitDataConfig(Section):
    """Which sequences."""

    layout: Layout = Field("recordings", description="how the data set lies, see data/datasets/gait_layouts.py")
    root: Path = Field(Path("."), description="its folder, or the file of recordings")
    frames: int = Field(6, ge=2, description="skeletons of a sequence")
    view: int | None = Field(None, ge=0, description="direction of walking; null: all, or the set has none")
    validation: float = Field(
        0.2, gt=0, lt=1, description="share of each person's training recordings or sequences that models are chosen on"
    )


class EncoderConfig(Section):
    """Training of an encoder."""

    epochs: int = Field(400, ge=1, description="passes over the sequences at most")
    batch: int = Field(128, ge=2, description="sequences per step, neighbours in time")
    rate: float = Field(5e-4, gt=0, description="learning rate of Adam")
    temperature: float = Field(0.1, gt=0, description="of the contrast between neighbours and others")
    contrast: bool = Field(True, description="draw neighbours in time together")
    locality: bool | None = Field(None, description="locality-aware attention; null: as published, for reverse only")
    patience: int = Field(40, ge=1, description="epochs without a lower validation loss after which it stops")


class RecognitionConfig(Section):
    """Training of the recognition network on finished encoders."""

    epochs: int = Field(300, ge=1, description="passes over the features")
    batch: int = Field(128, ge=2, description="frames (ap) or sequences (sc) per step")
    rate: float = Field(5e-4, gt=0, description="learning rate of Adam")
    standardise: bool = Field(
        False, description="bring each feature to mean 0 and deviation 1 of the training first; published: no"
    )
    select_on_test: bool = Field(
        False,
        description="keep the epoch that is best on the test set, as the published figures do; such figures are too "
        "good, and the file says so",
    )


class GaitConfig(Section):
    """One gait training: encoders, then the recognition network."""

    data: GaitDataConfig = GaitDataConfig()
    model: GaitModel = Field(
        "reverse",
        description="reverse, prediction, sorting; two of them, as reverse+sorting (published for CASIA-B), or "
        "rev_rec_plus, all three: their features side by side",
    )
    level: Level = Field(
        "ap", description="ap: frames are recognised and their scores averaged; sc: whole sequences are recognised"
    )
    encoder: EncoderConfig = EncoderConfig()
    recognition: RecognitionConfig = RecognitionConfig()
    seed: int = Field(0, ge=0, description="of weights, batches and shuffled frames")
