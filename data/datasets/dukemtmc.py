"""DukeMTMC (Ristani et al., "Performance Measures and a Data Set for Multi-Target, Multi-Camera Tracking", 2016).

Eight cameras at 59.94 frames a second. ``ground_truth/trainval.mat`` holds ``trainData``, rows of camera, id, frame,
left, top, width, height, world x, world y, feet x, feet y; the test sets are ``testData.mat`` and ``testHardData.mat``.
Frames count from 1 in each camera's own video; frame f of camera c is frame ``f + start(c) - 1`` of all, by the devkit
(``evaluateDukeMTMC.m``). A split is a window of frames of all: ``trainval``, ``trainval_mini``, ``test_easy`` and
``test_hard`` are the devkit's, ``train`` and ``val`` those of DeepCC's public forks; ClustTMCT's "val" is another one,
139611 to 227540. Regions of interest are read as text from the devkit's ``getROIs.m``, whose assignments
``name{camera} = [x y; x y; ...]`` are matched, not run. The data was withdrawn by its makers in 2019.
"""

import re
from pathlib import Path

import numpy as np

from data.datasets.layout import choose_part, find_root
from data.datasets.tracking import Problem, TrackingDataset, TruthSequence, Window, first_of_each, sound_rows
from data.errors import UserError
from data.foreign import read_text
from data.formats.camera_rows import CameraRows, check_camera_rows
from data.formats.mat import read_mat
from data.listing import listed
from data.records import DoubleArray

CAMERAS = 8
# The devkit: frame of all cameras (from 1) at which each camera's video starts, and frames of each video.
STARTS = (5543, 3607, 27244, 31182, 1, 22402, 18968, 46766)
LENGTHS = (359580, 360720, 355380, 374850, 366390, 344400, 337680, 353220)
FPS = 60000 / 1001
_TRAIN = ("trainval", "trainData")
_SPLITS = {
    "trainval": (_TRAIN, 47720, 227540),
    "trainval_mini": (_TRAIN, 127720, 187540),
    "train": (_TRAIN, 47720, 187540),
    "val": (_TRAIN, 187541, 227540),
    "test_easy": (("testData", "testData"), 263504, 356648),
    "test_hard": (("testHardData", "testHardData"), 227541, 263503),
}
WINDOWS = {name: Window(first - 1, last - 1) for name, (_, first, last) in _SPLITS.items()}
_ASSIGNED = re.compile(r"\w+\{(\d)\}\s*=\s*\[([^\]]*)\]")


def read_dukemtmc(root: Path, split: str) -> TrackingDataset:
    """Read the trajectories of all cameras within a window.

    Args:
        root: the data set's folder.
        split: key of ``WINDOWS``; "" is "trainval".

    Raises:
        UserError: the file is not there, of another layout, or holds objects; a row is broken, or none is in the
            window.
    """
    part = choose_part(split, "trainval", list(_SPLITS), "DukeMTMC")
    stem, key = _SPLITS[part][0]
    place = find_root(
        root, "DukeMTMC", (f"{stem}.mat",), ("ground_truth", "gt", "gt/DukeMTMCT", "DukeMTMC/ground_truth")
    )
    path = place / f"{stem}.mat"
    rows = check_camera_rows(str(path), _matrix(path, key), 1, ("camera", "id", "frame"), 7)
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
        sequence, found = _sequence(camera, rows.of_camera(camera), WINDOWS[part], regions.get(camera))
        if not len(sequence.truth):
            problems.append(Problem("missing sequence", str(path), 1, f"camera {camera} has no row in the window"))
        problems += found
        sequences.append(sequence)
    if not any(len(one.truth) for one in sequences):
        _, first, last = _SPLITS[part]
        raise UserError(f"{path}: no row lies in the window of {part}, frames {first} to {last} of all cameras")
    return TrackingDataset(
        name="dukemtmc", root=root, split=part, sequences=tuple(sequences), one_site=True, shared_ids=True,
        frame_base=1, window=WINDOWS[part], problems=tuple(problems),
    )  # fmt: skip


def _sequence(
    camera: int, rows: CameraRows, window: Window, region: DoubleArray | None
) -> tuple[TruthSequence, list[Problem]]:
    """One camera's rows in the window, frames of its own video."""
    name, length, offset = f"camera{camera}", LENGTHS[camera - 1], STARTS[camera - 1] - 1
    problems = []
    beyond = int((rows.frames >= length).sum())
    if beyond:
        problems.append(Problem("row beyond the last frame", name, beyond))
    first, last = window.first - offset, min(window.last - offset, length - 1)
    rows = rows.select(np.asarray((rows.frames >= first) & (rows.frames <= last), bool))
    table, twice = first_of_each(name, rows.table())
    table, flat = sound_rows(name, table)
    places = rows.xy[table.rows]
    return (
        TruthSequence(
            name=name, length=length, truth=table, fps=FPS, size=(1920, 1080),
            places=places if len(places) and np.isfinite(places).all() else None, region=region, offset=offset,
        ),
        problems + twice + flat,
    )  # fmt: skip


def _matrix(path: Path, key: str) -> DoubleArray:
    found = read_mat(path, (key,))
    if key not in found:
        raise UserError(f"{path} is no truth of DukeMTMC: it lacks {key}")
    value = found[key]
    if value.dtype.kind not in "iufb" or value.ndim != 2:
        raise UserError(f"{path}: {key} is no matrix of numbers but {value.dtype} of {value.ndim} dimensions")
    return np.asarray(value, np.float64)


def _regions(root: Path) -> tuple[dict[int, DoubleArray], list[Problem]]:
    """Polygons by camera, from the devkit's file in the folder or below it."""
    path = next(iter(listed(root, "getROIs.m", "*/getROIs.m", "*/*/getROIs.m")), None)
    if path is None:
        return {}, [
            Problem("missing file", str(root / "getROIs.m"), 1, "no region of interest: the whole picture counts")
        ]
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
