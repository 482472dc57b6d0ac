"""The crops of a re-identification data set, with their keypoints and parsing labels where there are any."""

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, field_validator, model_validator

from data.config import Section
from data.datasets.market_layout import list_market_layout
from data.datasets.reid_crops import ReidCrop, Use
from data.errors import UserError
from data.formats.reid_keypoints import CropSkeletons, read_keypoint_file
from reid.ranking.rules import Rule
from reid.samples.layouts import LAYOUTS

logger = logging.getLogger(__name__)

BadFiles = Literal["fail", "replace"]


def data_folder(root: Path) -> Path:
    """A folder of data as it is named, or else under ``$MTMCT_DATA``."""
    elsewhere = Path(os.environ.get("MTMCT_DATA", "")) / root
    return elsewhere if not root.exists() and elsewhere.exists() else root


class SourceConfig(Section):
    """One data set on disk."""

    kind: str = Field(
        "market",
        description="layout; market: bounding_box_train, query and bounding_box_test, as Market-1501, DukeMTMC-reID, "
        "Occluded-Duke and synthetic sites have them",
    )
    root: Path = Field(
        description="the data set's folder, or the folder above it; relative ones are looked for here, then under "
        "$MTMCT_DATA"
    )
    keypoints: str | None = Field(
        None,
        description="folder under external_annotation with <split>/<crop>_keypoints.json; null: the keypoints that the "
        "data set itself brings (synthetic sites, occluded_posetrack, partial_reid), else no prompts",
    )
    labels: str | None = Field(
        None,
        description="folder under masks with <split>/<stem><suffix>, or the name of the labels that occluded_posetrack "
        "and partial_reid keep in a place of their own; null: labels are drawn from the keypoints",
    )
    label_suffix: str = Field(".npy", description="end of a parsing label's file name")
    need_skeleton: bool = Field(False, description="leave out training crops whose person has no keypoint")
    split: int = Field(0, ge=0, description="cuhk03_classic_*: which of its 20 published splits")
    distractors: bool = Field(False, description="market: add the pictures of the folder images to the gallery")

    @field_validator("kind")
    @classmethod
    def _known(cls, kind: str) -> str:
        if kind not in LAYOUTS:
            near = get_close_matches(kind, list(LAYOUTS), n=1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            raise ValueError(f"unknown layout '{kind}'{hint}; there are: {', '.join(LAYOUTS)}")
        return kind

    @model_validator(mode="after")
    def _fits(self) -> "SourceConfig":
        if self.distractors and self.kind != "market":
            raise ValueError("distractors: only data sets of kind market have them")
        if self.split and LAYOUTS[self.kind].numbered is None:
            raise ValueError(f"split: {self.kind} has only one")
        return self

    def same_crops(self, other: "SourceConfig") -> bool:
        """Whether another configuration names the same data set, whatever keypoints and labels it takes."""
        return (self.kind, self.folder.resolve()) == (other.kind, other.folder.resolve())

    @property
    def folder(self) -> Path:
        """Where ``root`` is."""
        return data_folder(self.root)


def set_names(folders: Sequence[Path]) -> list[str]:
    """What data sets are called: the name of each folder, with so many above it as tell it from the others."""
    whole = [folder.resolve().parts for folder in folders]
    names = []
    for parts in whole:
        others = [other for other in whole if other != parts]
        lengths = range(1, len(parts))
        length = next((n for n in lengths if all(other[-n:] != parts[-n:] for other in others)), len(parts))
        names.append("/".join(parts[-length:]))
    return names


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One crop.

    Attributes:
        path: the picture.
        identity: as the data set numbers it; in a joined training set from 0 on.
        camera: as the data set numbers it; in a joined training set from 0 on.
        keypoints: skeletons, or the file that holds them, or None.
        labels: file of 36 parsing fields, or None.
        occlusion: keypoints of other people per keypoint of one's own, 0 or more (``occlusion_level``); None without
            readable keypoints, and where only the file of a training or gallery crop would tell.
        clothes: as the data set numbers what its people wear; None where it does not tell.
    """

    path: Path
    identity: int
    camera: int
    keypoints: CropSkeletons | Path | None
    labels: Path | None
    occlusion: float | None = None
    clothes: int | None = None

    def skeletons(self, size: tuple[int, int] | None) -> CropSkeletons:
        """The skeletons of the crop, whose width and height are given, px; None keeps points outside of it.

        Raises:
            UserError: when their file is absent or unreadable.
        """
        if isinstance(self.keypoints, Path):
            return read_keypoint_file(self.keypoints, size)
        told = self.keypoints or CropSkeletons.none()
        return told if size is None else told.inside(size)


@dataclass(frozen=True, slots=True, eq=False)
class ReidData:
    """The splits of one data set, each sorted by file name."""

    train: tuple[Sample, ...]
    query: tuple[Sample, ...]
    gallery: tuple[Sample, ...]


def default_rule(kind: str) -> Rule:
    """Which gallery crops a query ranks where a data set's published figures come from."""
    return LAYOUTS[kind].rule


def read_source(config: SourceConfig, use: Use = "all", bad_files: BadFiles = "fail") -> ReidData:
    """List a data set's crops; pictures of identity -1 (junk) are left out.

    Args:
        config: the data set.
        use: which splits to list; the others are empty and need not be there.
        bad_files: what a keypoint file that ``need_skeleton`` cannot read does: fail, or leave its crop out.

    Raises:
        UserError: when a split is absent or empty, the names of pictures tell no identity, training crops are wanted
            of a data set for testing, or a keypoint file is broken.
    """
    if not config.folder.exists():
        raise UserError(_absent(config.root))
    if config.distractors:
        splits = list_market_layout(config.folder, use, distractors=True)
    elif (numbered := LAYOUTS[config.kind].numbered) is not None:
        splits = numbered(config.folder, use, config.split)
    else:
        splits = LAYOUTS[config.kind].listed_by(config.folder, use)
    train = _samples(config, splits.root, splits.train)
    if config.need_skeleton:
        train = (sample for sample in train if _has_skeleton(sample, bad_files))
    query = (_with_occlusion(sample) for sample in _samples(config, splits.root, splits.query))
    return ReidData(tuple(train), tuple(query), tuple(_samples(config, splits.root, splits.gallery)))


def join(parts: Sequence[Sequence[Sample]]) -> tuple[list[Sample], int, tuple[int, ...]]:
    """Make one training set of several; identities and cameras of different sets stay different.

    Returns:
        The samples with identities and cameras from 0 on, the number of identities, and for each camera its number in
        its data set.
    """
    joined: list[Sample] = []
    cameras: list[int] = []
    identities = 0
    for samples in parts:
        ids = sorted({sample.identity for sample in samples})
        places = sorted({sample.camera for sample in samples})
        for sample in samples:
            identity = identities + int(np.searchsorted(ids, sample.identity))
            camera = len(cameras) + int(np.searchsorted(places, sample.camera))
            joined.append(replace(sample, identity=identity, camera=camera))
        identities += len(ids)
        cameras += places
    return joined, identities, tuple(cameras)


def _absent(root: Path) -> str:
    if root.is_absolute():
        return f"there is no folder {root}"
    home = os.environ.get("MTMCT_DATA")
    looked = f"nor in {home} (MTMCT_DATA)" if home else "and MTMCT_DATA, where it would be looked for, is not set"
    return f"there is no folder {root} in {Path.cwd()}, {looked}"


def _samples(config: SourceConfig, root: Path, crops: Sequence[ReidCrop]) -> Iterator[Sample]:
    """Say where the keypoints and the label of each crop are."""
    for crop in crops:
        name = crop.path.name
        keypoints = crop.keypoints
        if config.keypoints is not None:
            keypoints = root / "external_annotation" / config.keypoints / crop.folder / f"{name}_keypoints.json"
        labels = None
        if config.labels is not None and not LAYOUTS[config.kind].own_labels:
            labels = root / "masks" / config.labels / crop.folder / f"{crop.path.stem}{config.label_suffix}"
        elif config.labels is not None:
            labels = crop.labels
            if labels is None:
                raise UserError(f"{crop.path} has no parsing label; with labels=null they are drawn from the keypoints")
        occlusion = crop.occlusion
        if occlusion is None and isinstance(keypoints, CropSkeletons):
            occlusion = keypoints.occlusion
        yield Sample(crop.path, crop.identity, crop.camera, keypoints, labels, occlusion, crop.clothes)


def _has_skeleton(sample: Sample, bad_files: BadFiles) -> bool:
    try:
        return bool(sample.skeletons(None).target[:, 2].any())
    except UserError as error:
        if bad_files == "fail":
            raise
        logger.warning("%s; %s is left out", error, sample.path)
        return False


def _with_occlusion(sample: Sample) -> Sample:
    """Also read the keypoint file; done for queries only, which are few."""
    if sample.occlusion is not None or sample.keypoints is None:
        return sample
    try:
        return replace(sample, occlusion=sample.skeletons(None).occlusion)
    except UserError:
        # Whoever reads the crop decides whether a broken file is an error.
        return sample
