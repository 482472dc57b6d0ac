"""What makes a calibration impossible, told before a single frame is seen, with the cure.

Each check refuses what no camera that sees people can have; a calibration that is only a little wrong shows in the
evidence alone (``python -m tools.check_site --site SITE --detections DIR``).
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from data.errors import UserError
from data.geometry import CameraModel

DoubleArray = NDArray[np.float64]

_PERSON_M = 1.7
_LOWEST_M = 0.1
_USUAL_LOWEST_M, _USUAL_HIGHEST_M = 1.0, 40.0
_SMALLEST_PERSON = 0.004
_LARGEST_PERSON = 30.0
_SMALLEST_METRE = 0.003
_UNITS = {0.001: "millimetres", 0.01: "centimetres"}
_GRID = 24
_REACH_M = 200.0


def check_camera(camera: str, model: CameraModel, size: tuple[int, int] | None) -> None:
    """Refuse a calibration that cannot be that of a camera which looks at people on the floor.

    Raises:
        UserError: for a camera under the floor or all but on it, a frame that shows no floor in front of the camera or
            people upside down, and people of impossible size in the picture (another unit).
    """
    centre = model.centre
    if centre is not None and centre[2] < 0:
        raise UserError(
            f"the calibration of camera '{camera}' puts it {-centre[2]:.4g} m under the floor; where z points down "
            "write 'world: {up: [0, 0, -1]}' into the site file, where the floor is not z = 0 'world: {ground: ...}'"
        )
    if size is not None:
        floor = _floor_pixels(model, size)
        if not len(floor):
            raise UserError(
                f"the calibration of camera '{camera}' puts all that its frame of {size[0]}x{size[1]} shows behind the "
                "camera or above the horizon; R and t must lead from the world to the camera (invert them where they "
                "lead back), and the matrix must be for pixels of this size"
            )
        _check_upright(camera, model, floor)
        _check_scale(camera, model, size, floor)
    if centre is not None and centre[2] < _LOWEST_M:
        raise UserError(
            f"the calibration of camera '{camera}' puts it {centre[2]:.2g} m over the floor; give the unit of its "
            "world ('world: {unit_m: ...}') or where the floor lies ('world: {ground: ...}') in the site file"
        )


def check_group(group: str, models: Mapping[str, CameraModel], sizes: Mapping[str, tuple[int, int]]) -> None:
    """Refuse calibrations that cannot be of one place.

    Args:
        group: its name.
        models: of its cameras.
        sizes: (width, height) of their frames; with one missing, what they see in common is not checked.

    Raises:
        UserError: when some cameras are mirrored against the others, or one shares no floor with any other.
    """
    mirrored = [camera for camera, model in models.items() if model.mirrored]
    if mirrored and len(mirrored) < len(models):
        few = mirrored if 2 * len(mirrored) <= len(models) else [name for name in models if name not in mirrored]
        raise UserError(
            f"group '{group}': the world of {', '.join(few)} is mirrored against that of the other cameras; swap or "
            "negate one axis of its calibration, so that all have the same world"
        )
    if any(camera not in sizes for camera in models):
        return
    nearest = {camera: _nearest_floor(model, sizes[camera]) for camera, model in models.items()}
    for camera, model in models.items():
        ground = model.to_ground(_floor_pixels(model, sizes[camera]))
        ground = ground[_within_reach(ground, nearest[camera])]
        others = [other for other in models if other != camera]
        if not any(
            _shows(models[other], sizes[other], ground[_within_reach(ground, nearest[other])]) for other in others
        ):
            raise UserError(
                f"group '{group}': camera '{camera}' sees no floor that another of its cameras sees; their "
                "calibrations are of different worlds, or it belongs to no group"
            )


def _check_upright(camera: str, model: CameraModel, floor: DoubleArray) -> None:
    if model.projection is None:
        return
    ground = model.to_ground(floor)
    head = model.to_image(np.column_stack([ground, np.full(len(ground), _PERSON_M)]))
    with np.errstate(invalid="ignore"):
        upside_down = not (head[:, 1] < floor[:, 1]).any()
    if upside_down and np.isfinite(head).any():
        raise UserError(
            f"the calibration of camera '{camera}' shows every person upside down; the camera's x must point right, "
            "its y down and its z ahead (as in OpenCV), and R and t must lead from the world to the camera"
        )


def _check_scale(camera: str, model: CameraModel, size: tuple[int, int], floor: DoubleArray) -> None:
    ground = model.to_ground(floor)
    if model.projection is None:
        # The longer side of the square metre's picture: a metre along the picture's rows.
        shown = np.linalg.norm(model.image_jacobian(ground), axis=1).max(axis=1) / size[0]
        if shown.max() < _SMALLEST_METRE:
            raise UserError(
                f"the homography of camera '{camera}' makes a metre of floor at most {shown.max() * size[0]:.2g} px "
                "wide; give the unit of its floor in the site file, 'world: {unit_m: 0.001}' for millimetres"
            )
        return
    head = model.to_image(np.column_stack([ground, np.full(len(ground), _PERSON_M)]))
    person = np.linalg.norm(head - floor, axis=1) / size[1]
    person = person[np.isfinite(person)]
    if not len(person):
        return
    height = float(model.centre[2]) if model.centre is not None else 0.0
    if person.max() < _SMALLEST_PERSON:
        unit = next((unit for unit in _UNITS if _USUAL_LOWEST_M <= height * unit <= _USUAL_HIGHEST_M), None)
        guess = f"{unit:g}" if unit else "..."
        kind = f" (its world seems to be in {_UNITS[unit]})" if unit else ""
        raise UserError(
            f"the calibration of camera '{camera}' puts it {height:.4g} m over the floor and makes people at most "
            f"{person.max() * size[1]:.2g} px high{kind}; write 'world: {{unit_m: {guess}}}' into the site "
            f"file, or give --unit-m {guess} to tools.make_site"
        )
    if height < _LOWEST_M and person.min() > _LARGEST_PERSON:
        raise UserError(
            f"the calibration of camera '{camera}' makes people at least {person.min():.0f} times as high as its "
            "frame; give the unit of its world in the site file, e.g. 'world: {unit_m: 1000}' for kilometres"
        )


def _grid(size: tuple[int, int]) -> DoubleArray:
    columns, rows = np.meshgrid(np.linspace(0, size[0], _GRID), np.linspace(0, size[1], _GRID))
    return np.stack([columns.ravel(), rows.ravel()], axis=1)


def _floor_pixels(model: CameraModel, size: tuple[int, int]) -> DoubleArray:
    pixels = _grid(size)
    return pixels[np.isfinite(model.to_ground(pixels)).all(axis=1)]


def _nearest_floor(model: CameraModel, size: tuple[int, int]) -> DoubleArray:
    """(2,) the floor that the frame shows farthest from the horizon, metres."""
    pixels = _floor_pixels(model, size)
    return model.to_ground(pixels[[np.argmax(pixels @ model.horizon[:2])]])[0]


def _within_reach(ground: DoubleArray, nearest: DoubleArray) -> NDArray[np.bool_]:
    """Which floor is not so far from the nearest that people could not be told apart there."""
    return np.asarray(np.linalg.norm(ground - nearest, axis=1) < _REACH_M)


def _shows(model: CameraModel, size: tuple[int, int], ground: DoubleArray) -> bool:
    pixels = model.to_image(ground)
    with np.errstate(invalid="ignore"):
        return bool(((pixels >= 0) & (pixels <= np.array(size))).all(axis=1).any())
