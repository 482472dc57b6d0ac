"""DukeMTMC (Ristani et al., "Performance Measures and a Data Set for Multi-Target, Multi-Camera Tracking", 2016).

Eight cameras at 59.94 frames a second. ``ground_truth/trainval.mat`` holds ``trainData``, rows of camera, id, frame,
left, top, width, height, world x, world y, feet x, feet y; the test sets are ``testData.mat`` and ``testHardData.mat``.
Frames count from 1 in each camera's own video; frame f of camera c is frame ``f + start(c) - 1`` of all, by the devkit.
Windows are in frames of all. Regions of interest are read as text from the devkit's ``getROIs.m``, whose assignments
``name{camera} = [x y; x y; ...]`` are matched, not run. The data was withdrawn by its makers in 2019.
"""

from data.listing import listed
import re
from pathlib import Path

import numpy as np

from data.datasets.layout import choose_part, find_root
from data.datasets.tracking import (
    GroundPlaces,
    Problem,
    TrackingDataset,
    TruthSequence,
    Window,
    first_of_each,
    sound_rows,
)
from data.errors import UserError
from data.foreign import read_text
from data.formats.camera_rows import CameraRows, check_camera_rows
from data.formats.mat import read_mat
from data.records import DoubleArray, IntArray

CAMERAS = 8
# The devkit: frame of all cameras (from 1) at which each camera's video starts, and frames of each video.
STARTS = (5543, 3607, 27244, 31182, 1, 22402, 18968, 46766)
LENGTHS = (359580, 360720, 355380, 374850, 366390, 344400, 337680, 353220)
FPS = 60000 / 1001
_WINDOWS_FROM_1 = {
    "trainval": (47720, 227540),
    "trainval-mini": (127720, 187540),
    "train": (47720, 187540),
    "val": (187541, 227540),
    "test-easy": (263504, 356648),
    "test-hard": (227541, 263503),
}
WINDOWS = {name: Window(first - 1, last - 1) for name, (first, last) in _WINDOWS_FROM_1.items()}
_FILES = {"trainval": ("trainval", "trainData"), "test-easy": ("testData", "testData"),
          "test-hard": ("testHardData", "testHardData")}  # fmt: skip
_ASSIGNED = re.compile(r"\w+\{(\d)\}\s*=\s*\[([^\]]*)\]")


def read_duke_mtmc(root: Path, split: str) -> TrackingDataset:
    """Read the trajectories of all cameras; a window is cut by who scores it.

    Args:
        root: the data set's folder.
        split: "" or "trainval", "test-easy", "test-hard": which file of truth.

    Raises:
        UserError: the file is not there, of another layout, or holds objects; a row is broken.
    """
    part = choose_part(split, "trainval", list(_FILES), "DukeMTMC")
    stem, key = _FILES[part]
    place = find_root(root, "DukeMTMC", (f"{stem}.mat",), ("ground_truth", "gt", "gt/DukeMTMCT", "DukeMTMC/ground_truth"))
    path = place / f"{stem}.mat"
    values = _matrix(path, key)
    rows = check_camera_rows(str(path), values, 1, ("camera", "id", "frame"), 9)
    problems: list[Problem] = []
    strange = np.asarray((rows.cameras < 1) | (rows.cameras > CAMERAS), bool)
    if strange.any():
        problems.append(Problem("row of an unknown camera", str(path), int(strange.sum()),
                                f"camera {rows.cameras[strange][0]}"))  # fmt: skip
        rows = rows.select(~strange)
    regions, lacking = _regions(root)
    problems += lacking
    sequences = []
    for camera in range(1, CAMERAS + 1):
        own = rows.of_camera(camera)
        if not len(own):
            problems.append(Problem("missing sequence", str(path), 1, f"camera {camera} has no row"))
        beyond = np.asarray(own.frames >= LENGTHS[camera - 1], bool)
        if beyond.any():
            problems.append(Problem("row beyond the last frame", f"camera{camera}", int(beyond.sum())))
        table, twice = first_of_each(f"camera{camera}", own.select(~beyond).table())
        table, flat = sound_rows(f"camera{camera}", table)
        problems += twice + flat
        sequences.append(
            TruthSequence(
                name=f"camera{camera}", length=LENGTHS[camera - 1], truth=table, fps=FPS, size=(1920, 1080),
                region=regions.get(camera), offset=STARTS[camera - 1] - 1,
            )
        )  # fmt: skip
    return TrackingDataset(
        name="duke_mtmc", root=root, split=part, sequences=tuple(sequences), one_site=True, shared_ids=True,
        frame_base=1, ground=_places(rows), windows=WINDOWS, problems=tuple(problems),
    )  # fmt: skip


def _matrix(path: Path, key: str) -> DoubleArray:
    found = read_mat(path, (key,))
    if key not in found:
        raise UserError(f"{path} is no truth of DukeMTMC: it lacks {key}")
    value = found[key]
    if value.dtype.kind not in "iufb" or value.ndim != 2:
        raise UserError(f"{path}: {key} is no matrix of numbers but {value.dtype} of {value.ndim} dimensions")
    return np.asarray(value, np.float64)


def _places(rows: CameraRows) -> GroundPlaces | None:
    """Places on the clock of the site; of several cameras that see a person at once, the first."""
    rows = rows.select(np.flatnonzero(np.isfinite(rows.xy).all(axis=1)))
    if not len(rows):
        return None
    frames = rows.frames + np.array(STARTS)[rows.cameras - 1] - 1
    order = np.lexsort((rows.cameras, rows.ids, frames))
    keys: IntArray = np.column_stack([frames[order], rows.ids[order]])
    new = np.append(True, (np.diff(keys, axis=0) != 0).any(axis=1))
    return GroundPlaces.make(keys[new, 0], keys[new, 1], rows.xy[order][new])


def _regions(root: Path) -> tuple[dict[int, DoubleArray], list[Problem]]:
    """Polygons by camera, from the devkit's file in the folder or below it."""
    path = next(iter(listed(root, "getROIs.m", "*/getROIs.m", "*/*/getROIs.m")), None)
    if path is None:
        return {}, [Problem("missing file", str(root / "getROIs.m"), 1, "no region of interest: the whole picture counts")]
    found: dict[int, DoubleArray] = {}
    for camera, text in _ASSIGNED.findall(read_text(path)):
        try:
            corners = np.array([row.replace(",", " ").split() for row in text.split(";") if row.strip()], np.float64)
        except ValueError:
            corners = np.zeros((0, 0))
        if corners.ndim != 2 or corners.shape[0] < 3 or corners.shape[1] != 2:
            raise UserError(f"{path}: the region of camera {camera} is no list of three or more corners x y")
        found[int(camera)] = corners
    absent = [f"camera {camera}" for camera in range(1, CAMERAS + 1) if camera not in found]
    return found, [Problem("missing file", str(path), len(absent), f"no region of {absent[0]}")] if absent else []
