"""The layout of Market-1501, which DukeMTMC-reID, Occluded-Duke and our synthetic sites share.

Pictures named ``<identity>_c<camera>...`` lie in ``bounding_box_train``, ``query`` and ``bounding_box_test``. Identity
-1 is junk and left out; identity 0 are distractors, which stay in the gallery.

Occluded-Duke (Miao et al., "Pose-Guided Feature Alignment for Occluded Person Re-Identification", ICCV 2019) is a new
split of DukeMTMC-reID: 15,618 training pictures, 2,210 occluded queries, a gallery of 17,661.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from data.datasets import dukemtmc_reid, market1501
from data.datasets.reid_crops import CropSplits, ReidCrop, Use
from data.datasets.reid_folders import GALLERY, QUERY, TRAIN, data_root, picture_names
from data.errors import UserError
from data.formats.reid_keypoints import CropSkeletons, read_synthetic_crops
from data.listing import listed

DISTRACTORS = "images"

_FOLDERS = (*market1501.FOLDERS, *dukemtmc_reid.FOLDERS, "Occluded_Duke", "Occluded-DukeMTMC-reID")
_NAME = re.compile(r"(-?\d+)_c(\d+)")
_JUNK = -1


def list_market_layout(root: Path, use: Use = "all", distractors: bool = False) -> CropSplits:
    """List the crops; those of a synthetic site come with their skeletons.

    Args:
        root: the data set's folder, or the folder above it.
        use: which splits to list; others need not be there.
        distractors: add the 500,000 pictures of ``images``, published beside Market-1501, to the gallery.

    Raises:
        UserError: when a split is absent or empty, or a name does not start with identity and camera.
    """
    wanted = {"all": (TRAIN, QUERY, GALLERY), "train": (TRAIN,), "test": (QUERY, GALLERY)}[use]
    more = (DISTRACTORS,) if distractors and GALLERY in wanted else ()
    place = data_root(root, "a data set in Market-1501's layout", _FOLDERS, (*wanted, *more))
    skeletons: dict[str, CropSkeletons] = {}
    for path in listed(place, "crops_*.json"):
        skeletons |= read_synthetic_crops(path)
    splits = {name: tuple(_crops(place, name, skeletons)) for name in (*wanted, *more)}
    gallery = splits.get(GALLERY, ()) + splits.get(DISTRACTORS, ())
    return CropSplits(place, splits.get(TRAIN, ()), splits.get(QUERY, ()), gallery)


def _crops(root: Path, split: str, skeletons: Mapping[str, CropSkeletons]) -> Iterator[ReidCrop]:
    for name in picture_names(root / split):
        match = _NAME.match(name)
        if match is None:
            raise UserError(f"{root / split / name}: the name does not start with <identity>_c<camera>")
        identity, camera = (int(group) for group in match.groups())
        if identity != _JUNK:
            yield ReidCrop(root / split / name, identity, camera, split, skeletons.get(f"{split}/{name}"))
