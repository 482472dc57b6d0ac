"""The formats tracks are handed in by, each read and written.

| name | on disk | frames from | ids | also kept |
|---|---|---|---|---|
| mot | folder of ``<camera>.txt``, MOTChallenge tracks | 1 | per file | score |
| aicity | one text file, rows of camera, id, frame, box, place (AI City 2024 on) | 0 | over cameras | whole px |
| duke | one text file, rows of camera, id, frame, box, place (DukeMTMC) | 1 | over cameras | |
| posetrack | folder of ``<video>.json``, PoseTrack21 submissions | pictures | person_id | keypoints, scores |
| coco | folder of ``<camera>.json``, one image per frame | images in order | track_id | score, keypoints |
| cvat_video, cvat_images | folder of ``<camera>.xml``, CVAT 1.1 | 0 | per file | size |

Cameras of aicity and duke are numbers: the last number in a camera's name, and ``camera<number>`` on the way back.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data.atomic import open_atomic
from data.errors import UserError
from data.foreign import read_json
from data.formats.camera_rows import CameraRows, Key, read_camera_rows, write_camera_rows
from data.formats.coco import CocoImage, read_coco, write_coco
from data.formats.cvat import read_cvat, write_cvat_images, write_cvat_video
from data.formats.mot import MotTable, read_mot, write_mot
from data.formats.track_sets import CameraTracks, from_table
from data.listing import listed
from data.records import Detections, FloatArray, Poses
from data.skeletons import convert

_NUMBER = re.compile(r"(\d+)\D*$")
_KEYS: tuple[Key, Key, Key] = ("camera", "id", "frame")
_POSETRACK = "posetrack17"


@dataclass(frozen=True, slots=True)
class TrackFormat:
    """How tracks of all cameras are read from and written to a path.

    Attributes:
        read: the path -> tracks per camera, in the order of the files.
        write: the path and the tracks.
        one_file: the path is a file, not a folder.
    """

    read: Callable[[Path], list[CameraTracks]]
    write: Callable[[Path, Sequence[CameraTracks]], None]
    one_file: bool = False


def _per_camera(
    ending: str, read: Callable[[Path], CameraTracks], write: Callable[[Path, CameraTracks], None]
) -> TrackFormat:
    """A format of one file per camera."""

    def read_folder(folder: Path) -> list[CameraTracks]:
        paths = listed(folder, f"*{ending}")
        if not paths:
            raise UserError(f"{folder} holds no <camera>{ending}")
        return [read(path) for path in paths]

    def write_folder(folder: Path, cameras: Sequence[CameraTracks]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for one in cameras:
            write(folder / f"{one.name}{ending}", one)

    return TrackFormat(read_folder, write_folder)


def _rows_format(what: str, base: int, fewest: int, whole: bool) -> TrackFormat:
    """A format of one text file for all cameras."""

    def read(path: Path) -> list[CameraTracks]:
        rows = read_camera_rows(path, what, base, _KEYS, fewest)
        numbers = np.unique(rows.cameras).tolist()
        tables = {number: rows.of_camera(number).table() for number in numbers}
        for number, table in tables.items():
            again = np.flatnonzero((np.diff(table.frames) == 0) & (np.diff(table.ids) == 0))
            if len(again):
                whose, frame = table.ids[again[0]], table.frames[again[0]] + base
                raise UserError(
                    f"{path}: id {whose} is given twice in frame {frame} of camera {number} ({len(again)} such rows)"
                )
        return [from_table(f"camera{number}", table) for number, table in tables.items()]

    def write(path: Path, cameras: Sequence[CameraTracks]) -> None:
        numbers = [camera_number(one.name) for one in cameras]
        twice = [number for number in numbers if numbers.count(number) > 1]
        if twice:
            raise UserError(f"two cameras have the number {twice[0]}; rename one, {what} knows cameras by number")
        parts = [
            CameraRows.make(np.full(len(one.table), n), one.table) for n, one in zip(numbers, cameras, strict=True)
        ]
        write_camera_rows(path, CameraRows.join(parts), base, _KEYS, True, whole)

    return TrackFormat(read, write, one_file=True)


def camera_number(name: str) -> int:
    """The last number in a camera's name.

    Raises:
        UserError: there is none.
    """
    match = _NUMBER.search(name)
    if match is None:
        raise UserError(f"camera '{name}' has no number in its name; rename it (cam1, camera_0002, ...)")
    return int(match[1])


def _read_mot(path: Path) -> CameraTracks:
    return from_table(path.stem, read_mot(path, "tracks"))


def _write_mot(path: Path, tracks: CameraTracks) -> None:
    write_mot(path, tracks.table)


def _read_coco(path: Path) -> CameraTracks:
    images = read_coco(path)
    counts = [len(image.detections) for image in images]
    ids = np.concatenate([image.track_ids for image in images]) if images else np.zeros(0, np.int64)
    if (ids < 0).any():
        raise UserError(f"{path}: {int((ids < 0).sum())} people have no track_id; these are detections, not tracks")
    frames = np.repeat(np.arange(len(images)), counts)
    boxes = np.concatenate([image.detections.boxes for image in images]) if images else np.zeros((0, 4))
    scores = np.concatenate([image.detections.scores for image in images]) if images else np.zeros(0, np.float32)
    table = MotTable.make(frames, ids, boxes, scores)
    poses = [image.poses for image in images if image.poses is not None]
    points = np.concatenate([one.keypoints for one in poses])[table.rows] if poses else None
    size = images[0].size if images else (0, 0)
    return CameraTracks(path.stem, len(images), size, table, points, poses[0].skeleton if poses else "coco17")


def _write_coco(path: Path, tracks: CameraTracks) -> None:
    table, offsets = tracks.table, tracks.table.frame_offsets(tracks.length)
    images = []
    for frame in range(tracks.length):
        rows = np.arange(offsets[frame], offsets[frame + 1])
        points = None if tracks.keypoints is None else tracks.keypoints[rows]
        poses = None if points is None else Poses(points, Poses.empty().spare_keypoints, tracks.skeleton)
        people = Detections.of_people(table.boxes[rows], table.scores[rows])
        images.append(CocoImage(frame + 1, f"{frame + 1:06d}.jpg", tracks.size, people, poses, table.ids[rows]))
    write_coco(path, images)


def _read_posetrack(path: Path) -> CameraTracks:
    content = read_json(path)
    try:
        images = sorted(content["images"], key=lambda image: str(image["file_name"]))
        frame_of = {int(image["id"]): frame for frame, image in enumerate(images)}
        rows, points = [], []
        for one in content["annotations"]:
            left, top, width, height = map(float, one["bbox"])
            frame = frame_of[int(one["image_id"])]
            rows.append([frame, int(one["person_id"]), left, top, left + width, top + height])
            person = np.array(one["keypoints"], np.float32).reshape(17, 3)
            person[:, 2] = one.get("scores", person[:, 2])
            points.append(person)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise UserError(f"{path} is no submission of PoseTrack21: {error!r}") from None
    values = np.array(rows, np.float64).reshape(-1, 6)
    table = MotTable.make(values[:, 0].astype(np.int64), values[:, 1].astype(np.int64), values[:, 2:])
    stacked: FloatArray = np.array(points, np.float32).reshape(-1, 17, 3)[table.rows]
    return CameraTracks(path.stem, len(images), (0, 0), table, stacked, _POSETRACK)


def _write_posetrack(path: Path, tracks: CameraTracks) -> None:
    """Keypoints of COCO become PoseTrack21's: the head's bottom and top, which COCO lacks, have the score 0."""
    base = 10**10 + (camera_number(tracks.name.split("_")[0]) if re.match(r"\d+_", tracks.name) else 0) * 10**4
    empty = np.zeros((len(tracks.table), 17, 3), np.float32)
    points = empty if tracks.keypoints is None else convert(tracks.keypoints, tracks.skeleton, _POSETRACK)
    images = [
        {"file_name": f"images/val/{tracks.name}/{frame:06d}.jpg", "id": base + frame, "frame_id": base + frame}
        for frame in range(tracks.length)
    ]
    people: list[dict[str, Any]] = []
    for row, (frame, whose) in enumerate(zip(tracks.table.frames.tolist(), tracks.table.ids.tolist(), strict=True)):
        left, top, right, bottom = tracks.table.boxes[row].tolist()
        person = points[row].astype(np.float64).round(3)
        seen = np.column_stack([person[:, :2], person[:, 2] > 0])
        people.append(
            {
                "image_id": base + frame, "person_id": whose, "track_id": whose,
                "bbox": [round(value, 3) for value in (left, top, right - left, bottom - top)],
                "keypoints": seen.ravel().tolist(), "scores": person[:, 2].tolist(),
            }
        )  # fmt: skip
    with open_atomic(path) as stream:
        json.dump({"images": images, "annotations": people}, stream, allow_nan=False)
        stream.write("\n")


FORMATS = {
    "mot": _per_camera(".txt", _read_mot, _write_mot),
    "aicity": _rows_format("AI City", 0, 7, whole=True),
    "duke": _rows_format("DukeMTMC", 1, 7, whole=False),
    "posetrack": _per_camera(".json", _read_posetrack, _write_posetrack),
    "coco": _per_camera(".json", _read_coco, _write_coco),
    "cvat_video": _per_camera(".xml", read_cvat, write_cvat_video),
    "cvat_images": _per_camera(".xml", read_cvat, write_cvat_images),
}
