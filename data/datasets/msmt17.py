"""MSMT17 (Wei et al., "Person Transfer GAN to Bridge Domain Gap for Person Re-Identification", CVPR 2018).

Fifteen cameras, 4,101 people: 30,248 pictures of 1,041 people to train on (and 2,373 more of them in ``list_val.txt``,
which published figures leave out), 11,659 queries, a gallery of 82,161. ``list_<split>.txt`` has a line per picture,
``<person>/<name> <identity>``, below ``train`` or ``test`` (in version 2, whose faces are blurred, ``mask_train_v2``
and ``mask_test_v2``); the third field of a name is the camera. Identities of training and testing are counted apart.
"""

import re
from pathlib import Path

from data.datasets.reid_crops import CropSplits, ReidCrop, Use
from data.datasets.reid_folders import data_root
from data.errors import UserError
from data.foreign import read_text

_FOLDERS = ("MSMT17_V1", "MSMT17_V2", "msmt17/MSMT17_V1", "msmt17/MSMT17_V2", "MSMT17", "msmt17")
_PARTS = (("train", "test"), ("mask_train_v2", "mask_test_v2"))
_LINE = re.compile(r"(\S+) (\d+)")
_CAMERA = re.compile(r"[^_/]*/?[^_]*_[^_]*_(\d+)_")


def list_msmt17(root: Path, use: Use = "all") -> CropSplits:
    """List the crops; cameras are 1 to 15.

    Args:
        root: the data set's folder, or the folder above it.
        use: which splits to list; others need not be there.

    Raises:
        UserError: when a folder or list is absent, a line is of another form, or a picture that is listed is not there.
    """
    wanted = {"all": (0, 1), "train": (0,), "test": (1,)}[use]
    version = _version(root)
    place = data_root(root, "MSMT17", _FOLDERS, [version[number] for number in wanted])
    lists = {0: ("train",), 1: ("query", "gallery")}
    found = {name: _crops(place, version[number], name) for number in wanted for name in lists[number]}
    return CropSplits(place, found.get("train", ()), found.get("query", ()), found.get("gallery", ()))


def _version(root: Path) -> tuple[str, str]:
    """What the folders of pictures are called."""
    places = [root, *(root / name for name in _FOLDERS)]
    return next(
        (names for names in _PARTS for place in places if any((place / one).is_dir() for one in names)), _PARTS[0]
    )


def _crops(place: Path, folder: str, name: str) -> tuple[ReidCrop, ...]:
    path = place / f"list_{name}.txt"
    if not path.is_file():
        raise UserError(f"{path} is missing: it lists the pictures of the data set's {name}")
    crops = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if not line.strip():
            continue
        told = _LINE.fullmatch(line.strip())
        camera = _CAMERA.match(told[1]) if told else None
        if told is None or camera is None or ".." in told[1]:
            raise UserError(f"{path}, line {number}: '{line.strip()[:60]}' is not '<person>/<name> <identity>'")
        crops.append(ReidCrop(place / folder / told[1], int(told[2]), int(camera[1]), folder))
    if not crops:
        raise UserError(f"{path} lists no picture")
    absent = [crop.path for crop in crops if not crop.path.is_file()]
    if absent:
        raise UserError(f"{len(absent)} of {len(crops)} pictures of {path.name} are missing, first {absent[0]}")
    return tuple(sorted(crops, key=lambda crop: str(crop.path)))
