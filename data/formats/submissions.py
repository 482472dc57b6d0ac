"""The formats tracks are handed in by, each read and written.

| name | on disk | frames from | ids | also kept |
|---|---|---|---|---|
| mot | folder of ``<camera>.txt``, MOTChallenge tracks | 1 | per file | score |
| aicity | one text file, rows of camera, id, frame, box, place (AI City 2024 on) | 0 | over cameras | whole px, place |
| duke | one text file, rows of camera, id, frame, box, place (DukeMTMC) | 1 | over cameras | place |
| posetrack | folder of ``<video>.json``, PoseTrack21 submissions | pictures | person_id | keypoints, pictures |
| coco | folder of ``<camera>.json``, or of several videos | as numbered | track_id | score, keypoints, pictures |
| cvat_video, cvat_images | folder of ``<camera>.xml``, CVAT 1.1 | 0 | per file | size |

Cameras of aicity and duke are numbers: the last number in a camera's name, and ``camera<number>`` on the way back.
"""

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from data.errors import UserError
from data.formats.camera_rows import CameraRows, Key, read_camera_rows, write_camera_rows
from data.formats.camera_texts import camera_texts
from data.formats.coco import CocoImage, write_coco
from data.formats.coco_videos import CocoVideo, read_coco_videos
from data.formats.cvat import read_cvat, write_cvat_images, write_cvat_video
from data.formats.mot import MotTable, read_mot, write_mot
from data.formats.posetrack import read_posetrack, write_posetrack
from data.formats.track_sets import CameraTracks, PictureName, every_frame, from_table
from data.listing import by_stem, listed
from data.records import Detections, DoubleArray, Poses

logger = logging.getLogger(__name__)

_NUMBER = re.compile(r"(\d+)\D*$")
_KEYS: tuple[Key, Key, Key] = ("camera", "id", "frame")


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
    ending: str, read: Callable[[Path], Sequence[CameraTracks]], write: Callable[[Path, CameraTracks], None]
) -> TrackFormat:
    """A format of one file per camera; ``read`` gives the cameras of a file, which may be more."""

    def read_folder(folder: Path) -> list[CameraTracks]:
        paths = camera_texts(folder) if ending == ".txt" else by_stem(listed(folder, f"*{ending}"))
        if not paths:
            raise UserError(f"{folder} holds no <camera>{ending}")
        found: dict[str, tuple[Path, CameraTracks]] = {}
        for path in paths.values():
            for one in read(path):
                if one.name in found:
                    raise UserError(f"{found[one.name][0]} and {path} both hold camera '{one.name}'; remove one")
                found[one.name] = (path, _sound(path, one))
        return [one for _, one in found.values()]

    def write_folder(folder: Path, cameras: Sequence[CameraTracks]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for one in cameras:
            write(folder / f"{one.name}{ending}", one)

    return TrackFormat(read_folder, write_folder)


def _alone(read: Callable[[Path], CameraTracks]) -> Callable[[Path], list[CameraTracks]]:
    """A reader of files that hold one camera each."""
    return lambda path: [read(path)]


def _rows_format(what: str, base: int, fewest: int, whole: bool) -> TrackFormat:
    """A format of one text file for all cameras."""

    def read(path: Path) -> list[CameraTracks]:
        rows = read_camera_rows(path, what, base, _KEYS, fewest)
        numbers = np.unique(rows.cameras).tolist()
        if base == 0 and len(rows) and not (rows.frames == 0).any():
            logger.warning("%s: nobody is in frame 0; %s counts from 0: does this file count from 1?", path, what)
        tables = {number: rows.of_camera(number).table() for number in numbers}
        return [
            _sound(path, replace(from_table(f"camera{number}", table), places=_places(rows, number, table)))
            for number, table in tables.items()
        ]

    def write(path: Path, cameras: Sequence[CameraTracks]) -> None:
        numbers = [camera_number(one.name) for one in cameras]
        twice = [number for number in numbers if numbers.count(number) > 1]
        if twice:
            raise UserError(f"two cameras have the number {twice[0]}; rename one, {what} knows cameras by number")
        parts = [
            CameraRows.make(np.full(len(one.table), number), one.table, one.places)
            for number, one in zip(numbers, cameras, strict=True)
        ]
        write_camera_rows(path, CameraRows.join(parts), base, _KEYS, True, whole)

    return TrackFormat(read, write, one_file=True)


def _sound(path: Path, tracks: CameraTracks) -> CameraTracks:
    """Tracks without the boxes that have no area, which are counted.

    Raises:
        UserError: an id is twice in a frame.
    """
    table = tracks.table
    again = np.flatnonzero((np.diff(table.frames) == 0) & (np.diff(table.ids) == 0))
    if len(again):
        where = f"frame {table.frames[again[0]]} (from 0) of {tracks.name}"
        raise UserError(f"{path}: id {table.ids[again[0]]} is twice in {where} ({len(again)} such rows); mend the ids")
    flat = np.asarray((table.boxes[:, 2:] <= table.boxes[:, :2]).any(axis=1), bool)
    if not flat.any():
        return tracks
    logger.warning("%s: %d boxes of %s without area were left out", path, int(flat.sum()), tracks.name)
    return replace(
        tracks,
        table=table.select(~flat),
        keypoints=None if tracks.keypoints is None else tracks.keypoints[~flat],
        places=None if tracks.places is None else tracks.places[~flat],
    )


def _places(rows: CameraRows, camera: int, table: MotTable) -> DoubleArray | None:
    """Row for row with the table, NaN where the file has -1 -1; None where it has no place at all."""
    xy = rows.of_camera(camera).xy[table.rows]
    known = np.isfinite(xy).all(axis=1) & (xy != -1).any(axis=1)
    return np.where(known[:, None], xy, np.nan) if known.any() else None


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


def _read_coco(path: Path) -> list[CameraTracks]:
    """The cameras of a file: one by the file's name, several by those of their videos."""
    return [_coco_video(path, video) for video in read_coco_videos(path)]


def _coco_video(path: Path, video: CocoVideo) -> CameraTracks:
    for line in video.warnings:
        logger.warning("%s", line)
    images = video.images
    counts = [len(image.detections) for image in images]
    ids = np.concatenate([np.zeros(0, np.int64), *(image.track_ids for image in images)])
    if (ids < 0).any():
        raise UserError(f"{path}: {int((ids < 0).sum())} people have no track_id; these are detections, not tracks")
    boxes = np.concatenate([np.zeros((0, 4), np.float32), *(image.detections.boxes for image in images)])
    scores = np.concatenate([np.zeros(0, np.float32), *(image.detections.scores for image in images)])
    table = MotTable.make(np.repeat(video.frames, counts), ids, boxes, scores)
    poses = [image.poses for image in images if image.poses is not None]
    points = np.concatenate([one.keypoints for one in poses])[table.rows] if poses else None
    size = images[0].size if images else (0, 0)
    whole = len(images) == video.length
    names = tuple(PictureName(image.image_id, image.file_name) for image in images) if whole else ()
    skeleton = poses[0].skeleton if poses else "coco17"
    return CameraTracks(video.name or path.stem, video.length, size, table, points, skeleton, names)


def _write_coco(path: Path, tracks: CameraTracks) -> None:
    frames = every_frame(tracks)
    table, offsets = tracks.table, tracks.table.frame_offsets(tracks.length)
    images = []
    for frame in frames:
        rows = np.arange(offsets[frame], offsets[frame + 1])
        points = None if tracks.keypoints is None else tracks.keypoints[rows]
        poses = None if points is None else Poses(points, Poses.empty().spare_keypoints, tracks.skeleton)
        people = Detections.of_people(table.boxes[rows], table.scores[rows])
        name = tracks.pictures[frame] if tracks.pictures else PictureName(frame + 1, f"{frame + 1:06d}.jpg")
        ids = table.ids[rows]
        images.append(CocoImage(name.number, name.file_name, tracks.size, people, poses, ids, frame=frame))
    write_coco(path, images)


FORMATS = {
    "mot": _per_camera(".txt", _alone(_read_mot), _write_mot),
    "aicity": _rows_format("AI City", 0, 7, whole=True),
    "duke": _rows_format("DukeMTMC", 1, 7, whole=False),
    "posetrack": _per_camera(".json", _alone(read_posetrack), write_posetrack),
    "coco": _per_camera(".json", _read_coco, _write_coco),
    "cvat_video": _per_camera(".xml", _alone(read_cvat), write_cvat_video),
    "cvat_images": _per_camera(".xml", _alone(read_cvat), write_cvat_images),
}
