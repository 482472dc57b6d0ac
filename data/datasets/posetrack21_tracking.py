"""PoseTrack21 as a tracking data set: its annotations of poses (JSON), or those of boxes (MOTChallenge text).

A video is a sequence named as its file of annotations; its pictures in the order of their names are its frames. Ids are
person ids, which hold over all videos. In ``posetrack_mot/mot/<split>/<video>/`` lie ``gt/gt.txt``, frames from 1,
``gt/gt_kpts.txt``, rows of frame, id and 17 times x, y, flag, and ``image_info.json``, a list of the frames.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.datasets.layout import check_length, choose_part, find_root
from data.datasets.posetrack21 import ANNOTATIONS, FOLDERS, NOBODY, PoseTrackImage, PoseTrackSplit, read_posetrack21
from data.datasets.tracking import Problem, TrackingDataset, TruthSequence, first_of_each, sound_rows
from data.errors import UserError
from data.foreign import read_json
from data.formats.mot import MotTable, read_mot
from data.formats.number_rows import read_number_rows
from data.listing import listed
from data.records import DoubleArray, FloatArray, IntArray

BoolArray = NDArray[np.bool_]

_SPLITS = ("train", "val")
_SKELETON = "posetrack17"
_KEYPOINTS = 17
_MOT = "posetrack_mot/mot"


@dataclass(frozen=True, slots=True, eq=False)
class PoseVideo:
    """One annotated video, with what only poses are scored by.

    Attributes:
        sequence: its frames, its N people and their skeletons; ids are person ids.
        images: of its frames, in their order.
        posed: (L,) bool, frames whose keypoints were annotated.
        tracks: (N,) int64 track ids, row for row with the people: who comes back may have a new one.
        heads: (N, 4) float64 boxes of their heads: left, top, width, height px; zero where there is none.
    """

    sequence: TruthSequence
    images: tuple[PoseTrackImage, ...]
    posed: BoolArray
    tracks: IntArray
    heads: DoubleArray


@dataclass(frozen=True, slots=True, eq=False)
class PoseVideos:
    """The videos of a split.

    Attributes:
        split: as chosen.
        videos: sorted by name, which is that of the file of annotations.
        problems: what was carried past.
    """

    split: str
    videos: tuple[PoseVideo, ...]
    problems: tuple[Problem, ...]


def read_pose_videos(root: Path, split: str) -> PoseVideos:
    """Read ``posetrack_data/<split>/*.json``.

    Args:
        root: the data set's folder, or the folder above it.
        split: "train" or "val" ("").

    Raises:
        UserError: the folder is not there, or a file is broken.
    """
    part = choose_part(split, "val", _SPLITS, "PoseTrack21")
    place = find_root(root, "PoseTrack21", (f"{ANNOTATIONS}/{part}/*.json",), FOLDERS)
    found = read_posetrack21(place, part)
    names = np.array([image.annotation for image in found.images])
    problems: list[Problem] = []
    strangers = int((found.people == NOBODY).sum())
    if strangers:
        problems.append(Problem("row without an identity", str(place / ANNOTATIONS / part), strangers))
    videos = []
    for name in sorted(set(names.tolist())):
        video, own = _video(found, name, np.flatnonzero(names == name))
        videos.append(video)
        problems += own
    return PoseVideos(part, tuple(videos), tuple(problems))


def read_posetrack21_poses(root: Path, split: str) -> TrackingDataset:
    """The videos of ``read_pose_videos`` as a data set; frames without labels are not annotated.

    Args:
        root: the data set's folder, or the folder above it.
        split: "train" or "val" ("").

    Raises:
        UserError: the folder is not there, or a file is broken.
    """
    found = read_pose_videos(root, split)
    return TrackingDataset(
        name="posetrack21", root=root, split=found.split, sequences=tuple(one.sequence for one in found.videos),
        one_site=False, shared_ids=True, frame_base=0, skeleton=_SKELETON, problems=found.problems,
    )  # fmt: skip


def _video(found: PoseTrackSplit, name: str, images: IntArray) -> tuple[PoseVideo, list[Problem]]:
    order = np.array(sorted(images.tolist(), key=lambda row: found.images[row].file.name), np.int64)
    frame_of = np.full(len(found.images), -1, np.int64)
    frame_of[order] = np.arange(len(order))
    rows = np.flatnonzero((frame_of[found.rows] >= 0) & (found.people != NOBODY))
    corners = found.boxes[rows].copy()
    corners[:, 2:] += corners[:, :2]
    table = MotTable.make(frame_of[found.rows[rows]], found.people[rows], corners)
    rows = rows[table.rows]
    shown = tuple(found.images[row] for row in order)
    labelled = np.array([image.labelled for image in shown], bool)
    labelled[table.frames] = True
    table, kept, problems = _sound(name, table)
    rows = rows[kept]
    posed = np.array([image.posed for image in shown], bool)
    points, heads = found.keypoints[rows], found.heads[rows]
    has_joint, has_head = (points[..., :2] > 0).all(axis=2).max(axis=1, initial=False), heads[:, 2:].max(axis=1) > 0
    headless = posed[table.frames] & has_joint & ~has_head
    if headless.any():
        problems.append(Problem("skeleton without a head box", name, int(headless.sum()), "nobody can find its joints"))
    folder = shown[0].file.parent
    sequence = TruthSequence(
        name=name, length=len(order), truth=table, annotated=None if labelled.all() else np.flatnonzero(labelled),
        keypoints=np.ascontiguousarray(points), pictures=folder if folder.is_dir() else None,
    )  # fmt: skip
    return PoseVideo(sequence, shown, posed, found.tracks[rows], heads), problems


def _sound(name: str, table: MotTable) -> tuple[MotTable, IntArray, list[Problem]]:
    """Rows that can be scored, and which of the table's they are: the rows left out are found by counting them."""
    numbered = MotTable.make(table.frames, table.ids, table.boxes)
    kept, twice = first_of_each(name, numbered)
    kept, flat = sound_rows(name, kept)
    return table.select(kept.rows), kept.rows, twice + flat


def read_posetrack21_boxes(root: Path, split: str) -> TrackingDataset:
    """Read ``posetrack_mot/mot/<split>``.

    Args:
        root: the data set's folder, or the folder above it.
        split: "train" or "val" ("").

    Raises:
        UserError: the folder is not there, or a file is broken.
    """
    part = choose_part(split, "val", _SPLITS, "PoseTrack21")
    place = find_root(root, "PoseTrack21", (f"{_MOT}/{part}/*/gt/gt.txt",), FOLDERS)
    problems: list[Problem] = []
    sequences = []
    for path in listed(place / _MOT / part, "*/gt/gt.txt"):
        sequence, found = _box_video(place, path)
        sequences.append(sequence)
        problems += found
    return TrackingDataset(
        name="posetrack21_mot", root=root, split=part, sequences=tuple(sequences), one_site=False, shared_ids=True,
        frame_base=1, rule="mot15", skeleton=_SKELETON, problems=tuple(problems),
    )  # fmt: skip


def _box_video(place: Path, path: Path) -> tuple[TruthSequence, list[Problem]]:
    folder = path.parents[1]
    table = read_mot(path, "gt")
    last = int(table.frames[-1]) if len(table) else -1
    problems: list[Problem] = []
    info = folder / "image_info.json"
    if info.is_file():
        length = _length(info)
        check_length(path, last, length, 1)
    else:
        length = last + 1
        problems.append(Problem("missing file", str(info), 1, "the last row ends the video"))
    points, missing = _keypoints(path.with_name("gt_kpts.txt"), table)
    table, kept, found = _sound(folder.name, table)
    pictures = place / "images" / folder.parent.name / folder.name
    return (
        TruthSequence(
            name=folder.name, length=length, truth=table, keypoints=np.ascontiguousarray(points[kept]),
            pictures=pictures if pictures.is_dir() else None,
        ),
        problems + missing + found,
    )  # fmt: skip


def _length(path: Path) -> int:
    content = read_json(path)
    try:
        return max(int(frame["frame_index"]) for frame in content)
    except (KeyError, TypeError, ValueError, OverflowError):
        raise UserError(f"{path}: expected a list of frames with a frame_index each") from None


def _keypoints(path: Path, table: MotTable) -> tuple[FloatArray, list[Problem]]:
    """(N, 17, 3) row for row with the table; zero where there are none."""
    points = np.zeros((len(table), _KEYPOINTS, 3), np.float32)
    if not path.is_file():
        return points, [Problem("missing file", str(path), 1, "no keypoints of this video")]
    values = read_number_rows(path, "file of PoseTrack21 keypoints", "frame,id,x1,y1,flag1,...,x17,y17,flag17")
    if not len(values):
        return points, []
    if values.shape[1] != 2 + 3 * _KEYPOINTS or not np.isfinite(values).all():
        raise UserError(f"{path}: {values.shape[1]} columns, expected frame, id and 17 times x, y, flag")
    if values[:, 0].min() < 1:
        raise UserError(f"{path}: frame {values[:, 0].min():g} is below 1, from which this data set counts")
    place = {key: row for row, key in enumerate(zip(table.frames.tolist(), table.ids.tolist(), strict=True))}
    rows = np.array([place.get((int(frame) - 1, int(one)), -1) for frame, one in values[:, :2]], np.int64)
    known = rows >= 0
    points[rows[known]] = values[known, 2:].reshape(-1, _KEYPOINTS, 3)
    lost = int((~known).sum())
    return points, [Problem("row without a box", str(path), lost)] if lost else []
