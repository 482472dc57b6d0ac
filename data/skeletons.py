"""Keypoint layouts and the maps between them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Skeleton:
    """A keypoint layout.

    Attributes:
        name: key in ``SKELETONS``.
        names: keypoint names, in order.
        limbs: pairs of keypoint indices that are drawn as bones.
        sigmas: (K,) per-keypoint falloff of OKS (COCO keypoint evaluation).
        mirror: (K,) index of each keypoint's left-right partner.
        placeholders: indices of keypoints that are never labelled and only keep the count.
    """

    name: str
    names: tuple[str, ...]
    limbs: tuple[tuple[int, int], ...]
    sigmas: tuple[float, ...]
    mirror: tuple[int, ...]
    placeholders: tuple[int, ...] = ()


_COCO_NAMES = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
    "right_ankle",
)  # fmt: skip

COCO17 = Skeleton(
    name="coco17",
    names=_COCO_NAMES,
    limbs=(
        (15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8), (7, 9), (8, 10),
        (1, 2), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6),
    ),
    sigmas=(.026, .025, .025, .035, .035, .079, .079, .072, .072, .062, .062, .107, .107, .087, .087, .089, .089),
    mirror=(0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15),
)  # fmt: skip

POSETRACK17 = Skeleton(
    name="posetrack17",
    names=("nose", "head_bottom", "head_top", *_COCO_NAMES[3:]),
    limbs=(
        (15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8), (7, 9), (8, 10),
        (0, 1), (0, 2), (1, 5), (1, 6),
    ),
    sigmas=COCO17.sigmas,
    mirror=(0, 1, 2, 4, 3, *COCO17.mirror[5:]),
    placeholders=(3, 4),
)  # fmt: skip

_LEFT_EYE, _LEFT_SHOULDER = 1, 5

SKELETONS = {skeleton.name: skeleton for skeleton in (COCO17, POSETRACK17)}


def convert(keypoints: FloatArray, source: str, target: str) -> FloatArray:
    """Re-order keypoints from one layout to another by name.

    Args:
        keypoints: (..., K, 3) x, y, confidence in the source layout.
        source: name of the layout the keypoints are in.
        target: name of the layout wanted.

    Returns:
        (..., K', 3) in the target layout; points that either layout lacks or only keeps the place of are zero
        (confidence 0): between COCO-17 and PoseTrack's 17 these are eyes, ears, and the head's bottom and top.
    """
    if source == target:
        return keypoints
    source_names, target_names = _real_names(SKELETONS[source]), _real_names(SKELETONS[target])
    out = np.zeros((*keypoints.shape[:-2], len(target_names), 3), dtype=keypoints.dtype)
    shared = [(i, source_names.index(name)) for i, name in enumerate(target_names) if name and name in source_names]
    to_rows, from_rows = zip(*shared, strict=True)
    out[..., list(to_rows), :] = keypoints[..., list(from_rows), :]
    return out


# Heights of shoulders, chin, ears and the top of the head, shares of body height (Drillis and Contini 1966, in Winter,
# "Biomechanics and Motor Control of Human Movement", figure 4.1), and where on the line from the middle of the
# shoulders (0) to that of the ears (1) the head's bottom and top lie.
_SHOULDERS, _CHIN, _EARS, _TOP = 0.818, 0.870, 0.936, 1.0
HEAD_BOTTOM = (_CHIN - _SHOULDERS) / (_EARS - _SHOULDERS)
HEAD_TOP = (_TOP - _SHOULDERS) / (_EARS - _SHOULDERS)


def with_head_ends(keypoints: FloatArray) -> FloatArray:
    """PoseTrack's 17 from COCO's, with the head's bottom and top estimated: COCO has neither.

    Both lie on the line from the middle of the shoulders to that of ears and eyes, whichever are there, where they are
    in an upright person.

    Args:
        keypoints: (..., 17, 3) x, y, confidence, COCO-17.

    Returns:
        (..., 17, 3) PoseTrack-17. The estimated points have the least confidence of what they rest on: 0 without both
        shoulders, and without eyes and ears.
    """
    out = convert(keypoints, COCO17.name, POSETRACK17.name)
    shoulders = keypoints[..., _LEFT_SHOULDER : _LEFT_SHOULDER + 2, :]
    face = keypoints[..., _LEFT_EYE:_LEFT_SHOULDER, :]
    seen = face[..., 2] > 0
    count = seen.sum(axis=-1)
    middle = (face[..., :2] * seen[..., None]).sum(axis=-2) / np.maximum(count, 1)[..., None]
    sure = np.minimum(shoulders[..., 2].min(axis=-1), np.where(seen, face[..., 2], np.inf).min(axis=-1))
    sure = np.where(count > 0, np.maximum(sure, 0), 0)
    base = shoulders[..., :2].mean(axis=-2)
    for index, share in ((1, HEAD_BOTTOM), (2, HEAD_TOP)):
        out[..., index, :2] = np.where(sure[..., None] > 0, base + share * (middle - base), 0)
        out[..., index, 2] = sure
    return out


def _real_names(skeleton: Skeleton) -> tuple[str, ...]:
    """Names of the keypoints, "" for placeholders."""
    return tuple("" if index in skeleton.placeholders else name for index, name in enumerate(skeleton.names))
