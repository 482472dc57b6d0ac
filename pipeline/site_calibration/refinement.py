"""All cameras at once: robust least squares over the feet and heads of people whom several cameras see.

A match's place is the mean of its sightings' ground points, weighted by their certainty; its height the mean over its
heads. What is minimised is how far the place and the head are from each box in pixels, in units of what a box is worth.
People's heights scatter around the assumed mean: that, and nothing else, sets the scale.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from data.geometry import CameraModel
from pipeline.site_calibration.matching import Matches
from pipeline.site_calibration.people import PIXEL_SHARE, place_covariance
from pipeline.site_calibration.pinhole import PARAMETERS, Pinhole
from pipeline.site_calibration.sightings import Instants

DoubleArray = NDArray[np.float64]

_FIXED = (4, 5, 6)
_HEIGHT_SPREAD = 0.055
_HEAD_SHARE = 0.03
_FOCAL_SPREAD = 0.35
_ROLL_SPREAD = np.radians(3.0)
_LOST = 20.0
_SCALES = np.array([0.1, 0.05, 0.03, 0.1, 0.5, 0.5, 0.05])


def refine(
    instants: Instants, matches: Matches, cameras: Sequence[Pinhole], mean_height_m: float, usual_focal: float
) -> list[Pinhole]:
    """Move all cameras so that they agree on the matches.

    Args:
        instants: what was seen.
        matches: who is who.
        cameras: where to start; the first keeps its place and direction over the floor.
        mean_height_m: of people.
        usual_focal: focal lengths are drawn to it, weakly, in units of the frame's longer side.
    """
    from scipy.optimize import least_squares

    sizes = [camera.size for camera in cameras]
    start = np.concatenate([camera.vector() for camera in cameras])
    free = np.setdiff1d(np.arange(len(start)), _FIXED)

    def cameras_of(values: DoubleArray) -> list[Pinhole]:
        full = start.copy()
        full[free] = values
        return [Pinhole.of(vector, size) for vector, size in zip(full.reshape(-1, PARAMETERS), sizes)]

    def deviations(values: DoubleArray) -> DoubleArray:
        moved = cameras_of(values)
        from_boxes = box_deviations(instants, matches, [camera.model for camera in moved], mean_height_m)
        weight = np.sqrt(len(matches) / len(cameras)) * 0.1
        from_habit = [np.log(camera.focal / usual_focal) / _FOCAL_SPREAD for camera in moved]
        level = [camera.roll / _ROLL_SPREAD for camera in moved]
        return np.concatenate([from_boxes, weight * np.array(from_habit), weight * np.array(level)])

    scale = np.tile(_SCALES, len(cameras))[free]
    found = least_squares(deviations, start[free], loss="soft_l1", x_scale=scale, max_nfev=40, xtol=1e-6, ftol=1e-6)
    return cameras_of(found.x)


def fused(
    instants: Instants, matches: Matches, models: Sequence[CameraModel]
) -> tuple[DoubleArray, DoubleArray, DoubleArray]:
    """Places of matches.

    Returns:
        (R, 2) feet and (R, 2) heads of the sightings, pixels, and (P, 2) the places of the matches, metres.
    """
    feet, heads = np.empty((len(matches.row), 2)), np.empty((len(matches.row), 2))
    weights, pulls = np.zeros((len(matches), 2, 2)), np.zeros((len(matches), 2))
    for number, (model, seen) in enumerate(zip(models, instants.sightings)):
        rows = matches.camera == number
        feet[rows], heads[rows] = seen.feet[matches.row[rows]], seen.heads[matches.row[rows]]
        ground = model.to_ground(feet[rows])
        covariance = place_covariance(model, feet[rows], feet[rows, 1] - heads[rows, 1])
        known = np.isfinite(ground).all(axis=1)
        weight = np.zeros((len(ground), 2, 2))
        weight[known] = np.linalg.inv(covariance[known] + 1e-6 * np.eye(2))
        np.add.at(weights, matches.person[rows], weight)
        ground[~known] = 0.0
        np.add.at(pulls, matches.person[rows], (weight @ ground[..., None])[..., 0])
    weights += 1e-9 * np.eye(2)
    return feet, heads, np.asarray(np.linalg.solve(weights, pulls[..., None])[..., 0], np.float64)


def box_deviations(
    instants: Instants, matches: Matches, models: Sequence[CameraModel], mean_height_m: float
) -> DoubleArray:
    """How far feet, heads and heights are from the matches' places, in standard deviations."""
    feet, heads, place = fused(instants, matches, models)
    tall = feet[:, 1] - heads[:, 1]
    height = np.empty(len(matches.row))
    for number, model in enumerate(models):
        rows = matches.camera == number
        height[rows] = model.heights(place[matches.person[rows]], heads[rows])
    known = np.isfinite(height)
    total = np.bincount(matches.person[known], height[known], minlength=len(matches))
    count = np.bincount(matches.person[known], minlength=len(matches))
    mean = total / np.maximum(count, 1)
    off_feet, off_heads = np.empty((len(feet), 2)), np.empty(len(feet))
    for number, model in enumerate(models):
        rows = matches.camera == number
        where = place[matches.person[rows]]
        off_feet[rows] = model.to_image(where) - feet[rows]
        head = model.to_image(np.column_stack([where, mean[matches.person[rows]]]))
        off_heads[rows] = head[:, 1] - heads[rows, 1]
    parts = [
        (off_feet / (PIXEL_SHARE * tall)[:, None]).ravel(),
        off_heads / (_HEAD_SHARE * tall),
        np.where(count > 0, mean / mean_height_m - 1, _LOST) / _HEIGHT_SPREAD,
    ]
    result = np.concatenate(parts)
    return np.where(np.isfinite(result), result.clip(-_LOST, _LOST), _LOST)
