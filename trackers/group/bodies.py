"""Upright people on the ground, and the boxes they fill in a calibrated camera.

A person is a place on the ground and a height: (x, y, log height). Its box in a camera runs from the foot point to the
head point; centre, bottom and top are what a detection is compared with. Derivatives are taken by small differences
through ``CameraModel.to_image``, so that every form of calibration and any lens goes the same way. A ground homography
has no heights: there the box is as high as a person is, measured with the sideways scale of the ground at the feet, and
only centre and bottom may be compared.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.geometry import CameraModel
from data.records import DoubleArray

Mask = NDArray[np.bool_]

CENTRE, BOTTOM, TOP = 0, 1, 2
_STEP_M = 0.02
_STEP_LOG = 0.02
_CUT_PX = 3.0
_LEAST_HEIGHT_PX = 8.0


@dataclass(frozen=True, slots=True)
class SharedError:
    """Errors that all boxes of one camera have in common, in box heights (the last: a ratio).

    Attributes:
        centre: to the right.
        bottom: downwards.
        top: downwards.
        width: width of a box by its height.
    """

    centre: float
    bottom: float
    top: float
    width: float


@dataclass(frozen=True, slots=True)
class Shapes:
    """T people as one camera sees them.

    Attributes:
        boxes: (T, 4) xyxy px, not cut at the frame; zero where ``valid`` is False.
        seen: (T, 4) the same, cut at the frame.
        measured: (T, 3) centre, bottom and top of ``seen``, px.
        jacobian: (T, 3, 3) derivative of ``measured`` by (x, y, log height); rows of cut edges are zero.
        height: (T,) px, of the whole box.
        depth: (T,) of the feet from the camera, larger is farther; no unit.
        inside: (T,) share of the box within the frame, 0-1.
        cut: (T, 3) whether centre, bottom, top are touched by the frame's edge.
        valid: (T,) in front of the camera and of a usable size.
    """

    boxes: DoubleArray
    seen: DoubleArray
    measured: DoubleArray
    jacobian: DoubleArray
    height: DoubleArray
    depth: DoubleArray
    inside: DoubleArray
    cut: Mask
    valid: Mask

    def __len__(self) -> int:
        return len(self.boxes)


def project(model: CameraModel, size: tuple[int, int], places: DoubleArray, shared: SharedError) -> Shapes:
    """Boxes of people in one camera.

    Args:
        model: the camera.
        size: (width, height) of its frame, px.
        places: (T, 3) x, y in metres, log of the height in metres.
        shared: the camera's own errors, added to every box.
    """
    count = len(places)
    ground = places[:, :2]
    east, north = np.array([_STEP_M, 0.0]), np.array([0.0, _STEP_M])
    feet = model.to_image(np.concatenate([ground, ground + east, ground + north])).reshape(3, count, 2)
    by_ground = (feet[1:] - feet[0]) / _STEP_M
    if model.projection is None:
        heads, by_height = _heads_without_heights(feet[0], by_ground, places[:, 2])
    else:
        heads, by_height = _heads(model, places)
    # (3, T, 2): derivatives by x, y, log height.
    of_feet = np.concatenate([by_ground, np.zeros((1, count, 2))])
    height = feet[0, :, 1] - heads[0, :, 1]
    with np.errstate(invalid="ignore"):
        valid = np.isfinite(feet).all(axis=(0, 2)) & np.isfinite(heads).all(axis=(0, 2)) & (height > _LEAST_HEIGHT_PX)
    centre = (feet[0, :, 0] + heads[0, :, 0]) / 2 + shared.centre * height
    half = shared.width * height / 2
    top, bottom = heads[0, :, 1] + shared.top * height, feet[0, :, 1] + shared.bottom * height
    boxes = np.stack([centre - half, top, centre + half, bottom], axis=1)
    boxes[~valid] = 0.0
    seen = clip(boxes, size)
    of_heads = by_height
    of_height = of_feet[:, :, 1] - of_heads[:, :, 1]
    jacobian = np.stack(
        [
            (of_feet[:, :, 0] + of_heads[:, :, 0]) / 2 + shared.centre * of_height,
            of_feet[:, :, 1] + shared.bottom * of_height,
            of_heads[:, :, 1] + shared.top * of_height,
        ]
    ).transpose(2, 0, 1)
    cut = cut_edges(boxes, size)
    jacobian[~valid] = 0.0
    jacobian[cut] = 0.0
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    inside = np.prod(np.maximum(seen[:, 2:] - seen[:, :2], 0), axis=1) / np.maximum(area, 1e-9)
    return Shapes(
        boxes=boxes,
        seen=seen,
        measured=measure(seen),
        jacobian=jacobian,
        height=np.where(valid, height, 1.0),
        depth=np.where(valid, ground @ model.homography[2, :2] + model.homography[2, 2], np.inf),
        inside=np.where(valid, inside, 0.0),
        cut=cut,
        valid=valid,
    )


def measure(boxes: DoubleArray) -> DoubleArray:
    """Centre, bottom and top: (N, 4) xyxy px -> (N, 3) px."""
    return np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3], boxes[:, 1]], axis=1)


def clip(boxes: DoubleArray, size: tuple[int, int]) -> DoubleArray:
    """Boxes cut at the frame; one that lies outside becomes an empty one on its edge."""
    return np.clip(boxes, 0.0, np.array([size[0], size[1], size[0], size[1]], np.float64))


def cut_edges(boxes: DoubleArray, size: tuple[int, int]) -> Mask:
    """Which of centre, bottom and top the frame's edge has touched: (N, 4) xyxy px -> (N, 3)."""
    sides = (boxes[:, 0] < _CUT_PX) | (boxes[:, 2] > size[0] - _CUT_PX)
    return np.stack([sides, boxes[:, 3] > size[1] - _CUT_PX, boxes[:, 1] < _CUT_PX], axis=1)


def _heads(model: CameraModel, places: DoubleArray) -> tuple[DoubleArray, DoubleArray]:
    """Head points (1, T, 2), and their derivatives by x, y, log height (3, T, 2)."""
    count = len(places)
    steps = np.array([[0, 0, 0], [_STEP_M, 0, 0], [0, _STEP_M, 0], [0, 0, _STEP_LOG]])
    moved = places[None] + steps[:, None]
    world = np.concatenate([moved[..., :2], np.exp(moved[..., 2:])], axis=2).reshape(-1, 3)
    points = model.to_image(world).reshape(4, count, 2)
    return points[:1], (points[1:] - points[0]) / steps.sum(axis=1)[1:, None, None]


def _heads_without_heights(
    feet: DoubleArray, by_ground: DoubleArray, log_height: DoubleArray
) -> tuple[DoubleArray, DoubleArray]:
    """The same for a ground homography, from the scale of the ground at the feet across the line of sight."""
    (u_x, v_x), (u_y, v_y) = by_ground.transpose(0, 2, 1)
    # The ground direction that leaves the image row unchanged, of one metre: how far it moves the foot point.
    across = np.abs(u_x * v_y - u_y * v_x) / np.maximum(np.hypot(v_x, v_y), 1e-9)
    tall = across * np.exp(log_height)
    heads = feet - np.stack([np.zeros_like(tall), tall], axis=1)
    lift = np.stack([np.zeros_like(tall), -tall], axis=1)
    return heads[None], np.concatenate([by_ground, lift[None]])
