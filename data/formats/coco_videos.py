"""Which frame of which video each image of a COCO file is.

COCO knows images, not videos. In this order an image's frame is what its ``frame_id`` says (CocoVID; ``frame_index``,
``frame``), the number in its file name, or, with a warning, its rank by image id. Numbers count from 0 where a 0 is
among them, else from 1. Of two numberings that begin elsewhere the one that begins with 0 or 1 is taken: PoseTrack's
``frame_id`` counts over all its videos. Images belong to the video of their ``video_id``, else to that of their folder.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.errors import UserError
from data.formats.coco import CocoImage, read_coco
from data.names import is_plain_name
from data.records import IntArray

_BY_KEY, _BY_NAME = "frame_id", "the numbers in file names"
# What services add to the names of files that are handed to them: Roboflow behind, Label Studio before.
_ADDED = re.compile(r"_(?:jpe?g|png)\.rf\.[0-9a-f]+$|^[0-9a-f]{8}-(?=.)")
_LARGEST = 10**18
# Python makes no number of more than 4300.
_DIGITS = 4000


@dataclass(frozen=True, slots=True, eq=False)
class CocoVideo:
    """One video of a COCO file.

    Attributes:
        name: of the video; "" where the file holds one alone.
        images: K images by rising frame.
        frames: (K,) int64, from 0.
        length: number of frames up to the last image.
        warnings: what had to be guessed, one line each.
    """

    name: str
    images: tuple[CocoImage, ...]
    frames: IntArray
    length: int
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Numbering:
    """Numbers of a video's images, and where they are from; "" for ranks."""

    numbers: list[int]
    source: str
    other: list[int] | None = None


def read_coco_videos(path: Path) -> list[CocoVideo]:
    """Read a COCO file (``read_coco``) as videos, in the order of their names.

    Raises:
        UserError: as ``read_coco``; also for several videos that cannot be told apart by plain names, a frame that is
            numbered twice, and images some of which have a ``frame_id``.
    """
    parts = _by_video(path, read_coco(path))
    numberings = {name: _numbering(path, images) for name, images in parts.items()}
    base = 0 if any(min(one.numbers, default=1) == 0 for one in numberings.values()) else 1
    return [_video(path, name, parts[name], numberings[name], base) for name in sorted(parts)]


def _by_video(path: Path, images: Sequence[CocoImage]) -> dict[str, list[CocoImage]]:
    """Images by rising id, by the name of their video."""
    ordered = sorted(images, key=lambda image: image.image_id)
    told = [image.video for image in ordered]
    if len(set(told)) < 2:
        told = _folders(ordered)
    if len(set(told)) < 2:
        return {"": ordered}
    parts: dict[str, list[CocoImage]] = {}
    for name, image in zip(told, ordered, strict=True):
        parts.setdefault(name, []).append(image)
    unnamed = [name for name in parts if not is_plain_name(name)]
    if unnamed:
        shown = ", ".join(repr(name) for name in sorted(parts)[:4])
        raise UserError(
            f"{path} holds {len(parts)} videos ({shown}); write one file per camera, or name them in 'videos' as the "
            "cameras are named"
        )
    return parts


def _folders(images: Sequence[CocoImage]) -> list[str]:
    """Per image the part of its folder in which the images differ; "" where they do not, or in more than one part."""
    folders = [image.file_name.replace("\\", "/").split("/")[:-1] for image in images]
    if len({len(folder) for folder in folders}) != 1:
        return [""] * len(images)
    differing = [part for part in zip(*folders, strict=True) if len(set(part)) > 1]
    return list(differing[0]) if len(differing) == 1 else [""] * len(images)


def _numbering(path: Path, images: Sequence[CocoImage]) -> _Numbering:
    told = [image.frame for image in images]
    given = [number for number in told if number is not None]
    if given and len(given) < len(told):
        raise UserError(f"{path}: {len(told) - len(given)} of {len(told)} images have no frame_id; give all or none")
    if given:
        _check_once(path, images, given)
    found = {source: numbers for source, numbers in ((_BY_KEY, given), (_BY_NAME, _in_names(images))) if numbers}
    if not found:
        return _Numbering(list(range(len(images))), "")
    source = next((name for name, numbers in found.items() if min(numbers) in (0, 1)), next(iter(found)))
    others = [numbers for name, numbers in found.items() if name != source]
    return _Numbering(found[source], source, others[0] if others else None)


def _check_once(path: Path, images: Sequence[CocoImage], numbers: Sequence[int]) -> None:
    owners: dict[int, int] = {}
    for image, number in zip(images, numbers, strict=True):
        first = owners.setdefault(number, image.image_id)
        if number < 0 or first != image.image_id:
            wrong = "is negative" if number < 0 else f"is also that of image {first}: are these several videos?"
            raise UserError(f"{path}: frame_id {number} of image {image.image_id} {wrong}; mend the file")


def _in_names(images: Sequence[CocoImage]) -> list[int]:
    """The number in each file name that differs from image to image; none where that is not one number."""
    names = [image.file_name.replace("\\", "/") for image in images]
    stems = [re.sub(r"\.[A-Za-z][A-Za-z0-9]*$", "", name) for name in names]
    texts = ["/".join(_ADDED.sub("", part) for part in stem.split("/")) for stem in stems]
    parts = [re.split(r"(\d+)", text, flags=re.ASCII) for text in texts]
    if not parts or len({tuple(part[::2]) for part in parts}) != 1 or len(parts[0]) < 3:
        return []
    runs = zip(*(part[1::2] for part in parts), strict=True)
    columns = [[int(number[-_DIGITS:]) for number in column] for column in runs]
    differing = [column for column in columns if len(set(column)) > 1] or columns[-1:]
    numbers = differing[0]
    sound = len(differing) == 1 and len(set(numbers)) == len(numbers) and max(numbers) < _LARGEST
    return numbers if sound else []


def _video(path: Path, name: str, images: Sequence[CocoImage], numbering: _Numbering, base: int) -> CocoVideo:
    numbers = np.array(numbering.numbers, np.int64)
    warnings = []
    if not numbering.source and images:
        warnings.append(
            f"{path} says of no image which frame it is (frame_id, or a number in its file name): its {len(images)} "
            "images are taken for the first frames, in the order of their ids"
        )
    if numbering.source and min(numbering.numbers) > 1:
        warnings.append(
            f"{path}: frames begin with {min(numbering.numbers)} by {numbering.source}, and are taken to count from "
            f"{base}"
        )
    if numbering.other is not None and len(set(numbers - np.array(numbering.other, np.int64))) > 1:
        warnings.append(f"{path}: frame_id and the numbers in file names disagree: {numbering.source} is taken")
    frames = numbers - (base if numbering.source else 0)
    order = np.argsort(frames, kind="stable")
    length = int(frames.max(initial=-1)) + 1
    return CocoVideo(name, tuple(images[row] for row in order), frames[order], length, tuple(warnings))
