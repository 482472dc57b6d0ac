"""What every re-identification data set comes down to: crops with an identity and a camera, in three splits."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from data.datasets.reid_folders import is_picture
from data.errors import UserError
from data.formats.reid_keypoints import CropSkeletons
from data.listing import listed

Use = Literal["all", "train", "test"]

_NUMBERED = re.compile(r"(\d+)_")


@dataclass(frozen=True, slots=True, eq=False)
class ReidCrop:
    """One crop of a data set.

    Attributes:
        path: the picture.
        identity: as the data set numbers it.
        camera: as the data set numbers it.
        folder: the folder of the crop's files below those of keypoints and labels.
        keypoints: skeletons that the data set itself brings, or the file that holds them.
        labels: the parsing label where the data set has a place of its own for it.
        occlusion: how much other people are in the way, where the data set defines it; see ``occlusion_level``.
        clothes: what the person wears, as the data set numbers it; None where it does not tell.
    """

    path: Path
    identity: int
    camera: int
    folder: str
    keypoints: CropSkeletons | Path | None = None
    labels: Path | None = None
    occlusion: float | None = None
    clothes: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class CropSplits:
    """The crops of a data set, each split sorted by path; a split that was not asked for is empty.

    Attributes:
        root: the data set's folder.
        train: crops to learn from; empty for data sets that are for testing only.
        query: crops to search for.
        gallery: crops to search in.
    """

    root: Path
    train: tuple[ReidCrop, ...]
    query: tuple[ReidCrop, ...]
    gallery: tuple[ReidCrop, ...]


def numbered_crops(root: Path, folder: str, camera: int, per_person: bool) -> Iterator[ReidCrop]:
    """Crops named ``<identity>_...``, sorted by path.

    Args:
        root: the data set's folder.
        folder: where below it the pictures lie.
        camera: of all these crops.
        per_person: the pictures lie in one more folder per person.

    Raises:
        UserError: when there is no picture, or a name does not start with an identity.
    """
    place = root / folder
    pictures = [path for path in listed(place, "*/*" if per_person else "*") if is_picture(path)]
    if not pictures:
        where = "the folders below it" if per_person else "it"
        raise UserError(f"{place}: expected pictures in {where}, found none")
    for path in pictures:
        match = _NUMBERED.match(path.name)
        if match is None:
            raise UserError(f"{path}: the name does not start with <identity>_")
        yield ReidCrop(path, int(match[1]), camera, folder)
