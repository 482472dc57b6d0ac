"""Data sets of people who change their clothes: LTCC and PRCC.

LTCC (Qian et al., "Long-Term Cloth-Changing Person Re-identification", ACCV 2020): 12 cameras; ``train``, ``query`` and
``test`` hold ``<identity>_<clothes>_c<camera>_<frame>.png``: 9,576 pictures of 77 people to train on, 493 queries, a
gallery of 7,050, both of 75 people.

PRCC (Yang et al., "Person Re-identification by Contour Sketch under Moderate Clothing Change", TPAMI 2019): 221 people,
three cameras. In A and B a person wears the same, in C something else. ``rgb/train/<identity>/<camera>_*.jpg`` are to
train on; of ``rgb/test/<camera>/<identity>/*.jpg`` A is the gallery, searched for those of C (changed clothes) or of B.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from data.datasets.reid_crops import CropSplits, ReidCrop, Use
from data.datasets.reid_folders import data_root, picture_names
from data.errors import UserError
from data.listing import listed
from data.pictures import is_picture

_LTCC_FOLDERS = ("LTCC_ReID", "LTCC", "ltcc")
_PRCC_FOLDERS = ("prcc", "PRCC", "prcc/rgb", "PRCC/rgb", "rgb")
_LTCC_NAME = re.compile(r"(\d+)_(\d+)_c(\d+)_")
_CAMERAS = {"A": 0, "B": 1, "C": 2}


def list_ltcc(root: Path, use: Use = "all") -> CropSplits:
    """List the crops of LTCC; clothes are counted within a person.

    Args:
        root: the data set's folder, or the folder above it.
        use: which splits to list; others need not be there.

    Raises:
        UserError: when a folder is absent or empty, or a name is of another form.
    """
    wanted = {"all": ("train", "query", "test"), "train": ("train",), "test": ("query", "test")}[use]
    place = data_root(root, "LTCC", _LTCC_FOLDERS, wanted)
    found = {folder: tuple(_ltcc_crops(place, folder)) for folder in wanted}
    return CropSplits(place, found.get("train", ()), found.get("query", ()), found.get("test", ()))


def list_prcc(root: Path, use: Use = "all") -> CropSplits:
    """List the crops of PRCC, with the queries of camera C: people in other clothes; see ``list_prcc_from``."""
    return list_prcc_from(root, "C", use)


def list_prcc_same_clothes(root: Path, use: Use = "all") -> CropSplits:
    """List the crops of PRCC, with the queries of camera B: people in the same clothes; see ``list_prcc_from``."""
    return list_prcc_from(root, "B", use)


def list_prcc_from(root: Path, camera: str, use: Use = "all") -> CropSplits:
    """List the crops of PRCC; cameras A, B and C are 0, 1 and 2.

    Args:
        root: the data set's folder, its ``rgb``, or the folder above it.
        camera: of the queries.
        use: which splits to list; others need not be there.

    Raises:
        UserError: when a folder is absent or empty, or a name is of another form.
    """
    wanted = {"all": ("train", "test"), "train": ("train",), "test": ("test",)}[use]
    place = data_root(root / "rgb" if (root / "rgb").is_dir() else root, "PRCC", _PRCC_FOLDERS, wanted)
    train = tuple(_prcc_training(place)) if "train" in wanted else ()
    query, gallery = (tuple(_prcc_test(place, name)) if "test" in wanted else () for name in (camera, "A"))
    return CropSplits(place, train, query, gallery)


def _ltcc_crops(place: Path, folder: str) -> Iterator[ReidCrop]:
    for name in picture_names(place / folder):
        told = _LTCC_NAME.match(name)
        if told is None:
            raise UserError(f"{place / folder / name}: the name does not start with <identity>_<clothes>_c<camera>_")
        identity, clothes, camera = (int(group) for group in told.groups())
        yield ReidCrop(place / folder / name, identity, camera, folder, clothes=clothes)


def _prcc_training(place: Path) -> Iterator[ReidCrop]:
    for path in _pictures_of_people(place / "train"):
        if path.name[0] not in _CAMERAS:
            raise UserError(f"{path}: the name does not start with its camera, A, B or C")
        yield _prcc_crop(path, path.name[0], "train")


def _prcc_test(place: Path, camera: str) -> Iterator[ReidCrop]:
    for path in _pictures_of_people(place / "test" / camera):
        yield _prcc_crop(path, camera, f"test/{camera}")


def _prcc_crop(path: Path, camera: str, folder: str) -> ReidCrop:
    return ReidCrop(path, int(path.parent.name), _CAMERAS[camera], folder, clothes=int(camera == "C"))


def _pictures_of_people(folder: Path) -> list[Path]:
    """Pictures in one folder per person, sorted."""
    if not folder.is_dir():
        raise UserError(f"{folder} is missing")
    strange = [one for one in listed(folder, "*") if one.is_dir() and not one.name.isdecimal()]
    if strange:
        raise UserError(f"{strange[0]}: folders of people are named by their number")
    pictures = [path for path in listed(folder, "*/*") if is_picture(path)]
    if not pictures:
        raise UserError(f"{folder}: expected pictures in a folder per person, found none")
    return pictures
