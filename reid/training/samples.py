"""The crops of a re-identification data set, with their keypoints and parsing labels where there are any.

All data sets whose crops lie in ``bounding_box_train``, ``query`` and ``bounding_box_test`` and are named
``<identity>_c<camera>...`` are read alike: Market-1501, DukeMTMC-reID, Occluded-Duke and our synthetic sites.
"""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from pydantic import Field

from data.config import Section
from data.datasets.reid_folders import GALLERY, QUERY, TRAIN, picture_names
from data.errors import UserError
from data.formats.reid_keypoints import CropSkeletons, read_keypoint_file, read_synthetic_crops

_NAME = re.compile(r"(-?\d+)_c(\d+)")
_JUNK = -1


class SourceConfig(Section):
    """One data set on disk."""

    root: Path = Field(
        description="folder that holds bounding_box_train, query and bounding_box_test; relative ones are looked for "
        "here, then under $MTMCT_DATA"
    )
    keypoints: str | None = Field(
        None,
        description="folder under external_annotation with <split>/<crop>_keypoints.json; null: the synthetic site's "
        "crops_<camera>.json where there are such files, else no prompts",
    )
    labels: str | None = Field(
        None, description="folder under masks with <split>/<stem><suffix>; null: labels are drawn from the keypoints"
    )
    label_suffix: str = Field(".npy", description="end of a parsing label's file name")

    @property
    def folder(self) -> Path:
        """Where ``root`` is."""
        elsewhere = Path(os.environ.get("MTMCT_DATA", "")) / self.root
        return elsewhere if not self.root.exists() and elsewhere.exists() else self.root


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One crop.

    Attributes:
        path: the picture.
        identity: as the data set numbers it; in a joined training set from 0 on.
        camera: as the data set numbers it, from 1; in a joined training set from 0 on.
        keypoints: skeletons, or the file that holds them, or None.
        labels: file of 36 parsing fields, or None.
    """

    path: Path
    identity: int
    camera: int
    keypoints: CropSkeletons | Path | None
    labels: Path | None

    def skeletons(self, size: tuple[int, int]) -> CropSkeletons:
        """The skeletons of the crop, whose width and height are given, px.

        Raises:
            UserError: when their file is absent or unreadable.
        """
        if isinstance(self.keypoints, Path):
            return read_keypoint_file(self.keypoints, size)
        return self.keypoints or CropSkeletons.none()


@dataclass(frozen=True, slots=True, eq=False)
class ReidData:
    """The splits of one data set, each sorted by file name."""

    train: tuple[Sample, ...]
    query: tuple[Sample, ...]
    gallery: tuple[Sample, ...]


def read_source(config: SourceConfig) -> ReidData:
    """List a data set's crops; pictures of identity -1 (junk) are left out.

    Raises:
        UserError: when a split is absent or empty, or a name does not start with identity and camera.
    """
    root = config.folder
    missing = [name for name in (TRAIN, QUERY, GALLERY) if not (root / name).is_dir()]
    if missing:
        there = sorted(path.name for path in root.iterdir())[:8] if root.is_dir() else []
        found = f"found: {', '.join(there)}" if there else "there is nothing"
        raise UserError(
            f"{root}: expected the folders {TRAIN}, {QUERY} and {GALLERY}, missing {', '.join(missing)}; {found}"
        )
    synthetic: dict[str, CropSkeletons] = {}
    if config.keypoints is None:
        for path in sorted(root.glob("crops_*.json")):
            synthetic |= read_synthetic_crops(path)
    train, query, gallery = (tuple(_split(config, name, synthetic)) for name in (TRAIN, QUERY, GALLERY))
    return ReidData(train, query, gallery)


def join(parts: Sequence[Sequence[Sample]]) -> tuple[list[Sample], int, int]:
    """Make one training set of several; identities and cameras of different sets stay different.

    Returns:
        The samples with identities and cameras from 0 on, the number of identities and the number of cameras.
    """
    joined: list[Sample] = []
    identities = cameras = 0
    for samples in parts:
        ids = sorted({sample.identity for sample in samples})
        places = sorted({sample.camera for sample in samples})
        for sample in samples:
            identity = identities + int(np.searchsorted(ids, sample.identity))
            camera = cameras + int(np.searchsorted(places, sample.camera))
            joined.append(replace(sample, identity=identity, camera=camera))
        identities, cameras = identities + len(ids), cameras + len(places)
    return joined, identities, cameras


def _split(config: SourceConfig, split: str, synthetic: dict[str, CropSkeletons]) -> Iterator[Sample]:
    root = config.folder
    for name in picture_names(root / split):
        match = _NAME.match(name)
        if match is None:
            raise UserError(f"{root / split / name}: the name does not start with <identity>_c<camera>")
        identity, camera = (int(group) for group in match.groups())
        if identity == _JUNK:
            continue
        keypoints: CropSkeletons | Path | None = synthetic.get(f"{split}/{name}")
        if config.keypoints is not None:
            keypoints = root / "external_annotation" / config.keypoints / split / f"{name}_keypoints.json"
        labels = None
        if config.labels is not None:
            stem = name.rpartition(".")[0]
            labels = root / "masks" / config.labels / split / f"{stem}{config.label_suffix}"
        yield Sample(root / split / name, identity, camera, keypoints, labels)
