"""Keypoint files of re-identification data sets: whose skeleton a crop is about, and who else is in it.

Two formats. ``<crop>_keypoints.json`` (KPR's data sets): a list of skeleton objects, or one, with ``keypoints`` (17 x
[x, y, confidence], nested or flat, pixels of the crop) and ``is_target``. ``crops_<camera>.json`` (our synthetic
sites): one object for all crops of a camera.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data.atomic import write_text
from data.errors import UserError
from data.foreign import read_json
from data.records import FloatArray

TEXTURES = "textures"
"""Folder beside a synthetic site's ``crops_*.json`` with the textures of its people."""
_KEYPOINTS = 17
# A synthetic keypoint marked "labelled but hidden" lies behind something: no pose estimator would be sure of it.
_SYNTHETIC_CONFIDENCE = np.array([0.0, 0.2, 1.0], np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class CropSkeletons:
    """The skeletons of one crop, in its pixels.

    Attributes:
        target: (17, 3) float32 x px, y px, confidence; zero where the person has no skeleton.
        negatives: (M, 17, 3) float32 everybody else.
        outside: keypoints that lay outside the crop and were zeroed.
    """

    target: FloatArray
    negatives: FloatArray
    outside: int = 0

    @staticmethod
    def none() -> "CropSkeletons":
        """A crop without skeletons."""
        return CropSkeletons(np.zeros((_KEYPOINTS, 3), np.float32), np.zeros((0, _KEYPOINTS, 3), np.float32))

    def inside(self, size: tuple[int, int]) -> "CropSkeletons":
        """Zero the points of confidence 0 or outside a crop of this width and height, px."""
        target, lost = _inside(self.target, size)
        negatives, others_lost = _inside(self.negatives, size)
        return CropSkeletons(target, negatives, lost + others_lost)

    @property
    def occlusion(self) -> float:
        """How much other people are in the way; see ``occlusion_level``."""
        return occlusion_level(float(self.target[:, 2].sum()), float(self.negatives[..., 2].sum()))


def occlusion_level(own: float, others: float) -> float:
    """Keypoints of other people per keypoint of one's own (Occluded-PoseTrack-ReID; KPR, ECCV 2024).

    Args:
        own: sum of the confidences of the target's keypoints.
        others: sum of the confidences of the keypoints of everybody else in the crop.

    Returns:
        The ratio, 0 or more; twice ``others`` for a target without keypoints.
    """
    return others / own if own else 2 * others


def read_keypoint_file(path: Path, size: tuple[int, int] | None = None) -> CropSkeletons:
    """Read one crop's file.

    Without any ``is_target`` the first skeleton is the target; where all say no there is none. Points of confidence 0
    or outside the crop are zeroed.

    Args:
        path: the JSON file.
        size: width, height of the crop, px; None keeps points wherever they are.

    Raises:
        UserError: when the file is absent or no such JSON, a skeleton has another number of keypoints, or several are
            marked as target.
    """
    tree = _read_json(path)
    people = tree if isinstance(tree, list) else [tree]
    if not all(isinstance(person, dict) and "keypoints" in person for person in people):
        raise UserError(f"{path}: expected skeleton objects with 'keypoints'")
    if not people:
        return CropSkeletons.none()
    skeletons = np.stack([_skeleton(person["keypoints"], path) for person in people])
    marked = [bool(person.get("is_target")) for person in people]
    if sum(marked) > 1:
        raise UserError(f"{path}: {sum(marked)} skeletons are marked is_target; mark one")
    if not any("is_target" in person for person in people):
        marked[0] = True
    chosen = np.array(marked)
    target = skeletons[chosen][0] if chosen.any() else CropSkeletons.none().target
    crop = CropSkeletons(target, skeletons[~chosen])
    return crop if size is None else crop.inside(size)


def write_keypoint_file(path: Path, skeletons: FloatArray, target: int) -> None:
    """Write one crop's file, which ``read_keypoint_file`` reads back; folders are made as needed.

    Args:
        path: the JSON file.
        skeletons: (M, 17, 3) x px, y px (kept to a hundredth), confidence (kept to a ten-thousandth).
        target: row of the person the crop is about; -1 for nobody.

    Raises:
        UserError: when the file cannot be written.
        ValueError: for a row that there is not.
    """
    if not -1 <= target < len(skeletons):
        raise ValueError(f"no skeleton {target} among {len(skeletons)}")
    rounded = np.concatenate([skeletons[..., :2].round(2), skeletons[..., 2:].round(4)], axis=-1).astype(np.float64)
    # Rounding again as doubles keeps 0.1 from being written as 0.10000000149.
    people = [{"keypoints": person.round(4).tolist(), "is_target": row == target} for row, person in enumerate(rounded)]
    try:
        write_text(path, json.dumps(people) + "\n", durable=False)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from None


def read_synthetic_crops(path: Path) -> dict[str, CropSkeletons]:
    """Read ``crops_<camera>.json``: ``<folder>/<file name>`` -> skeletons; hidden points get confidence 0.2.

    Raises:
        UserError: when the file is absent or no such JSON.
    """
    tree = _read_json(path)
    if not isinstance(tree, dict):
        raise UserError(f"{path}: expected one object per crop")
    crops = {}
    for name, told in tree.items():
        try:
            everyone = [told["positive"], *told["negatives"]]
        except (TypeError, KeyError):
            raise UserError(f"{path}: '{name}' has no 'positive' and 'negatives'") from None
        people = np.stack([_skeleton(points, path) for points in everyone])
        people[..., 2] = _SYNTHETIC_CONFIDENCE[people[..., 2].astype(np.int64).clip(0, 2)]
        crops[name] = CropSkeletons(people[0], people[1:])
    return crops


def _read_json(path: Path) -> Any:
    if not path.exists():
        raise UserError(f"keypoint file not found: {path}")
    return read_json(path)


def _skeleton(points: object, path: Path) -> FloatArray:
    try:
        array = np.asarray(points, np.float32)
    except (TypeError, ValueError):
        array = np.zeros(0, np.float32)
    if array.shape not in ((_KEYPOINTS, 3), (3 * _KEYPOINTS,)):
        raise UserError(f"{path}: a skeleton has the shape {array.shape}; expected 17 keypoints of x, y, confidence")
    array = array.reshape(_KEYPOINTS, 3)
    return np.where(np.isfinite(array).all(axis=1, keepdims=True), array, 0).astype(np.float32)


def _inside(skeletons: FloatArray, size: tuple[int, int]) -> tuple[FloatArray, int]:
    """Zero unseen points and those outside the crop; the second value is how many lay outside."""
    points, told = skeletons[..., :2], skeletons[..., 2] > 0
    within = ((points >= 0) & (points < size)).all(axis=-1)
    kept = np.where((within & told)[..., None], skeletons, 0).astype(np.float32)
    return kept, int((told & ~within).sum())
