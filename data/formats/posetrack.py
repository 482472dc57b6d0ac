"""Results in PoseTrack21's format: one JSON file per video with its images and the people found in them.

``images`` have ``id`` and ``file_name``; ``annotations`` have ``image_id``, ``person_id`` (over all videos) or
``track_id`` (within the video) or both, ``keypoints`` (17 times x, y, flag), ``scores`` of the 17, and ``bbox`` where
people were found as boxes.

Source: Döring et al., "PoseTrack21", CVPR 2022, and what its evaluation kit reads.
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
from data.foreign import read_json, whole
from data.formats.mot import MotTable
from data.formats.track_sets import CameraTracks, PictureName, every_frame
from data.records import DoubleArray, FloatArray, IntArray
from data.skeletons import convert, with_head_ends

logger = logging.getLogger(__name__)

SKELETON = "posetrack17"
_KEYPOINTS = 17


@dataclass(frozen=True, slots=True, eq=False)
class PoseResult:
    """One file: N people in images.

    Attributes:
        images: id and file name of each, in the order of the names; the name is "" where the file has none.
        image_ids: (N,) int64, in the order of the file.
        people: (N,) int64 ids that hold over all videos.
        tracks: (N,) int64 ids that hold within the video.
        boxes: (N, 4) float64 xyxy px; NaN where there is none.
        keypoints: (N, 17, 3) float32 x px, y px, confidence.
    """

    images: tuple[PictureName, ...]
    image_ids: IntArray
    people: IntArray
    tracks: IntArray
    boxes: DoubleArray
    keypoints: FloatArray

    def __len__(self) -> int:
        return len(self.image_ids)


def read_pose_result(path: Path) -> PoseResult:
    """Read a file.

    Raises:
        UserError: it is no such file, or a person or track is twice in an image.
    """
    content = read_json(path)
    try:
        images = [PictureName(whole(one["id"]), str(one.get("file_name", ""))) for one in content["images"]]
        told = list(content["annotations"])
        owners = np.array([whole(one["image_id"]) for one in told], np.int64)
        people = np.array([_id(one, "person_id", "track_id") for one in told], np.int64)
        tracks = np.array([_id(one, "track_id", "person_id") for one in told], np.int64)
        points = np.array([_points(one) for one in told], np.float32).reshape(-1, _KEYPOINTS, 3)
        boxes = np.array([_box(one) for one in told], np.float64).reshape(-1, 4)
    except KeyError as error:
        raise UserError(f"{path} is no result of PoseTrack21: an entry has no {error}") from None
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise UserError(f"{path} is no result of PoseTrack21: {error}") from None
    for ids, what in ((people, "person"), (tracks, "track")):
        _check_once(path, owners, ids, what)
    order = sorted(range(len(images)), key=lambda row: images[row].file_name)
    return PoseResult(tuple(images[row] for row in order), owners, people, tracks, boxes, points)


def read_posetrack(path: Path) -> CameraTracks:
    """The tracks of a file; frames are its images in the order of their names, ids those of people.

    Whoever has no ``bbox`` has the one round his joints; who has neither is left out with a warning.

    Raises:
        UserError: as ``read_pose_result``, or somebody is in no image of the file.
    """
    found = read_pose_result(path)
    frame_of = {image.number: frame for frame, image in enumerate(found.images)}
    frames = np.array([frame_of.get(number, -1) for number in found.image_ids.tolist()], np.int64)
    if (frames < 0).any():
        number = int(found.image_ids[np.argmax(frames < 0)])
        raise UserError(f"{path}: {int((frames < 0).sum())} people are in no image of the file (image_id {number})")
    boxes = np.where(np.isnan(found.boxes), _extent(found.keypoints), found.boxes)
    kept = np.flatnonzero(np.isfinite(boxes).all(axis=1))
    if len(kept) < len(found):
        logger.warning("%s: %d people have neither box nor joints and were left out", path, len(found) - len(kept))
    table = MotTable.make(frames[kept], found.people[kept], boxes[kept])
    points = np.ascontiguousarray(found.keypoints[kept][table.rows])
    names = found.images if all(image.file_name for image in found.images) else ()
    return CameraTracks(path.stem, len(found.images), (0, 0), table, points, SKELETON, names)


def write_posetrack(path: Path, tracks: CameraTracks) -> None:
    """Write a file, atomically; coordinates and scores have 3 decimals.

    Keypoints of COCO become PoseTrack21's, with the head's bottom and top estimated (``with_head_ends``). Where the
    tracks do not know their pictures, these are numbered as the data set does it.
    """
    images = tracks.pictures or _numbered(tracks)
    empty = np.zeros((len(tracks.table), _KEYPOINTS, 3), np.float32)
    points = empty if tracks.keypoints is None else in_posetrack_order(tracks.keypoints, tracks.skeleton)
    people: list[dict[str, Any]] = []
    for row, (frame, whose) in enumerate(zip(tracks.table.frames.tolist(), tracks.table.ids.tolist(), strict=True)):
        left, top, right, bottom = tracks.table.boxes[row].tolist()
        person = points[row].astype(np.float64).round(3)
        seen = np.column_stack([person[:, :2], person[:, 2] > 0])
        people.append(
            {
                "image_id": images[frame].number, "person_id": whose, "track_id": whose,
                "bbox": [round(value, 3) for value in (left, top, right - left, bottom - top)],
                "keypoints": seen.ravel().tolist(), "scores": person[:, 2].tolist(),
            }
        )  # fmt: skip
    told = [{"file_name": one.file_name, "id": one.number, "frame_id": one.number} for one in images]
    with open_atomic(path) as stream:
        json.dump({"images": told, "annotations": people}, stream, allow_nan=False)
        stream.write("\n")


def in_posetrack_order(keypoints: FloatArray, skeleton: str) -> FloatArray:
    """(N, 17, 3) keypoints of any layout in PoseTrack's, for results: COCO's with the ends of the head estimated."""
    return with_head_ends(keypoints) if skeleton == "coco17" else convert(keypoints, skeleton, SKELETON)


def _numbered(tracks: CameraTracks) -> Sequence[PictureName]:
    """1, the video's number in six digits, the frame in four."""
    head = tracks.name.split("_")[0]
    base = 10**10 + (int(head[:6]) if head.isascii() and head.isdigit() else 0) * 10**4
    return [PictureName(base + frame, f"images/val/{tracks.name}/{frame:06d}.jpg") for frame in every_frame(tracks)]


def _id(told: Mapping[str, Any], key: str, instead: str) -> int:
    return whole(told[key] if told.get(key) is not None else told[instead])


def _points(told: Mapping[str, Any]) -> FloatArray:
    points = np.array(told["keypoints"], np.float32).reshape(_KEYPOINTS, 3)
    points[:, 2] = told.get("scores", points[:, 2])
    if not np.isfinite(points).all():
        raise ValueError("a joint is not finite")
    return points


def _box(told: Mapping[str, Any]) -> list[float]:
    if told.get("bbox") is None:
        return [np.nan] * 4
    left, top, width, height = map(float, told["bbox"])
    corners = [left, top, left + width, top + height]
    if not np.isfinite(corners).all() or width < 0 or height < 0:
        raise ValueError(f"the box {told['bbox']} is not left, top, width, height")
    return corners


def _extent(points: FloatArray) -> DoubleArray:
    """(N, 4) the box round the joints that are there; NaN where none is."""
    there = points[..., :2].min(axis=2, keepdims=True) > 0
    low = np.where(there, points[..., :2], np.inf).min(axis=1, initial=np.inf)
    high = np.where(there, points[..., :2], -np.inf).max(axis=1, initial=-np.inf)
    corners = np.concatenate([low, high], axis=1).astype(np.float64)
    return np.where(np.isfinite(corners), corners, np.nan)


def _check_once(path: Path, images: IntArray, ids: IntArray, what: str) -> None:
    order = np.lexsort((ids, images))
    again = (np.diff(images[order]) == 0) & (np.diff(ids[order]) == 0)
    if again.any():
        row = order[1:][again][0]
        raise UserError(
            f"{path}: {what} {ids[row]} is twice in image {images[row]} ({int(again.sum())} such rows); mend the ids"
        )
