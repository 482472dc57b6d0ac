"""PoseTrack21 (Döring et al., "PoseTrack21: A Dataset for Person Search, Multi-Object Tracking and Multi-Person Pose
Tracking", CVPR 2022): people in video frames, with person ids that hold over all videos.

``posetrack_data/<split>/<video>.json`` are COCO-like; ``file_name`` of an image is relative to the data set's folder.
Of the 17 keypoints, 1 and 2 are the head's bottom and top, in the places of COCO's eyes, and the ears are never
labelled.
"""

import glob
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from data.datasets.layout import find_root
from data.errors import UserError
from data.foreign import read_json, whole
from data.formats.track_sets import PictureName
from data.listing import listed
from data.names import is_plain_name
from data.records import DoubleArray, FloatArray, IntArray

ANNOTATIONS = "posetrack_data"
PERSON_SEARCH = "posetrack_person_search"
FOLDERS = ("PoseTrack21", "posetrack21")
NOBODY = -1

Polygon = tuple[tuple[float, float], ...]

_KEYPOINTS = 17
_VIDEO = re.compile(r"[\w-]+")


@dataclass(frozen=True, slots=True)
class PoseTrackImage:
    """One frame.

    Attributes:
        image_id: unique in the data set.
        video: id of the video, letters, digits, ``_`` and ``-`` only.
        file: path of the picture, inside the data set's folder.
        labelled: people were annotated in it, by boxes or keypoints.
        posed: keypoints were annotated in it.
        annotation: name of the file that lists it, without its ending.
        regions: polygons to ignore, corners x, y px.
    """

    image_id: int
    video: str
    file: Path
    labelled: bool = True
    posed: bool = True
    annotation: str = ""
    regions: tuple[Polygon, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class PoseTrackSplit:
    """The N people annotated in a split, sorted by annotation id.

    Attributes:
        images: the frames, sorted by image id.
        ids: (N,) int64 of the annotations, unique.
        rows: (N,) int64 which of ``images``.
        people: (N,) int64 person ids; -1 where there is none.
        boxes: (N, 4) float64 left, top, width, height, px of the frame.
        keypoints: (N, 17, 3) float32 x px, y px, flag 0 or 1; zero where there are none.
        tracks: (N,) int64 track ids, which hold within a video; the person's where there is none.
        heads: (N, 4) float64 boxes of heads: left, top, width, height px; zero where there is none.
    """

    images: tuple[PoseTrackImage, ...]
    ids: IntArray
    rows: IntArray
    people: IntArray
    boxes: DoubleArray
    keypoints: FloatArray
    tracks: IntArray
    heads: DoubleArray

    def __len__(self) -> int:
        return len(self.ids)


def read_posetrack21(root: Path, split: str) -> PoseTrackSplit:
    """Read all annotations of a split.

    Args:
        root: the data set's folder.
        split: ``train`` or ``val``.

    Raises:
        UserError: when there are no files, one is no such JSON, an id is there twice, or a file name leads out of the
            data set's folder.
    """
    folder = root / ANNOTATIONS / split
    files = listed(folder, "*.json")
    if not files:
        raise UserError(f"{folder}: expected one JSON file per video of PoseTrack21, found none")
    return _read_files(root, folder, files)


def read_person_search(root: Path, part: str) -> PoseTrackSplit:
    """Read the annotations of person search: of its training pictures, its gallery ("val") or its queries.

    Args:
        root: the data set's folder.
        part: ``train``, ``val`` or ``query``.

    Raises:
        UserError: as ``read_posetrack21``.
    """
    path = root / PERSON_SEARCH / f"{part}.json"
    if not path.is_file():
        raise UserError(f"{path} is missing: it lists the pictures of person search ({part})")
    return _read_files(root, path, [path])


def read_picture_names(root: Path, video: str) -> tuple[PictureName, ...]:
    """The pictures of a video of any split, in the order of their names.

    Args:
        root: the data set's folder, or the folder above it.
        video: name of its file of annotations, without ending.

    Raises:
        UserError: no split has such a file, or it is broken.
    """
    place = find_root(root, "PoseTrack21", (f"{ANNOTATIONS}/*/*.json",), FOLDERS)
    paths = listed(place / ANNOTATIONS, f"*/{glob.escape(video)}.json") if is_plain_name(video) else []
    if not paths:
        raise UserError(
            f"{place / ANNOTATIONS} has no {video}.json in any part; name the tracks as the data set's videos"
        )
    images = sorted(_read_files(place, paths[0], paths[:1]).images, key=lambda image: image.file.name)
    return tuple(PictureName(image.image_id, image.file.relative_to(place).as_posix()) for image in images)


def _read_files(root: Path, folder: Path, files: list[Path]) -> PoseTrackSplit:
    """What some files annotate together; ``folder`` is for errors."""
    images: list[PoseTrackImage] = []
    people: list[_Person] = []
    for path in files:
        content = read_json_object(path)
        try:
            images += [_image(path, root, told) for told in content["images"]]
            people += [_person(told) for told in content["annotations"]]
        except (KeyError, TypeError, ValueError) as error:
            reason = f"'{error.args[0]}' is missing" if isinstance(error, KeyError) else str(error)
            raise UserError(f"{path} is no PoseTrack21 annotation: {reason}") from None
    images.sort(key=lambda image: image.image_id)
    people.sort(key=lambda person: person.number)
    image_ids = _unique([image.image_id for image in images], f"{folder}: two images have the id")
    ids = _unique([person.number for person in people], f"{folder}: two annotations have the id")
    told: IntArray = np.array([person.image_id for person in people], np.int64)
    rows = np.searchsorted(image_ids, told).clip(0, max(len(images) - 1, 0)).astype(np.int64)
    lost = np.flatnonzero(image_ids[rows] != told) if len(images) else np.arange(len(people))
    if len(lost):
        raise UserError(f"{folder}: annotation {ids[lost[0]]} belongs to no image (image_id {told[lost[0]]})")
    return PoseTrackSplit(
        images=tuple(images),
        ids=ids,
        rows=rows,
        people=np.array([person.whose for person in people], np.int64),
        boxes=np.array([person.box for person in people], np.float64).reshape(-1, 4),
        keypoints=np.array([person.points for person in people], np.float32).reshape(-1, _KEYPOINTS, 3),
        tracks=np.array([person.track for person in people], np.int64),
        heads=np.array([person.head for person in people], np.float64).reshape(-1, 4),
    )


def read_json_object(path: Path) -> dict[str, Any]:
    """Read a file that holds one JSON object.

    Raises:
        UserError: when it is absent or holds something else.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected one JSON object")
    return content


def path_inside(folder: Path, name: object, source: Path) -> Path:
    """The file of a name that a JSON file gives.

    Args:
        folder: which the name is relative to.
        name: from the file.
        source: the file, for the error message.

    Raises:
        UserError: when the name would lead out of the folder.
    """
    path = PurePosixPath(str(name))
    if not str(name) or path.is_absolute() or ".." in path.parts or "\\" in str(name) or ":" in str(name):
        raise UserError(f"{source}: the file name '{name}' is not relative to {folder}")
    return folder / path


@dataclass(frozen=True, slots=True)
class _Person:
    """One annotation, as in the file."""

    number: int
    image_id: int
    whose: int
    track: int
    box: list[float]
    head: list[float]
    points: list[float]


def _image(path: Path, root: Path, told: Mapping[str, Any]) -> PoseTrackImage:
    video = str(told["vid_id"])
    if not _VIDEO.fullmatch(video):
        raise UserError(f"{path}: '{video}' is no id of a video")
    number = whole(told["id"])
    return PoseTrackImage(
        number,
        video,
        path_inside(root, told["file_name"], path),
        labelled=_stated(told, "is_labeled", "has_labeled_person"),
        posed=_stated(told, "is_labeled"),
        annotation=path.stem,
        regions=_regions(told, number),
    )


def _stated(told: Mapping[str, Any], *keys: str) -> bool:
    """Whether one of these is so; where the file says none of them, it is."""
    stated = [bool(told[key]) for key in keys if key in told]
    return any(stated) if stated else True


def _regions(told: Mapping[str, Any], number: int) -> tuple[Polygon, ...]:
    """Polygons to ignore, of three or more corners; a single one may be given flat."""
    across, down = told.get("ignore_regions_x") or [], told.get("ignore_regions_y") or []
    if across and not isinstance(across[0], list):
        across, down = [across], [down]
    if len(across) != len(down) or any(len(x) != len(y) for x, y in zip(across, down, strict=True)):
        raise ValueError(f"the regions to ignore of image {number} have other numbers of x than of y")
    found = [tuple((float(x), float(y)) for x, y in zip(*one, strict=True)) for one in zip(across, down, strict=True)]
    if not all(math.isfinite(value) for polygon in found for corner in polygon for value in corner):
        raise ValueError(f"a region to ignore of image {number} has a corner that is not finite")
    return tuple(polygon for polygon in found if len(polygon) > 2)


def _person(told: Mapping[str, Any]) -> _Person:
    number = whole(told["id"])
    points = [float(value) for value in told.get("keypoints") or [0.0] * (3 * _KEYPOINTS)]
    if len(points) != 3 * _KEYPOINTS:
        raise ValueError(f"annotation {number} has {len(points)} keypoint values, expected {3 * _KEYPOINTS}")
    if not np.isfinite(points).all():
        raise ValueError(f"annotation {number} has a keypoint that is not finite")
    whose = told.get("person_id")
    person = NOBODY if whose is None else whole(whose)
    track = told.get("track_id")
    return _Person(
        number,
        whole(told["image_id"]),
        person,
        person if track is None else whole(track),
        _sides(told["bbox"], number, "box"),
        _sides(told.get("bbox_head") or [0.0] * 4, number, "box of a head"),
        points,
    )


def _sides(told: Any, number: int, what: str) -> list[float]:
    sides = [float(value) for value in told]
    if len(sides) != 4 or not np.isfinite(sides).all():
        raise ValueError(f"annotation {number} has the {what} {sides}, expected left, top, width, height")
    return sides


def _unique(values: list[int], complaint: str) -> IntArray:
    """Sorted values as an array; an error where one is there twice."""
    array = np.array(values, np.int64)
    twice = np.flatnonzero(array[1:] == array[:-1])
    if len(twice):
        raise UserError(f"{complaint} {array[twice[0]]}")
    return array
