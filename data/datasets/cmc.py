"""Curtin Multi-Camera (Ong et al., PAMI 2022): four overlapping cameras, people in 3-D, at 4 frames a second.

``GT_<set>_Cam_<k>.txt`` is MOTChallenge ground truth of a camera, ``GT_<set>_WORLD_CENTROID.txt`` has rows of frame,
id, five times -1, the centre of the body x, y, z in metres and its half extents. Frames count from 1.
"""

import re
from pathlib import Path

import numpy as np

from data.datasets.layout import choose_part, find_root
from data.datasets.tracking import GroundPlaces, Problem, TrackingDataset, TruthSequence, sound_rows
from data.errors import UserError
from data.foreign import read_json
from data.formats.mot import read_mot
from data.formats.number_rows import read_number_rows
from data.listing import listed
from data.records import DoubleArray

_CAMERA = re.compile(r"GT_(\w+?)_Cam_?(\d+)\.txt", re.IGNORECASE)
_WORLD = re.compile(r"(GT_\w+_WORLD_CENTROID|gt_world_centroid)\.txt", re.IGNORECASE)
_PLACE = slice(7, 9)
_MATRICES = "camera_matrices.json"
_CAMERAS = range(1, 5)
_FPS, _SIZE = 4.0, (1920, 1024)


def read_cmc(root: Path, split: str) -> TrackingDataset:
    """Read one set.

    Args:
        root: folder of the sets, or of one.
        split: "CMC1" to "CMC5"; "" where one only is there.

    Raises:
        UserError: nothing is there, no set was chosen, or a file is broken.
    """
    if _world_file(root) is None:
        place = find_root(root, "CMC", ("CMC*/*",))
        parts = [path.name for path in listed(place, "CMC*") if _world_file(path) is not None]
        if not parts:
            raise UserError(f"{root} is not CMC: missing GT_<set>_WORLD_CENTROID.txt in {place}/CMC1, CMC2, ...")
        folder = place / choose_part(split, "", parts, "CMC")
    else:
        folder = root
    world = _world_file(folder)
    if world is None:
        raise UserError(f"{folder} is not CMC: missing GT_<set>_WORLD_CENTROID.txt")
    places = _places(world)
    files = {int(match[2]): path for path in listed(folder, "*.txt") if (match := _CAMERA.fullmatch(path.name))}
    absent = [f"camera {number}" for number in _CAMERAS if number not in files]
    problems = [Problem("missing file", str(folder), len(absent), f"boxes of {absent[0]}")] if absent else []
    tables = {f"cam{number}": read_mot(path, "gt") for number, path in files.items()}
    length = 1 + max([int(places.frames[-1]), *(int(table.frames[-1]) for table in tables.values() if len(table))])
    sequences = []
    for name, table in tables.items():
        sound, flat = sound_rows(name, table)
        problems += flat
        sequences.append(TruthSequence(name, length, sound, _FPS, _SIZE, open_end=True))
    return TrackingDataset(
        name="cmc", root=root, split=folder.name, sequences=tuple(sequences), one_site=True, shared_ids=True,
        frame_base=1, min_visibility=0.25, ground=places, calibration=_calibration(folder), problems=tuple(problems),
    )  # fmt: skip


def _world_file(folder: Path) -> Path | None:
    return next((path for path in listed(folder, "*.txt") if _WORLD.fullmatch(path.name)), None)


def _places(path: Path) -> GroundPlaces:
    values = read_number_rows(path, "truth of CMC", "frame id -1 -1 -1 -1 -1 x y z ...")
    if not len(values) or values.shape[1] < _PLACE.stop + 1 or not np.isfinite(values).all():
        raise UserError(f"{path}: expected rows of frame, id, five times -1, x, y, z")
    if values[:, 0].min() < 1 or (values[:, :2] != np.floor(values[:, :2])).any():
        raise UserError(f"{path}: frames are whole and count from 1, ids are whole")
    return GroundPlaces.make(values[:, 0].astype(np.int64) - 1, values[:, 1].astype(np.int64), values[:, _PLACE])


def _calibration(folder: Path) -> dict[str, DoubleArray]:
    """Projections from ``camera_matrices.json`` in the folder or above it, where there is one."""
    path = next((one for one in (folder / _MATRICES, folder.parent / _MATRICES) if one.is_file()), None)
    content = {} if path is None else read_json(path)
    try:
        found = {str(name): np.array(matrix, np.float64).reshape(3, 4) for name, matrix in content.items()}
    except (AttributeError, TypeError, ValueError):
        raise UserError(f"{path}: expected a 3x4 matrix per camera") from None
    return found
