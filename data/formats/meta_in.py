"""Sites from plain facts: sizes and frame rates in one JSON file, calibrations in another."""

from pathlib import Path
from typing import Any

from data.calibration import Calibration, World
from data.clock import ClockStatus
from data.config import validated
from data.errors import UserError
from data.foreign import read_json
from data.site import OverlapValue, Site


def site_from_meta(
    meta: Path,
    calibrations: Path | None,
    clock: ClockStatus,
    overlap: OverlapValue,
    grouped: bool,
    world: World,
) -> Site:
    """Build a site.

    Args:
        meta: JSON, per camera ``{"size": [width, height], "fps": rate}``, or ``width`` and ``height`` for the size;
            other keys are not read.
        calibrations: JSON, per camera a 3x4 projection matrix, a 3x3 homography of the floor to pixels, or an object
            with the keys of a site file's calibration (others are not read); or None.
        clock: of all cameras.
        overlap: of all pairs that share no group.
        grouped: all calibrated cameras form one group that is tracked together.
        world: of the calibrations.

    Raises:
        UserError: for files that are missing or do not hold this.
    """
    facts = _load(meta)
    matrices = {} if calibrations is None else _load(calibrations)
    for camera in matrices:
        if camera not in facts:
            raise UserError(f"{calibrations} calibrates camera '{camera}', which {meta} does not list")
    cameras: dict[str, Any] = {}
    for camera, fact in facts.items():
        if not isinstance(fact, dict):
            raise UserError(f"{meta}: camera '{camera}' must be an object with size and fps")
        told = {"size": [fact["width"], fact["height"]]} if "width" in fact and "height" in fact else {}
        told |= {key: fact[key] for key in ("fps", "size") if key in fact}
        cameras[camera] = {**told, "clock": {"status": clock}}
        if camera in matrices:
            cameras[camera]["calibration"] = _calibration(matrices[camera])
    if grouped and len(matrices) < 2:
        raise UserError("a group needs at least two calibrated cameras; give --calib")
    groups = [{"name": "all", "cameras": [camera for camera in cameras if camera in matrices]}] if grouped else []
    return validated(
        Site,
        {"cameras": cameras, "world": world, "default_overlap": overlap, "groups": groups},
        f"{meta} and {calibrations}" if calibrations else str(meta),
    )


def _calibration(stated: Any) -> Any:
    if isinstance(stated, dict):
        return {key: stated[key] for key in Calibration.model_fields if key in stated}
    flat = isinstance(stated, list) and bool(stated) and isinstance(stated[0], list) and len(stated[0]) == 3
    return {"homography" if flat else "projection": stated}


def _load(path: Path) -> dict[str, Any]:
    tree = read_json(path)
    if not isinstance(tree, dict) or not tree:
        raise UserError(f"{path} must be an object with one entry per camera")
    return tree
