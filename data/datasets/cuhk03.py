"""CUHK03 (Li et al., "DeepReID", CVPR 2014), labelled or detected boxes, in its own protocol or the new one.

Two cameras watch each person, of five pairs. ``images_labeled`` and ``images_detected`` hold pictures named
``<pair>_<person>_<view>_<number>.png`` as everyone cuts them out of ``cuhk-03.mat``.

New protocol (Zhong et al., CVPR 2017): 767 people to train on, 700 to test on;
``cuhk03_new_protocol_config_{labeled,detected}.mat`` tell which pictures are for training, queries and gallery.

Classic protocol: 20 splits of 1,360 people, 100 of whom are searched for among each other (figures are published of
the first split and of the mean over all); the CMC curve is of a
gallery with one picture per person. ``splits_classic_{labeled,detected}.json``, as torchreid writes them beside the
pictures, has one object per split with lists of [path, identity, camera] of ``train``, ``query`` and ``gallery``.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from data.datasets.reid_crops import CropSplits, ReidCrop, Use
from data.datasets.reid_folders import data_root
from data.errors import UserError
from data.foreign import read_json
from data.formats.mat import read_mat
from data.listing import listed
from data.records import IntArray

Boxes = Literal["labeled", "detected"]

_FOLDERS = ("cuhk03", "CUHK03", "cuhk03_release")
_NAME = re.compile(r"\d+_\d+_(\d+)_\d+\.png")
_SPLITS = ("train", "query", "gallery")


def list_cuhk03_labeled(root: Path, use: Use = "all") -> CropSplits:
    """List the crops of boxes that people drew; see ``list_cuhk03``."""
    return list_cuhk03(root, "labeled", use)


def list_cuhk03_detected(root: Path, use: Use = "all") -> CropSplits:
    """List the crops of boxes that a detector found; see ``list_cuhk03``."""
    return list_cuhk03(root, "detected", use)


def list_cuhk03(root: Path, boxes: Boxes, use: Use = "all") -> CropSplits:
    """List the crops. Identities are the protocol's, from 1; cameras are the two views, 0 and 1.

    Args:
        root: the data set's folder, or the folder above it.
        boxes: labelled or detected ones.
        use: which splits to list.

    Raises:
        UserError: when the pictures or the protocol's file are absent or do not fit each other.
    """
    folder = f"images_{boxes}"
    place = data_root(root, f"CUHK03 ({boxes})", _FOLDERS, (folder,))
    protocol = _Protocol(place / f"cuhk03_new_protocol_config_{boxes}.mat")
    wanted = {"all": _SPLITS, "train": _SPLITS[:1], "test": _SPLITS[1:]}[use]
    there = {path.name for path in listed(place / folder, "*")}
    found = {name: protocol.crops(name, place / folder, there) if name in wanted else () for name in _SPLITS}
    return CropSplits(place, found["train"], found["query"], found["gallery"])


def list_cuhk03_classic_labeled(root: Path, use: Use = "all", split: int = 0) -> CropSplits:
    """List the crops of boxes that people drew, in the classic protocol; see ``list_cuhk03_classic``."""
    return list_cuhk03_classic(root, "labeled", use, split)


def list_cuhk03_classic_detected(root: Path, use: Use = "all", split: int = 0) -> CropSplits:
    """List the crops of boxes that a detector found, in the classic protocol; see ``list_cuhk03_classic``."""
    return list_cuhk03_classic(root, "detected", use, split)


def list_cuhk03_classic(root: Path, boxes: Boxes, use: Use = "all", split: int = 0) -> CropSplits:
    """List the crops. Identities are the split's, from 0; cameras are the two views, 0 and 1.

    Args:
        root: the data set's folder, or the folder above it.
        boxes: labelled or detected ones.
        use: which splits to list.
        split: which of the protocol's.

    Raises:
        UserError: when the pictures or the list of splits are absent or do not fit each other.
    """
    folder = f"images_{boxes}"
    place = data_root(root, f"CUHK03 ({boxes})", _FOLDERS, (folder,))
    path = place / f"splits_classic_{boxes}.json"
    if not path.is_file():
        raise UserError(f"{path} is missing: it lists the classic protocol's splits, as torchreid writes them")
    splits = read_json(path)
    if not isinstance(splits, list) or not all(isinstance(one, dict) for one in splits):
        raise UserError(f"{path} is no list of splits")
    if not 0 <= split < len(splits):
        raise UserError(f"{path} has {len(splits)} splits, from 0; there is no split {split}")
    wanted = {"all": _SPLITS, "train": _SPLITS[:1], "test": _SPLITS[1:]}[use]
    found = {name: _listed(path, splits[split].get(name), name, place / folder) for name in wanted}
    return CropSplits(place, found.get("train", ()), found.get("query", ()), found.get("gallery", ()))


def _listed(path: Path, rows: Any, name: str, folder: Path) -> tuple[ReidCrop, ...]:
    """The crops of one list; the paths in it are of the machine that wrote it, so only their names count."""
    if not isinstance(rows, list) or not rows:
        raise UserError(f"{path}: {name} lists no pictures")
    crops = []
    for row in rows:
        if not (isinstance(row, list) and len(row) == 3 and isinstance(row[0], str)):
            raise UserError(f"{path}: {name} has an entry that is not [path, identity, camera]")
        picture = re.split(r"[/\\]", row[0])[-1]
        if _NAME.fullmatch(picture) is None or not all(type(number) is int for number in row[1:]):
            raise UserError(f"{path}: {name} has '{str(row)[:80]}', which is not [path, identity, camera]")
        crops.append(ReidCrop(folder / picture, row[1], row[2], folder.name))
    absent = [crop.path.name for crop in crops if not crop.path.is_file()]
    if absent:
        raise UserError(
            f"{folder} lacks {len(absent)} pictures of {name}, first '{absent[0]}'; cut them out of cuhk-03.mat under "
            "these names"
        )
    return tuple(sorted(crops, key=lambda crop: crop.path.name))


class _Protocol:
    """The new protocol's file: picture names, identities, and one-based rows of each split."""

    def __init__(self, path: Path) -> None:
        self._path = path
        keys = ["filelist", "labels", *(f"{name}_idx" for name in _SPLITS)]
        if not path.is_file():
            raise UserError(
                f"{path} is missing: it lists the new protocol's splits (CUHK03-NP, beside person-re-ranking's code)"
            )
        content = read_mat(path, keys)
        missing = [key for key in keys if key not in content]
        if missing:
            raise UserError(f"{path} is no file of the new protocol: it lacks {', '.join(missing)}")
        self._names = [str(entry) for entry in content["filelist"].ravel()]
        self._identities = self._numbers(content["labels"])
        self._rows = {name: self._numbers(content[f"{name}_idx"]) - 1 for name in _SPLITS}
        if len(self._names) != len(self._identities):
            raise UserError(f"{path}: {len(self._names)} names but {len(self._identities)} labels")

    def _numbers(self, values: Any) -> IntArray:
        try:
            return np.asarray(values).ravel().astype(np.int64)
        except (ValueError, TypeError):
            raise UserError(f"{self._path}: its labels and rows are no whole numbers") from None

    def crops(self, split: str, folder: Path, there: set[str]) -> tuple[ReidCrop, ...]:
        """The crops of a split, sorted by path."""
        rows = self._rows[split]
        if not len(rows) or rows.min() < 0 or rows.max() >= len(self._names):
            raise UserError(f"{self._path}: {split}_idx does not number the {len(self._names)} pictures of filelist")
        names = [self._names[row] for row in rows]
        self._check(split, folder, [name for name in names if name not in there])
        crops = [
            ReidCrop(folder / name, int(self._identities[row]), self._view(name), folder.name)
            for name, row in zip(names, rows, strict=True)
        ]
        return tuple(sorted(crops, key=lambda crop: crop.path.name))

    def _view(self, name: str) -> int:
        match = _NAME.fullmatch(name)
        if match is None:
            raise UserError(f"{self._path}: '{name}' is not named <pair>_<person>_<view>_<number>.png")
        return int(match[1]) - 1

    def _check(self, split: str, folder: Path, absent: Sequence[str]) -> None:
        if absent:
            raise UserError(
                f"{folder} lacks {len(absent)} pictures of {split}, first '{absent[0]}'; cut them out of cuhk-03.mat "
                "under these names"
            )
