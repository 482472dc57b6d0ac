"""Detections from files: where a run can start without video."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.errors import UserError
from data.foreign import open_arrays
from data.formats.camera_texts import camera_texts
from data.formats.coco_videos import CocoVideo, read_coco_videos
from data.formats.duke_detections import read_duke_detections
from data.formats.features_in import (
    FileFeatures,
    check_one_size,
    make_features,
    read_features,
    sound_boxes,
    told_late,
    usable_scores,
)
from data.formats.mot import check_pixels, read_mot
from data.formats.number_rows import LARGEST_WHOLE
from data.kernels.sampled_frames import common_step, stepped
from data.listing import by_stem, contents, listed
from data.names import is_camera_name
from data.records import FloatArray, IntArray, PartEmbeddings
from data.skeletons import COCO17, convert

# Of fewer frames it may be chance that they are evenly apart.
_FEWEST_FRAMES = 8
_NEEDED = ("frame", "box_xyxy", "score")


@dataclass(frozen=True, slots=True)
class CameraDetections:
    """All detections of one camera, sorted by frame; rows of one frame keep the order of the file.

    Attributes:
        camera: name of the camera.
        path: the file.
        frames: (N,) int64, from 0.
        boxes: (N, 4) float32 xyxy px, not clipped to the frame.
        scores: (N,) float32, 0-1.
        class_ids: (N,) int64; 0 = person.
        features: appearance of each row, or None.
        keypoints: (N, 17, 3) float32 x px, y px, confidence, or None.
        frame_count: frames of the camera, those without detections included.
        looked: rising frames that somebody looked at for people; None: all.
        warnings: what was left out or changed, one line each.
    """

    camera: str
    path: Path
    frames: IntArray
    boxes: FloatArray
    scores: FloatArray
    class_ids: IntArray
    features: FileFeatures | None
    keypoints: FloatArray | None
    frame_count: int
    looked: IntArray | range | None
    warnings: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.frames)

    def looks_at(self, frame: int) -> bool:
        """Whether a frame was looked at; of others it is not known who is in them. Nobody is after the last."""
        if self.looked is None or frame >= self.frame_count:
            return True
        if isinstance(self.looked, range):
            return frame in self.looked
        place = int(np.searchsorted(self.looked, frame))
        return place < len(self.looked) and int(self.looked[place]) == frame

    def looks_within(self, frames: range) -> int:
        """How many frames of a stretch were looked at."""
        if self.looked is None:
            return len(frames)
        if isinstance(self.looked, range):
            first, step = self.looked.start, self.looked.step
            return max(0, -((first - frames.stop) // step)) - max(0, -((first - frames.start) // step))
        return int(np.diff(np.searchsorted(self.looked, (frames.start, frames.stop)))[0])

    def rows(self, frame: int) -> slice:
        """The rows of a frame."""
        start, stop = np.searchsorted(self.frames, (frame, frame + 1))
        return slice(int(start), int(stop))

    def embeddings(self, rows: slice) -> PartEmbeddings:
        """Appearance of some rows, one holistic part; ``features`` must be there."""
        if self.features is None:
            raise ValueError(f"camera '{self.camera}' has no features")
        return self.features.embeddings(rows)


def read_detection_folder(folder: Path, features: Path | None = None) -> dict[str, CameraDetections]:
    """Read the detections of all cameras of a folder.

    Per camera either ``<camera>.txt``, MOTChallenge detections, with features row for row in ``<camera>.npy`` (in
    ``features``, beside it, or in the sibling folder ``feat``); or ``<camera>.npz`` with ``frame`` (from 1),
    ``box_xyxy``, ``score`` and, where there are any, ``feature``, ``keypoints`` (N, 17, 3) and ``num_frames``; or
    ``<camera>.json``, a COCO file with one image per frame (``data.formats.coco_videos`` says which frame an image is);
    one that holds several videos stands for the cameras they are named after; or ``<camera>.mat``, DukeMTMC's. Only the
    first kind that is there is read: .npz, .txt, .json, .mat.

    Boxes without area are dropped and counted. Scores of -1 become 1, others are cut to 0-1.

    Args:
        folder: holds the files.
        features: folder of feature files, or None to look beside the detections.

    Raises:
        UserError: when there is nothing to read, a file is broken (NaN or infinite numbers, inverted boxes, frames
            below 1, columns of different length), or features do not go with the boxes.
    """
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}; give the folder that holds <camera>.txt, .npz, .json or .mat")
    archives, texts = by_stem(listed(folder, "*.npz")), camera_texts(folder)
    if archives:
        found = {camera: _from_archive(path) for camera, path in archives.items()}
    elif texts:
        # Before .json: text files often have something else of that kind beside them.
        found = {camera: _from_text(path, features) for camera, path in texts.items()}
    else:
        found = _join([_from_coco(path) for path in by_stem(listed(folder, "*.json")).values()])
    if not found:
        found = {camera: _from_duke(path) for camera, path in by_stem(listed(folder, "*.mat")).items()}
    if not found:
        raise UserError(
            f"{folder} holds no <camera>.txt, .npz, .json or .mat (there: {contents(folder)}); "
            "give a folder of detections"
        )
    for camera in found:
        if not is_camera_name(camera):
            raise UserError(f"{folder}: '{camera}' cannot name a camera; rename the file (letters, digits, _ - .)")
    check_one_size({camera: one.features for camera, one in found.items()})
    return found


def told_videos(found: Mapping[str, CameraDetections]) -> str:
    """For errors about names of cameras: which files hold several videos, after which cameras are named; or ""."""
    names: dict[Path, list[str]] = {}
    for camera, one in found.items():
        names.setdefault(one.path, []).append(camera)
    return "".join(f"; {path} holds the videos {', '.join(own)}" for path, own in names.items() if len(own) > 1)


def _from_text(path: Path, features: Path | None) -> CameraDetections:
    table = read_mot(path, "det")
    appearance = read_features(path, features, len(table))
    return _make(
        path,
        table.frames,
        table.boxes.astype(np.float32),
        table.scores,
        None if appearance is None else appearance.select(table.rows),
        None,
        int(table.frames[-1]) + 1 if len(table) else 0,
    )


def _from_coco(path: Path) -> list[CameraDetections]:
    """The cameras of a file: one by the file's name, several by those of their videos."""
    return [_from_coco_video(path, video) for video in read_coco_videos(path)]


def _from_coco_video(path: Path, video: CocoVideo) -> CameraDetections:
    images = video.images
    # Everything behind a detector takes skeletons for COCO's, prompts too: another layout is mapped here.
    posed = [convert(one.poses.keypoints, one.poses.skeleton, COCO17.name) for one in images if one.poses is not None]
    found = _make(
        path,
        np.repeat(video.frames, [len(image.detections) for image in images]),
        np.concatenate([np.zeros((0, 4), np.float32), *(image.detections.boxes for image in images)]),
        np.concatenate([np.zeros(0, np.float32), *(image.detections.scores for image in images)]),
        None,
        np.concatenate(posed) if posed else None,
        video.length,
        video.frames,
    )
    return replace(found, camera=video.name or path.stem, warnings=(*video.warnings, *found.warnings))


def _looked(frames: IntArray, frame_count: int, told: IntArray | None) -> tuple[IntArray | range | None, list[str]]:
    """The frames that were looked at, None for all; and what is to be said of the others.

    Args:
        frames: of the rows.
        frame_count: of the camera.
        told: what the file says; None where it does not: then those are taken for it that have people in every n-th.
    """
    if told is not None:
        if len(told) == frame_count:
            return None, []
        return told, [f"it has images of {len(told)} of {frame_count} frames: the others count as not looked at"]
    step = common_step([frames], _FEWEST_FRAMES)
    if step == 1:
        return None, []
    seldom = f"people are in one frame in {step} alone: the frames between count as not looked at"
    return stepped(frames, step, frame_count), [seldom]


def _from_duke(path: Path) -> CameraDetections:
    found = read_duke_detections(path)
    last = int(found.frames.max(initial=-1))
    return _make(path, found.frames, found.boxes, found.scores, None, found.keypoints, last + 1)


def _join(files: Sequence[Sequence[CameraDetections]]) -> dict[str, CameraDetections]:
    """Cameras of several files.

    Raises:
        UserError: when two files hold one camera.
    """
    found: dict[str, CameraDetections] = {}
    for one in (one for cameras in files for one in cameras):
        if one.camera in found:
            raise UserError(f"{found[one.camera].path} and {one.path} both hold camera '{one.camera}'; remove one")
        found[one.camera] = one
    return found


def _from_archive(path: Path) -> CameraDetections:
    columns = _load(path)
    missing = [name for name in _NEEDED if name not in columns]
    if missing:
        raise UserError(f"{path} has no '{missing[0]}'; an .npz of detections needs {', '.join(_NEEDED)}")
    count = len(columns["frame"]) if columns["frame"].ndim else -1
    shapes = {"frame": (count,), "box_xyxy": (count, 4), "score": (count,), "keypoints": (count, 17, 3)}
    for name, shape in shapes.items():
        if name in columns and (count < 0 or columns[name].shape != shape or columns[name].dtype.kind not in "fiu"):
            raise UserError(f"{path}: '{name}' has the shape {columns[name].shape}, expected {shape} numbers")
    frames, boxes, scores = (np.asarray(columns[name], np.float64) for name in _NEEDED)
    no_frame = ~np.isfinite(frames) | (frames != np.floor(frames)) | (frames < 1) | (frames > LARGEST_WHOLE)
    _reject(path, no_frame, "frame", "a number from 1 on")
    _reject(path, ~np.isfinite(boxes), "box_xyxy", "four finite numbers")
    _reject(path, boxes[:, 2:] < boxes[:, :2], "box_xyxy", "x1 <= x2 and y1 <= y2")
    check_pixels(str(path), boxes)
    _reject(path, ~np.isfinite(scores), "score", "a finite number")
    order = np.argsort(frames, kind="stable")
    last = int(frames.max(initial=0))
    appearance, keypoints = columns.get("feature"), columns.get("keypoints")
    return _make(
        path,
        frames[order].astype(np.int64) - 1,
        boxes[order].astype(np.float32),
        scores[order].astype(np.float32),
        None
        if appearance is None
        else make_features(appearance, path, count, f"file:{path.absolute().parent.name}").select(order),
        None if keypoints is None else np.nan_to_num(keypoints[order].astype(np.float32)),
        max(last, _stated_count(path, columns["num_frames"]) if "num_frames" in columns else 0),
    )


def _stated_count(path: Path, told: NDArray[Any]) -> int:
    """The number of frames that an archive states."""
    if told.size != 1 or told.dtype.kind not in "iuf" or not 0 <= float(told.ravel()[0]) <= LARGEST_WHOLE:
        raise UserError(f"{path}: 'num_frames' is {str(told)[:40]}, not the number of frames; mend or remove it")
    return int(told.ravel()[0])


def _load(path: Path) -> dict[str, NDArray[Any]]:
    with open_arrays(path) as archive:
        return archive.read([*_NEEDED, "feature", "keypoints", "num_frames"])


def _reject(path: Path, wrong: NDArray[np.bool_], column: str, expected: str) -> None:
    rows = np.flatnonzero(wrong.reshape(len(wrong), -1).any(axis=1))
    if len(rows):
        raise UserError(f"{path}: '{column}' of row {rows[0]} is not {expected} ({len(rows)} such rows); mend the file")


def _make(
    path: Path,
    frames: IntArray,
    boxes: FloatArray,
    scores: FloatArray,
    features: FileFeatures | None,
    keypoints: FloatArray | None,
    frame_count: int,
    told: IntArray | None = None,
) -> CameraDetections:
    """Drop what cannot be used and say so; rows are sorted by frame already. ``told``: see ``_looked``."""
    keep, dropped = sound_boxes(boxes)
    scores, cut = usable_scores(scores[keep])
    looked, others = _looked(frames, frame_count, told)
    zeroed = None if features is None or not features.broken else f"{features.broken} features hold NaN: not used"
    return CameraDetections(
        camera=path.stem,
        path=path,
        frames=frames[keep],
        boxes=np.ascontiguousarray(boxes[keep]),
        scores=scores,
        class_ids=np.zeros(len(keep), np.int64),
        features=None if features is None else features.select(keep),
        keypoints=None if keypoints is None else keypoints[keep],
        frame_count=frame_count,
        looked=looked,
        warnings=tuple(line for line in (*others, told_late(frames), dropped, cut, zeroed) if line is not None),
    )
