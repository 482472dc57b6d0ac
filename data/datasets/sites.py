"""The site file of a data set: what its record says of the cameras, so that a run can start."""

import math
from typing import Any

from data.config import validated
from data.datasets.tracking import TrackingDataset, TruthSequence
from data.errors import UserError
from data.site import OverlapValue, Site


def site_of_dataset(dataset: TrackingDataset, overlap: OverlapValue, grouped: bool) -> Site:
    """Frame rates, sizes, clocks and calibrations of a data set's cameras.

    Cameras of one site have a common clock, with their offsets; sequences that have nothing to do with one another have
    none.

    Args:
        dataset: with at least one sequence, or calibrations.
        overlap: of all pairs that share no group.
        grouped: all calibrated cameras form one group that is tracked together.

    Raises:
        UserError: no camera is known, a name or calibration is none, or a group is asked for and fewer than two cameras
            are calibrated.
    """
    cameras: dict[str, Any] = {one.name: _camera(dataset, one) for one in dataset.sequences}
    for name in dataset.calibration:
        cameras.setdefault(name, {"clock": {"status": "common"}})
    if not cameras:
        raise UserError(f"{dataset.root} names no camera")
    for name, matrix in dataset.calibration.items():
        cameras[name]["calibration"] = {"projection": matrix.tolist()}
    if grouped and len(dataset.calibration) < 2:
        raise UserError(f"a group needs two calibrated cameras; {dataset.root} has {len(dataset.calibration)}")
    groups = [{"name": "all", "cameras": list(dataset.calibration)}] if grouped else []
    return validated(
        Site, {"cameras": cameras, "default_overlap": overlap, "groups": groups}, f"the cameras of {dataset.root}"
    )


def _camera(dataset: TrackingDataset, one: TruthSequence) -> dict[str, Any]:
    if not dataset.one_site:
        clock: dict[str, Any] = {"status": "unknown"}
    elif not one.offset:
        clock = {"status": "common"}
    else:
        clock = {"status": "common", "offset_s": one.offset / one.fps}
    known: dict[str, Any] = {"clock": clock}
    if not math.isnan(one.fps):
        known["fps"] = one.fps
    if one.size[0]:
        known["size"] = one.size
    return known
