"""COCO keypoint JSON: people, their skeletons and, where tracked, their ids, image by image.

Source: the COCO data format (cocodataset.org/#format-data). ``score`` and ``keypoint_scores`` of an annotation are
additions that carry confidences; readers that do not know them lose nothing else.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data.atomic import open_atomic
from data.errors import UserError
from data.foreign import read_json
from data.records import Detections, FloatArray, IntArray, Poses
from data.skeletons import SKELETONS

logger = logging.getLogger(__name__)

_KEYPOINTS = 17
_PERSON_ID = 1


@dataclass(frozen=True, slots=True)
class CocoImage:
    """One image of a COCO file and the people in it.

    Attributes:
        image_id: unique in the file.
        file_name: as in the file.
        size: (width, height) in pixels, (0, 0) where the file does not say.
        detections: N boxes; score 1 where the file has none.
        poses: row-aligned skeletons, or None when the whole file has none. Confidence is the file's, or 0, 0.5, 1 for
            COCO's flags "not labelled", "hidden", "visible". Spare skeletons have no box and are not kept.
        track_ids: (N,) int64, -1 where the file has none.
    """

    image_id: int
    file_name: str
    size: tuple[int, int]
    detections: Detections
    poses: Poses | None
    track_ids: IntArray


def read_coco(path: Path, crowds: bool = False) -> list[CocoImage]:
    """Read images in the order of the file; people of one image keep the order of the file.

    Only the category "person" is read. Crowd regions and boxes without area are left out with a warning.

    Args:
        path: the file.
        crowds: keep crowd regions, as rows of score 0.

    Raises:
        UserError: for a file that is missing or no COCO file, and for the first annotation that is broken.
    """
    content = _load(path)
    person, skeleton = _person(path, content)
    people: dict[int, list[Mapping[str, Any]]] = {}
    images = [_image_fields(path, image) for image in content["images"]]
    for image_id, _, _ in images:
        if image_id in people:
            raise UserError(f"{path}: two images have the id {image_id}")
        people[image_id] = []
    skipped = 0
    for annotation in content["annotations"]:
        if not isinstance(annotation, dict):
            raise UserError(f"{path}: an annotation is not an object")
        if annotation.get("category_id", person) != person:
            continue
        owner = annotation.get("image_id")
        if not isinstance(owner, int) or owner not in people:
            raise UserError(f"{path}: {_name(annotation)} belongs to no image (image_id {owner})")
        box = _numbers(path, annotation, "bbox", 4)
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
    with_poses = any("keypoints" in one for rows in people.values() for one in rows)
    return [_image(path, fields, people[fields[0]], skeleton if with_poses else None) for fields in images]


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
            {"id": image.image_id, "file_name": image.file_name, "width": image.size[0], "height": image.size[1]}
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
    for name in ("images", "annotations"):
        if not isinstance(content, dict) or not isinstance(content.get(name), list):
            raise UserError(f"{path} is not a COCO file: it has no list '{name}'")
    return dict(content)


def _person(path: Path, content: Mapping[str, Any]) -> tuple[int, str]:
    """Category id of people, and the layout of their keypoints."""
    categories = content.get("categories") or []
    if not isinstance(categories, list):
        raise UserError(f"{path}: 'categories' is no list")
    found = [one for one in categories if isinstance(one, dict) and one.get("name") == "person" and "id" in one]
    if categories and not found:
        raise UserError(f"{path} has no category 'person'")
    if not found:
        return _PERSON_ID, "coco17"
    names = found[0].get("keypoints")
    if names and not isinstance(names, list):
        raise UserError(f"{path}: the keypoints of category 'person' are no list of names")
    if not names:
        return found[0]["id"], "coco17"
    for name, layout in SKELETONS.items():
        if list(layout.names) == list(names):
            return found[0]["id"], name
    raise UserError(f"{path}: its keypoints are none of the known layouts ({', '.join(SKELETONS)}): {names}")


def _image_fields(path: Path, image: Any) -> tuple[int, str, tuple[int, int]]:
    if not isinstance(image, dict) or not isinstance(image.get("id"), int):
        raise UserError(f"{path}: an image has no whole number as its id")
    width, height = image.get("width") or 0, image.get("height") or 0
    if not all(isinstance(side, int | float) and 0 <= side < 1e9 for side in (width, height)):
        raise UserError(f"{path}: width and height of image {image['id']} are no sizes")
    return image["id"], str(image.get("file_name", "")), (int(width), int(height))


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
    fields: tuple[int, str, tuple[int, int]],
    people: Sequence[Mapping[str, Any]],
    skeleton: str | None,
) -> CocoImage:
    image_id, file_name, size = fields
    boxes = np.array([_numbers(path, one, "bbox", 4) for one in people], np.float32).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    poses = None
    if skeleton is not None:
        points = np.stack([_keypoints(path, one) for one in people]) if people else np.zeros((0, _KEYPOINTS, 3))
        poses = Poses(points.astype(np.float32), Poses.empty().spare_keypoints, skeleton)
    scores = [_scalar(path, one, "score", 1.0) for one in people]
    ids = [_scalar(path, one, "track_id", -1) for one in people]
    return CocoImage(
        image_id=image_id,
        file_name=file_name,
        size=size,
        detections=Detections(boxes, np.array(scores, np.float32), np.zeros(len(people), np.int64)),
        poses=poses,
        track_ids=np.array(ids, np.int64),
    )


def _scalar(path: Path, annotation: Mapping[str, Any], key: str, default: float) -> float:
    value = annotation.get(key, default)
    if not isinstance(value, int | float) or not abs(value) < 2.0**63:
        raise UserError(f"{path}: '{key}' of {_name(annotation)} is not a finite number")
    return value


def _keypoints(path: Path, annotation: Mapping[str, Any]) -> FloatArray:
    if "keypoints" not in annotation:
        return np.zeros((_KEYPOINTS, 3), np.float32)
    points = np.array(_numbers(path, annotation, "keypoints", 3 * _KEYPOINTS), np.float32).reshape(_KEYPOINTS, 3)
    if "keypoint_scores" in annotation:
        points[:, 2] = _numbers(path, annotation, "keypoint_scores", _KEYPOINTS)
    else:
        points[:, 2] /= 2
    return points
