"""COCO keypoint JSON: people, their skeletons and, where tracked, their ids, image by image.

Source: the COCO data format (cocodataset.org/#format-data). ``score`` and ``keypoint_scores`` of an annotation are
additions that carry confidences; readers that do not know them lose nothing else.
"""

import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data.atomic import open_atomic
from data.errors import UserError
from data.foreign import read_json, whole
from data.formats.mot import LARGEST_SHARE, check_pixels
from data.labels import PEOPLE, is_person
from data.records import Detections, DoubleArray, FloatArray, IntArray, Poses
from data.skeletons import SKELETONS

logger = logging.getLogger(__name__)

_KEYPOINTS = 17
_PERSON_ID = 1
_FRAME_KEYS = ("frame_id", "frame_index", "frame")
_VIDEO_KEYS = ("video_id", "vid_id")
# Of detectron2's ``BoxMode``: the one in which a box is told by its corners.
_CORNERS = 0
_TRACK_KEYS = ("track_id", "instance_id")
_VIDEO_ENDING = r"(?i)\.(?:avi|m4v|mkv|mov|mp4|mpe?g|ts|webm)$"


@dataclass(frozen=True, slots=True)
class CocoImage:
    """One image of a COCO file and the people in it.

    Attributes:
        image_id: unique in the file.
        file_name: as in the file.
        size: (width, height) in pixels, (0, 0) where the file does not say.
        detections: N boxes; score 1 where the file has none.
        poses: row-aligned skeletons, or None when the whole file has none. Confidence is the file's, or 0, 0.5, 1 for
            COCO's flags "not labelled", "hidden", "visible" (0 or 1 for the flags "no", "yes" of other files); scores
            in place of flags are confidences. Spare skeletons have no box and are not kept.
        track_ids: (N,) int64, -1 where the file has none.
        video: name of its video, or its ``video_id`` where it has no name; "" where the file does not say.
        frame: as the file numbers it (``frame_id``); None where it does not say.
    """

    image_id: int
    file_name: str
    size: tuple[int, int]
    detections: Detections
    poses: Poses | None
    track_ids: IntArray
    video: str = ""
    frame: int | None = None


def read_coco(path: Path, crowds: bool = False) -> list[CocoImage]:
    """Read images in the order of the file; people of one image keep the order of the file.

    Only people are read: the categories ``data.labels`` knows, or the one that annotations have where none is listed.
    Crowd regions and boxes without area are left out with a warning.

    Args:
        path: the file.
        crowds: keep crowd regions, as rows of score 0.

    Raises:
        UserError: for a file that is missing or no COCO file, for one without a category of people, for the first
            annotation that is broken, and for boxes or skeletons in shares of the picture.
    """
    content = _load(path)
    persons, skeleton = _people(path, content)
    people: dict[int, list[Mapping[str, Any]]] = {}
    videos = _video_names(path, content)
    images = [_image_fields(path, image, videos) for image in content["images"]]
    for fields in images:
        if fields.image_id in people:
            raise UserError(f"{path}: two images have the id {fields.image_id}")
        people[fields.image_id] = []
    skipped = 0
    for annotation in content["annotations"]:
        if not isinstance(annotation, dict):
            raise UserError(f"{path}: an annotation is not an object")
        if "category_id" in annotation and _id(annotation["category_id"]) not in persons:
            continue
        owner = _id(annotation.get("image_id"))
        if owner is None or owner not in people:
            raise UserError(f"{path}: {_name(annotation)} belongs to no image (image_id {annotation.get('image_id')})")
        box = _numbers(path, annotation, "bbox", 4)
        if annotation.get("bbox_mode") == _CORNERS:
            box[2:] = [box[2] - box[0], box[3] - box[1]]
        if box[2] < 0 or box[3] < 0:
            raise UserError(f"{path}: {_name(annotation)} has a box of negative size")
        crowd = bool(annotation.get("iscrowd"))
        if (crowd and not crowds) or not (box[2] and box[3]):
            skipped += 1
            continue
        if crowd:
            annotation = {**annotation, "score": 0.0}
        people[owner].append(annotation)
    if skipped:
        logger.warning("%s: %d crowd regions and boxes without area were left out", path, skipped)
    told = [one for rows in people.values() for one in rows]
    check_pixels(str(path), np.array([one["bbox"] for one in told], np.float64).reshape(-1, 4))
    posed = [_numbers(path, one, "keypoints", 3 * _KEYPOINTS) for one in told if "keypoints" in one]
    points = np.array(posed, np.float64).reshape(-1, 3)
    _check_points(path, points)
    sure = _confidences(path, points[:, 2])
    return [_image(path, fields, people[fields.image_id], skeleton if posed else None, sure) for fields in images]


def write_coco(path: Path, images: Sequence[CocoImage]) -> None:
    """Write a COCO file, atomically; coordinates have 3 decimals, confidences 6.

    Args:
        path: the file; its folder exists.
        images: any number; all poses are of one skeleton.

    Raises:
        ValueError: when the images' skeletons differ.
    """
    layouts = sorted({image.poses.skeleton for image in images if image.poses is not None})
    if len(layouts) > 1:
        raise ValueError(f"one COCO file holds one skeleton, not {', '.join(layouts)}")
    category: dict[str, Any] = {"id": _PERSON_ID, "name": "person", "supercategory": "person"}
    if layouts:
        layout = SKELETONS[layouts[0]]
        category["keypoints"] = list(layout.names)
        category["skeleton"] = [[a + 1, b + 1] for a, b in layout.limbs]
    annotations: list[dict[str, Any]] = []
    for image in images:
        for row in range(len(image.detections)):
            annotations.append({"id": len(annotations) + 1, **_annotation(image, row)})
    content = {
        "images": [
            {
                "id": image.image_id,
                "file_name": image.file_name,
                "width": image.size[0],
                "height": image.size[1],
                **({} if image.frame is None else {"frame_id": image.frame}),
            }
            for image in images
        ],
        "annotations": annotations,
        "categories": [category],
    }
    with open_atomic(path) as stream:
        json.dump(content, stream, ensure_ascii=False, allow_nan=False)
        stream.write("\n")


def _annotation(image: CocoImage, row: int) -> dict[str, Any]:
    left, top, right, bottom = (float(value) for value in image.detections.boxes[row])
    width, height = right - left, bottom - top
    told: dict[str, Any] = {
        "image_id": image.image_id,
        "category_id": _PERSON_ID,
        "bbox": [round(value, 3) for value in (left, top, width, height)],
        "area": round(width * height, 3),
        "iscrowd": 0,
        "score": round(float(image.detections.scores[row]), 6),
    }
    if image.track_ids[row] >= 0:
        told["track_id"] = int(image.track_ids[row])
    if image.poses is not None:
        points = image.poses.keypoints[row].astype(np.float64)
        flags = np.where(points[:, 2] > 0.5, 2, np.where(points[:, 2] > 0, 1, 0))
        told["keypoints"] = [
            value
            for (x, y, _), flag in zip(points.tolist(), flags.tolist(), strict=True)
            for value in (round(x, 3), round(y, 3), flag)
        ]
        told["keypoint_scores"] = [round(score, 6) for score in points[:, 2].tolist()]
        told["num_keypoints"] = int((flags > 0).sum())
    return told


def _load(path: Path) -> dict[str, Any]:
    content = read_json(path, what=f"the COCO file {path}")
    if isinstance(content, list) and content and isinstance(content[0], dict) and "image_id" in content[0]:
        raise UserError(
            f"{path} is a list of COCO results without their images; put it under 'annotations' into the file of the "
            "images they were made of"
        )
    for name in ("images", "annotations"):
        if not isinstance(content, dict) or not isinstance(content.get(name), list):
            raise UserError(f"{path} is not a COCO file: it has no list '{name}'")
    return dict(content)


def _people(path: Path, content: Mapping[str, Any]) -> tuple[frozenset[int], str]:
    """Ids of the categories of people, and the layout of their keypoints."""
    categories = content.get("categories") or []
    if not isinstance(categories, list):
        raise UserError(f"{path}: 'categories' is no list")
    named = [one for one in categories if isinstance(one, dict) and _id(one.get("id")) is not None]
    found = [one for one in named if is_person(one.get("name"))]
    if categories and not found:
        there = ", ".join(str(one.get("name"))[:40] for one in named[:8]) or "none with an id"
        raise UserError(f"{path} has no category 'person' (nor {', '.join(PEOPLE[1:4])}); it has {there}: rename one")
    if not found:
        return _only_category(path, content), "coco17"
    ids = frozenset(number for one in found if (number := _id(one["id"])) is not None)
    layouts = [one["keypoints"] for one in found if one.get("keypoints")]
    if not layouts:
        return ids, "coco17"
    if not isinstance(layouts[0], list):
        raise UserError(f"{path}: the keypoints of category 'person' are no list of names")
    names = [str(name).strip().lower().replace(" ", "_").replace("-", "_") for name in layouts[0]]
    for name, layout in SKELETONS.items():
        if list(layout.names) == names:
            return ids, name
    raise UserError(f"{path}: its keypoints are none of the known layouts ({', '.join(SKELETONS)}): {layouts[0]}")


def _only_category(path: Path, content: Mapping[str, Any]) -> frozenset[int]:
    """The category of a file that lists none: there must be one alone."""
    told = [one["category_id"] for one in content["annotations"] if isinstance(one, dict) and "category_id" in one]
    used = sorted({-1 if (number := _id(one)) is None else number for one in told})
    if len(used) > 1:
        shown = ", ".join(str(number) for number in used[:8])
        raise UserError(f"{path} has the categories {shown} and no list 'categories' that says which are people")
    return frozenset(used)


def _video_names(path: Path, content: Mapping[str, Any]) -> dict[int, str]:
    """Names of the videos of a CocoVID file, by id: without the ending of a file, if it has one."""
    videos = content.get("videos") or []
    if not isinstance(videos, list):
        raise UserError(f"{path}: 'videos' is no list")
    found = {}
    for one in videos:
        number = _id(one.get("id")) if isinstance(one, dict) else None
        name = one.get("name") or one.get("file_name") if isinstance(one, dict) else None
        if number is not None and isinstance(name, str):
            found[number] = re.sub(_VIDEO_ENDING, "", name.replace("\\", "/").rstrip("/").split("/")[-1])
    if len(set(found.values())) < len(found):
        raise UserError(f"{path}: two of its videos have one name; give each its own")
    return found


@dataclass(frozen=True, slots=True)
class _ImageFields:
    """What is told of an image, as in ``CocoImage``."""

    image_id: int
    file_name: str
    size: tuple[int, int]
    video: str
    frame: int | None


def _image_fields(path: Path, image: Any, videos: Mapping[int, str]) -> _ImageFields:
    number = _id(image.get("id")) if isinstance(image, dict) else None
    if number is None:
        raise UserError(f"{path}: an image has no whole number as its id")
    width, height = image.get("width") or 0, image.get("height") or 0
    if not all(isinstance(side, int | float) and 0 <= side < 1e9 for side in (width, height)):
        raise UserError(f"{path}: width and height of image {number} are no sizes")
    told = next((image[key] for key in _FRAME_KEYS if image.get(key) is not None), None)
    frame = _id(told)
    if told is not None and frame is None:
        raise UserError(f"{path}: the frame_id of image {number} is no whole number: {str(told)[:40]!r}")
    video = next((image[key] for key in _VIDEO_KEYS if image.get(key) is not None), "")
    video_id = _id(video)
    if video_id is not None:
        # Unlike a name this is no name of a camera either.
        video = videos.get(video_id, f"video_id: {video_id}")
    return _ImageFields(number, str(image.get("file_name") or ""), (int(width), int(height)), str(video), frame)


def _id(value: Any) -> int | None:
    """A whole number, also one that is written as a text; None where it is none."""
    try:
        return whole(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _check_points(path: Path, points: DoubleArray) -> None:
    """Refuse skeletons in shares of the picture: (K, 3) x, y, flag of all keypoints."""
    places = points[points[:, 2] > 0, :2]
    if places.any() and np.abs(places).max() <= LARGEST_SHARE:
        raise UserError(
            f"{path}: all keypoints lie between 0 and {np.abs(places).max():.3g}: they are shares of the picture, not "
            "pixels; multiply x by the picture's width, y by its height"
        )


def _confidences(path: Path, told: DoubleArray) -> float:
    """What the third numbers of keypoints are multiplied with: scores are taken as they are, flags by the largest."""
    if (told != np.floor(told)).any():
        if told.max() > 1 or told.min() < 0:
            logger.warning("%s: confidences of keypoints lie outside 0-1 and were cut to it", path)
        return 1.0
    return 0.5 if (told > 1).any() else 1.0


def _name(annotation: Mapping[str, Any]) -> str:
    return f"annotation {annotation.get('id', '(without id)')}"


def _numbers(path: Path, annotation: Mapping[str, Any], key: str, count: int) -> list[float]:
    values = annotation.get(key)
    sound = isinstance(values, list) and len(values) == count
    sound = sound and all(isinstance(value, int | float) and abs(value) < 1e9 for value in values or [])
    if not sound:
        raise UserError(f"{path}: '{key}' of {_name(annotation)} is not a list of {count} finite numbers")
    return [float(value) for value in values or []]


def _image(
    path: Path,
    fields: _ImageFields,
    people: Sequence[Mapping[str, Any]],
    skeleton: str | None,
    sure: float,
) -> CocoImage:
    boxes = np.array([_numbers(path, one, "bbox", 4) for one in people], np.float32).reshape(-1, 4)
    corners = np.array([one.get("bbox_mode") == _CORNERS for one in people], bool)
    boxes[:, 2:] += np.where(corners[:, None], 0, boxes[:, :2])
    poses = None
    if skeleton is not None:
        points = np.stack([_keypoints(path, one, sure) for one in people]) if people else np.zeros((0, _KEYPOINTS, 3))
        poses = Poses(points.astype(np.float32), Poses.empty().spare_keypoints, skeleton)
    scores = [_scalar(path, one, "score" if "score" in one else "confidence", 1.0) for one in people]
    return CocoImage(
        image_id=fields.image_id,
        file_name=fields.file_name,
        size=fields.size,
        detections=Detections(boxes, np.array(scores, np.float32), np.zeros(len(people), np.int64)),
        poses=poses,
        track_ids=np.array([_track_id(path, one) for one in people], np.int64),
        video=fields.video,
        frame=fields.frame,
    )


def _track_id(path: Path, annotation: Mapping[str, Any]) -> int:
    """The identity within the video, under any of the names it goes by; -1 where there is none."""
    extra = annotation.get("attributes")
    places = (annotation, extra if isinstance(extra, dict) else {})
    told = [place[key] for place in places for key in _TRACK_KEYS if place.get(key) is not None]
    if not told:
        return -1
    number = _id(told[0])
    if number is None:
        raise UserError(f"{path}: 'track_id' of {_name(annotation)} is no whole number: {str(told[0])[:40]!r}")
    return number


def _scalar(path: Path, annotation: Mapping[str, Any], key: str, default: float) -> float:
    value = annotation.get(key, default)
    if not isinstance(value, int | float) or not abs(value) < 2.0**63:
        raise UserError(f"{path}: '{key}' of {_name(annotation)} is not a finite number")
    return value


def _keypoints(path: Path, annotation: Mapping[str, Any], sure: float) -> FloatArray:
    if "keypoints" not in annotation:
        return np.zeros((_KEYPOINTS, 3), np.float32)
    points = np.array(_numbers(path, annotation, "keypoints", 3 * _KEYPOINTS), np.float32).reshape(_KEYPOINTS, 3)
    if "keypoint_scores" in annotation:
        points[:, 2] = _numbers(path, annotation, "keypoint_scores", _KEYPOINTS)
    else:
        points[:, 2] = np.clip(points[:, 2] * sure, 0, 1)
    return points
