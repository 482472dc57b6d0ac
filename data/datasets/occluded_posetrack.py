"""Occluded-PoseTrack-ReID (Somers et al., "Keypoint Promptable Re-Identification", ECCV 2024), cut from PoseTrack21.

``occluded_posetrack_reid`` lies in PoseTrack21's folder; ``python -m tools.make_occluded_posetrack`` makes it. Beside
the crops, ``images/anns/<split>_reid_crops_anns.json`` tells which person a crop is of, and who else is in it.
Identities are PoseTrack21's person ids, cameras its videos. Each person's most occluded crops are the queries.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.datasets.posetrack21 import (
    ANNOTATIONS,
    FOLDERS,
    PoseTrackSplit,
    path_inside,
    read_json_object,
    read_posetrack21,
)
from data.datasets.reid_crops import CropSplits, ReidCrop, Use
from data.datasets.reid_folders import data_root
from data.errors import UserError
from data.formats.reid_keypoints import CropSkeletons, occlusion_level
from data.records import DoubleArray, FloatArray, IntArray

REID_FOLDER = "occluded_posetrack_reid"
TRAIN, TEST = "train", "val"
# The column of a crop's box is ours: without it, the box is the annotation's.
PATH, WIDTH, HEIGHT, NEGATIVES, BOX = (
    "reid_crop_path", "reid_crop_width", "reid_crop_height", "negative_kps", "reid_crop_ltwh",
)  # fmt: skip

# One in five crops of a person is a query.
_CROPS_PER_QUERY = 5


def crops_file(root: Path, split: str) -> Path:
    """What tells about the crops of a split."""
    return root / REID_FOLDER / "images" / "anns" / f"{split}_reid_crops_anns.json"


def list_occluded_posetrack(root: Path, use: Use = "all") -> CropSplits:
    """List the crops with their skeletons, and their parsing labels where there are any.

    Args:
        root: PoseTrack21's folder, or the folder above it.
        use: which splits to list; others need not be there.

    Raises:
        UserError: when PoseTrack21's annotations or the made crops are absent, or do not fit each other.
    """
    place = data_root(root, "PoseTrack21", FOLDERS, (ANNOTATIONS,))
    train: list[ReidCrop] = []
    test: list[ReidCrop] = []
    if use != "test":
        train = _crops(place, TRAIN)
    if use != "train":
        test = _crops(place, TEST)
    queries = choose_queries(
        np.array([crop.identity for crop in test], np.int64), np.array([crop.occlusion for crop in test], np.float64)
    )
    split = {chosen: [crop for crop, query in zip(test, queries) if query == chosen] for chosen in (True, False)}
    train, query, gallery = (
        sorted(crops, key=lambda crop: crop.path.as_posix()) for crops in (train, split[True], split[False])
    )
    return CropSplits(place, tuple(train), tuple(query), tuple(gallery))


def choose_queries(people: IntArray, occlusion: DoubleArray) -> NDArray[np.bool_]:
    """Make the most occluded fifth of each person's crops queries, rounded down.

    Args:
        people: (N,) identity of each crop.
        occlusion: (N,) see ``occlusion_level``; of equal ones, the crop that comes first is chosen first.

    Returns:
        (N,) whether a crop is a query; the others are the gallery.
    """
    order = np.lexsort((-occlusion, people))
    _, first, counts = np.unique(people[order], return_index=True, return_counts=True)
    place = np.arange(len(people)) - np.repeat(first, counts)
    chosen = np.zeros(len(people), bool)
    chosen[order] = place < np.repeat(counts // _CROPS_PER_QUERY, counts)
    return chosen


def into_box(skeletons: FloatArray, box: Sequence[float]) -> FloatArray:
    """Move skeletons into a box; points outside, or that are not labelled, become zero.

    Args:
        skeletons: (..., 17, 3) px of the frame.
        box: left, top, width, height, px of the frame.

    Returns:
        (..., 17, 3) float32 px from the box's corner.
    """
    left, top, width, height = box
    moved = skeletons - np.array([left, top, 0], np.float64)
    inside = ((moved[..., :2] >= 0) & (moved[..., :2] < (width, height))).all(axis=-1) & (moved[..., 2] > 0)
    return np.where(inside[..., None], moved, 0).astype(np.float32)


def read_columns(path: Path) -> dict[int, dict[str, Any]]:
    """Read a table that pandas wrote column by column: ``{"id": {row: id}, column: {row: value}}``.

    Returns:
        By id, in the order of the file: the values of the other columns.

    Raises:
        UserError: when the file is absent or no such table.
    """
    content = read_json_object(path)
    try:
        ids = {row: int(value) for row, value in content["id"].items()}
        columns = {name: dict(values) for name, values in content.items() if name != "id"}
    except (KeyError, AttributeError, TypeError, ValueError):
        raise UserError(f"{path}: expected a table by columns, one of which is 'id'") from None
    if len(set(ids.values())) != len(ids):
        raise UserError(f"{path}: an id is there twice")
    return {number: {name: column.get(row) for name, column in columns.items()} for row, number in ids.items()}


def _crops(root: Path, split: str) -> list[ReidCrop]:
    """The crops of a split, by annotation id."""
    path = crops_file(root, split)
    if not path.is_file():
        raise UserError(
            f"{path} is missing: Occluded-PoseTrack-ReID is still to be made of PoseTrack21; run "
            f"python -m tools.make_occluded_posetrack {root}"
        )
    told = {number: columns for number, columns in read_columns(path).items() if columns.get(PATH) is not None}
    people = read_posetrack21(root, split)
    rows = rows_of(people, np.array(sorted(told), np.int64), path)
    labels = _labels(root, split)
    cameras = {video: number for number, video in enumerate(sorted({image.video for image in people.images}))}
    crops = []
    for row in rows.tolist():
        number, image = int(people.ids[row]), people.images[people.rows[row]]
        crops.append(
            ReidCrop(
                path_inside(root / REID_FOLDER / "images" / split, told[number][PATH], path),
                int(people.people[row]),
                cameras[image.video],
                split,
                labels=labels.get(number),
                **_skeletons(path, told[number], people, row),
            )
        )
    return crops


def rows_of(people: PoseTrackSplit, ids: IntArray, source: Path) -> IntArray:
    """Find annotations.

    Args:
        people: where.
        ids: (M,) of the annotations.
        source: the file that names them, for the error message.

    Raises:
        UserError: when some are not there.
    """
    lost = ids[~np.isin(ids, people.ids)]
    if len(lost):
        raise UserError(
            f"{source}: {len(lost)} of {len(ids)} annotations are not in {ANNOTATIONS}, first {lost[0]}; is this the "
            "same release of PoseTrack21?"
        )
    return np.searchsorted(people.ids, ids).astype(np.int64)


def _skeletons(path: Path, told: Mapping[str, Any], people: PoseTrackSplit, row: int) -> dict[str, Any]:
    """Skeletons in px of the crop, and the level of occlusion."""
    try:
        box = np.array(people.boxes[row] if told.get(BOX) is None else told[BOX], np.float64).reshape(4)
        negatives = np.array(told[NEGATIVES] or [], np.float64).reshape(-1, 17, 3)
        scale = np.array([float(told[WIDTH]) / box[2], float(told[HEIGHT]) / box[3], 1], np.float64)
        if not np.isfinite(scale).all():
            raise ValueError
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{path}: the crop of annotation {people.ids[row]} lacks its size or its negatives") from None
    own = into_box(people.keypoints[row], box.tolist())
    return {
        "keypoints": CropSkeletons((own * scale).astype(np.float32), (negatives * scale).astype(np.float32)),
        "occlusion": occlusion_level(float(people.keypoints[row, :, 2].sum()), float(negatives[..., 2].sum())),
    }


def _labels(root: Path, split: str) -> dict[int, Path]:
    """Parsing labels by annotation id; empty where none were made."""
    path = root / REID_FOLDER / "masks" / "anns" / f"{split}_reid_masks_anns.json"
    if not path.is_file():
        return {}
    folder = root / REID_FOLDER / "masks" / split
    found = {number: columns.get("masks_path") for number, columns in read_columns(path).items()}
    return {number: path_inside(folder, name, path) for number, name in found.items() if name is not None}
