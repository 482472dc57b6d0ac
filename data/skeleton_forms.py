"""Forms of skeletons: what is left of three dimensions when fewer cameras look.

| form | from | coordinates | lost |
|---|---|---|---|
| full | a depth sensor, several calibrated views | metres | nothing |
| plane | one calibrated view of somebody walking | metres: ahead, down, left; the last assumed | width of step and sway, feet that turn out; walking straight towards the camera cannot be lifted |
| flat | one view | trunk and leg together are 1; depth 0 | body height, depth, the direction of walking: other sides look like other gaits |
"""  # noqa: E501

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from data.records import DoubleArray, FloatArray
from data.skeleton_sequences import JOINTS, Recording, centred

Form = Literal["full", "plane", "flat"]

# Metres to the left of the middle, about what adults have (Winter, "Biomechanics and Motor Control", figure 4.1).
_OFFSETS_M = {"shoulder": 0.18, "elbow": 0.22, "wrist": 0.22, "hip": 0.09, "knee": 0.09, "ankle": 0.08}
LEFT_M: DoubleArray = np.array(
    [
        _OFFSETS_M.get(name.partition("_")[2], 0.0) * {"left": 1, "right": -1}.get(name.partition("_")[0], 0)
        for name in JOINTS
    ],
    np.float64,
)
# Over this time the unit of the flat form is the median.
UNIT_S = 1.0
_NECK = JOINTS.index("neck")
_SIDES = [tuple(JOINTS.index(f"{side}_{joint}") for joint in ("hip", "knee", "ankle")) for side in ("left", "right")]


def in_plane(points: FloatArray) -> FloatArray:
    """The plane form of (T, 14, 3) skeletons that walk along x: the third coordinate is what is assumed."""
    made = points.copy()
    made[..., 2] = LEFT_M
    return made


def body_lengths(points: FloatArray) -> DoubleArray:
    """Trunk and leg of each skeleton together, (T,) in its unit; NaN where too little is known.

    Args:
        points: (T, 14, 2 or 3); the leg is the mean of those that are known.
    """
    middle = 0.5 * (points[:, _SIDES[0][0]] + points[:, _SIDES[1][0]])
    trunk = np.linalg.norm(points[:, _NECK] - middle, axis=-1)
    legs = np.stack(
        [
            np.linalg.norm(points[:, hip] - points[:, knee], axis=-1)
            + np.linalg.norm(points[:, knee] - points[:, ankle], axis=-1)
            for hip, knee, ankle in _SIDES
        ]
    )
    known = np.isfinite(legs)
    count = known.sum(axis=0)
    leg = np.where(known, legs, 0).sum(axis=0) / np.where(count > 0, count, np.nan)
    return np.asarray(trunk + leg, np.float64)


def flattened(points: FloatArray, window: int) -> FloatArray:
    """The flat form: depth 0, about the hips, in units of the body.

    Args:
        points: (T, 14, 2 or 3): x right, y down.
        window: skeletons over which the unit is the median, so that it follows who comes nearer.

    Returns:
        (T, 14, 3) float32; NaN where no unit is known.
    """
    picture = np.concatenate([points[..., :2], np.zeros_like(points[..., :1])], axis=-1)
    lengths = body_lengths(picture)
    half = max(window // 2, 0)
    padded = np.pad(lengths, half, constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1)
    known = np.isfinite(windows).any(axis=1)
    unit = np.full(len(lengths), np.nan)
    unit[known] = np.nanmedian(windows[known], axis=1)
    unit[~(unit > 0)] = np.nan
    return np.asarray(centred(picture.astype(np.float32)) / unit[:, None, None], np.float32)


def as_seen(recordings: Sequence[Recording], form: Form, fps: float) -> list[Recording]:
    """What lifting would leave of full skeletons of people who walk along x.

    Args:
        recordings: in the full form.
        form: wanted.
        fps: of the recordings.
    """
    if form == "full":
        return list(recordings)
    if form == "plane":
        return [replace(item, points=in_plane(item.points)) for item in recordings]
    return [replace(item, points=flattened(item.points, round(UNIT_S * fps))) for item in recordings]
