"""From keypoints in pictures to skeletons in space: triangulated, or lifted from one view.

What is lost is said in ``data.skeleton_forms``.
"""

from collections.abc import Sequence

import numpy as np

from data.geometry import CameraModel
from data.records import DoubleArray, FloatArray
from data.skeleton_forms import LEFT_M
from data.skeleton_sequences import JOINTS, LEFT_HIP, RIGHT_HIP

_ANKLES = (JOINTS.index("left_ankle"), JOINTS.index("right_ankle"))
_ANKLE_HEIGHT_M = 0.09
_PATH_S = 0.5
# In spreads of that, beyond which a weight is below the rounding of a sum; and rows fitted together.
_REACH, _ROWS = 9.0, 256
_SLOWEST_M_S = 0.4
# Sine of the angle between a ray and the plane of walking, below which it does not tell where they meet.
_STEEPEST = 0.4
_LARGEST_M = 1.5
_LARGEST_ERROR_PX = 20.0


def plane_lift(camera: CameraModel, pixels: FloatArray, times_s: DoubleArray) -> FloatArray:
    """Skeletons of somebody who walks, from one calibrated view.

    Each joint is where its ray meets the upright plane of walking, shifted to the side by what bodies have. The plane
    goes through the feet, and its direction is that of the path over half a second.

    Args:
        camera: with a projection.
        pixels: (T, 14, 2), NaN where a joint is not known.
        times_s: (T,) rising.

    Returns:
        (T, 14, 3) float32 metres about the hips: ahead, down, left (as assumed). NaN where nobody walks, the camera
        looks along the path, or a joint is not known.
    """
    made = np.full((*pixels.shape[:2], 3), np.nan, np.float32)
    centre = camera.centre
    if centre is None or len(pixels) < 3:
        return made
    feet = camera.to_ground(pixels[:, _ANKLES].mean(axis=1), _ANKLE_HEIGHT_M)
    place, velocity = _path(feet, times_s)
    speed = np.linalg.norm(velocity, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        ahead = np.column_stack([velocity / speed[:, None], np.zeros(len(speed))])
    turn = -1.0 if camera.mirrored else 1.0
    left = np.column_stack([-turn * ahead[:, 1], turn * ahead[:, 0], np.zeros(len(speed))])
    assert camera.projection is not None
    ideal = _ideal_pixels(camera, pixels)
    ray = np.column_stack([ideal, np.ones(len(ideal))]) @ np.linalg.inv(camera.projection[:, :3]).T
    ray = (ray / np.linalg.norm(ray, axis=1, keepdims=True)).reshape(*pixels.shape[:2], 3)
    base = np.column_stack([place, np.zeros(len(place))])[:, None] + LEFT_M[None, :, None] * left[:, None]
    across = (ray * left[:, None]).sum(axis=2)
    far = ((base - centre) * left[:, None]).sum(axis=2) / np.where(np.abs(across) < _STEEPEST, np.nan, across)
    found = centre + far[..., None] * ray
    hips = 0.5 * (found[:, LEFT_HIP] + found[:, RIGHT_HIP])
    about = found - hips[:, None]
    made[..., 0] = (about * ahead[:, None]).sum(axis=2)
    made[..., 1] = -about[..., 2]
    made[..., 2] = LEFT_M
    with np.errstate(invalid="ignore"):
        wrong = ~((speed > _SLOWEST_M_S)[:, None] & (far > 0) & (np.abs(made[..., :2]).max(axis=2) < _LARGEST_M))
    made[wrong] = np.nan
    return made


def _path(feet: DoubleArray, times_s: DoubleArray) -> tuple[DoubleArray, DoubleArray]:
    """Place (T, 2) metres and velocity (T, 2) metres per second on the ground, by a Gaussian line fit over time.

    Memory does not grow with T but for the result: each row is fitted to the points a few spreads of time around it.
    """
    known = np.isfinite(feet).all(axis=1)
    place, velocity = np.full_like(feet, np.nan), np.full_like(feet, np.nan)
    if known.sum() < 3:
        return place, velocity
    times, points = times_s[known], feet[known]
    for start in range(0, len(times_s), _ROWS):
        rows = slice(start, start + _ROWS)
        own = times_s[rows]
        near = slice(*np.searchsorted(times, [own[0] - _REACH * _PATH_S, own[-1] + _REACH * _PATH_S]).tolist())
        place[rows], velocity[rows] = _line_fit(own, times[near], points[near])
    return place, velocity


def _line_fit(own: DoubleArray, times: DoubleArray, points: DoubleArray) -> tuple[DoubleArray, DoubleArray]:
    """Place and velocity at some times, (R, 2) each, fitted to (K, 2) points around them; NaN where too few."""
    apart = times[None] - own[:, None]
    weight = np.exp(-0.5 * (apart / _PATH_S) ** 2)
    total = weight.sum(axis=1)
    enough = (weight > 0.6).sum(axis=1) >= 3
    mean_t = (weight * apart).sum(axis=1) / np.maximum(total, 1e-12)
    mean_p = weight @ points / np.maximum(total, 1e-12)[:, None]
    centred_t = apart - mean_t[:, None]
    spread = (weight * centred_t**2).sum(axis=1)
    slope = (weight * centred_t) @ points / np.maximum(spread, 1e-12)[:, None]
    fitted = (enough & (spread > 1e-9))[:, None]
    return np.where(fitted, mean_p - slope * mean_t[:, None], np.nan), np.where(fitted, slope, np.nan)


def triangulate(cameras: Sequence[CameraModel], pixels: Sequence[FloatArray]) -> FloatArray:
    """Joints in the world, from several calibrated views of the same instants.

    Linear triangulation (Hartley and Zisserman, "Multiple View Geometry", section 12.2) of ideal pixels.

    Args:
        cameras: C, with projections.
        pixels: C times (T, J, 2), NaN where a joint is not known.

    Returns:
        (T, J, 3) float32 metres; NaN where fewer than two views know the joint, or their views do not agree within
        20 pixels.
    """
    shape = pixels[0].shape[:2]
    rows, projections, ideal = [], [], []
    for camera, points in zip(cameras, pixels, strict=True):
        projection = camera.projection
        assert projection is not None
        flat = _ideal_pixels(camera, points)
        # Metres and pixels differ by orders of magnitude; the projection's scale evens them out.
        scale = np.linalg.norm(projection[2, :3]) * np.abs(projection[0]).max()
        rows += [(flat[:, axis, None] * projection[2] - projection[axis]) / scale for axis in range(2)]
        projections.append(projection)
        ideal.append(flat)
    equations = np.stack(rows, 1)
    known = np.isfinite(equations).all(axis=2)
    matrix = np.where(known[..., None], equations, 0)
    _, vectors = np.linalg.eigh(np.einsum("nri,nrj->nij", matrix, matrix))
    smallest = vectors[:, :, 0]
    with np.errstate(invalid="ignore", divide="ignore"):
        found = smallest[:, :3] / smallest[:, 3:]
    found[known.sum(axis=1) < 4] = np.nan
    for projection, flat in zip(projections, ideal, strict=True):
        seen = found @ projection[:, :3].T + projection[:, 3]
        with np.errstate(invalid="ignore", divide="ignore"):
            off = np.linalg.norm(seen[:, :2] / seen[:, 2:] - flat, axis=1)
            found[(seen[:, 2] <= 0) | (off > _LARGEST_ERROR_PX)] = np.nan
    return found.reshape(*shape, 3).astype(np.float32)


def _ideal_pixels(camera: CameraModel, pixels: FloatArray) -> DoubleArray:
    """(T, J, 2) -> (T * J, 2) undistorted."""
    flat = pixels.reshape(-1, 2).astype(np.float64)
    if camera.lens is None:
        return flat
    known = np.isfinite(flat).all(axis=1)
    flat[known] = camera.lens.ideal_pixels(flat[known])[0]
    return flat


def along_path(points: FloatArray, times_s: DoubleArray, mirrored: bool = False) -> FloatArray:
    """World coordinates turned into those of the walker: ahead, down, left, about the hips.

    Args:
        points: (T, 14, 3) metres in a world with z up.
        times_s: (T,) rising.
        mirrored: the world is left-handed.

    Returns:
        (T, 14, 3) float32; NaN where nobody walks.
    """
    hips = 0.5 * (points[:, LEFT_HIP] + points[:, RIGHT_HIP]).astype(np.float64)
    _, velocity = _path(hips[:, :2], times_s)
    speed = np.linalg.norm(velocity, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        ahead = np.where((speed > _SLOWEST_M_S)[:, None], velocity / speed[:, None], np.nan)
    turn = -1.0 if mirrored else 1.0
    about = points - hips[:, None]
    forward = about[..., 0] * ahead[:, :1] + about[..., 1] * ahead[:, 1:]
    left = turn * (about[..., 1] * ahead[:, :1] - about[..., 0] * ahead[:, 1:])
    return np.stack([forward, -about[..., 2], left], axis=2).astype(np.float32)
