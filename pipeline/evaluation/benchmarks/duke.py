"""DukeMTMC: eight cameras, identities over all of them.

Layout: ``ground_truth/trainval.mat`` (or the file beside it) with a matrix ``trainData`` of rows camera, id, frame,
left, top, width, height[, world x, world y], frames from 1 in each camera. Predictions are one text file of such rows,
or ``camera<k>.txt`` in MOT format with the same frames. ``rois.json``, an object camera -> polygon in pixels, is the
devkit's regions of interest; predictions whose feet are outside are not scored.

Windows are counted on the common clock, which starts each camera at a frame of its own. Pictures: IoU 0.5. World: less
than 1 m apart, where both sides have the last two columns.

Source: Ristani et al., "Performance Measures and a Data Set for Multi-Target, Multi-Camera Tracking", 2016, and its
evaluation kit. DukeMTMC was withdrawn in 2019: nothing here fetches it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.errors import UserError
from data.foreign import read_json, read_text
from data.formats.mat import read_mat
from data.formats.mot import MotTable, read_mot
from data.formats.world import WorldTable
from data.listing import listed
from data.records import DoubleArray
from pipeline.evaluation.benchmarks.boxes import score_cameras
from pipeline.evaluation.benchmarks.request import BenchmarkRequest
from pipeline.evaluation.benchmarks.result import BenchmarkResult, Table
from pipeline.evaluation.ground import GroundComparison, near_pairs
from pipeline.evaluation.identity import IdentityUnits, identity_units
from pipeline.evaluation.layout import Sequence, find_prediction
from pipeline.evaluation.region import inside, within
from pipeline.evaluation.rules import Rule

STARTS = (5543, 3607, 27244, 31182, 1, 22402, 18968, 46766)
WINDOWS = {
    "trainval": (47720, 227540),
    "trainval_mini": (127720, 187540),
    "test_easy": (263504, 356648),
    "test_hard": (227541, 263503),
}
_FILES = {
    "trainval": ("trainval.mat", "trainData"),
    "trainval_mini": ("trainval.mat", "trainData"),
    "test_easy": ("testData.mat", "testData"),
    "test_hard": ("testHardData.mat", "testHardData"),
}
_COLUMNS, _WORLD_COLUMNS = 7, 9
_LIMIT_M = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class DukeRows:
    """Rows of all cameras within a window, frames on the common clock, from the window's first.

    Attributes:
        boxes: by camera, 1 to 8.
        places: by camera, metres; empty where the file has none.
    """

    boxes: dict[int, MotTable]
    places: dict[int, WorldTable]


def read_truth(root: Path, split: str) -> DoubleArray:
    """(N, 7 or 9) rows as published.

    Raises:
        UserError: the file is absent, no MATLAB file of numbers, or has another layout.
    """
    file, key = _FILES[split]
    path = next((place for place in (root / "ground_truth" / file, root / file) if place.is_file()), None)
    if path is None:
        raise UserError(f"{root}: expected ground_truth/{file} of DukeMTMC")
    content = read_mat(path, [key])
    if key not in content:
        raise UserError(f"{path} has no matrix {key}; is it DukeMTMC's {file}?")
    return check_rows(np.asarray(content[key]), str(path))


def read_predictions(pred: Path) -> tuple[DoubleArray, list[str]]:
    """Predicted rows in the same columns, and names of files that are of no camera.

    Raises:
        UserError: there are none, or a file is broken.
    """
    if pred.is_file():
        lines = [line.replace(",", " ").split() for line in read_text(pred).splitlines() if line.strip()]
        try:
            return check_rows(np.array(lines, np.float64), str(pred)), []
        except ValueError:
            raise UserError(
                f"{pred}: expected rows of camera, id, frame, left, top, width, height[, x, y], all of one length"
            ) from None
    rows = [np.zeros((0, _COLUMNS))]
    for camera in range(1, len(STARTS) + 1):
        path = find_prediction(pred, f"camera{camera}")
        if path is not None:
            table = read_mot(path, "tracks")
            sides = table.boxes[:, 2:] - table.boxes[:, :2]
            whose = np.stack([np.full(len(table), camera), table.ids, table.frames + 1], axis=1)
            rows.append(np.hstack([whose, table.boxes[:, :2], sides]))
    if len(rows) == 1:
        raise UserError(f"{pred} has neither camera1.txt to camera8.txt nor is it one file of DukeMTMC's rows")
    known = {f"camera{camera}" for camera in range(1, len(STARTS) + 1)}
    found = {path.stem for path in listed(pred, "*.txt", "tracks/*.txt")}
    return np.concatenate(rows), sorted(found - known)


def check_rows(rows: np.ndarray, where: str) -> DoubleArray:
    """The rows as float64.

    Raises:
        UserError: they are no numbers, of another width, of an unknown camera, or repeat an id in a frame.
    """
    if rows.dtype.kind not in "iuf" or rows.ndim != 2 or rows.shape[1] < _COLUMNS:
        raise UserError(f"{where}: a matrix {rows.shape} of {rows.dtype}; expected numbers in 7 or 9 columns")
    values = rows.astype(np.float64)
    if not np.isfinite(values[:, :_COLUMNS]).all():
        raise UserError(f"{where}: a row has a value that is not finite; mend or remove it")
    strange = ~np.isin(values[:, 0], range(1, len(STARTS) + 1))
    if strange.any():
        raise UserError(f"{where}: {int(strange.sum())} rows of camera {values[strange][0, 0]:g}; there are 1 to 8")
    if (values[:, 2] < 1).any():
        raise UserError(f"{where}: frame {values[:, 2].min():g}; DukeMTMC counts frames from 1")
    if (values[:, 5:7] <= 0).any():
        raise UserError(f"{where}: {int((values[:, 5:7] <= 0).any(axis=1).sum())} boxes have no size; remove them")
    _, counts = np.unique(values[:, :3], axis=0, return_counts=True)
    if (counts > 1).any():
        raise UserError(f"{where}: {int((counts > 1).sum())} ids are given twice in a frame of a camera")
    return values


def in_window(rows: DoubleArray, window: tuple[int, int]) -> DukeRows:
    """Rows of the window, by camera."""
    first, last = window
    boxes, places = {}, {}
    for camera, start in enumerate(STARTS, 1):
        mine = rows[rows[:, 0] == camera]
        frames = mine[:, 2].astype(np.int64) + start - 1 - first
        corners = np.hstack([mine[:, 3:5], mine[:, 3:5] + mine[:, 5:7]])
        ids = mine[:, 1].astype(np.int64)
        boxes[camera] = within(MotTable.make(frames, ids, corners), 0, last - first)
        if rows.shape[1] >= _WORLD_COLUMNS:
            kept = (frames >= 0) & (frames <= last - first)
            places[camera] = WorldTable.make(frames[kept], ids[kept], mine[kept, 7:9])
    return DukeRows(boxes, places)


def score(request: BenchmarkRequest) -> BenchmarkResult:
    """Score each camera and all together, in pictures, and in the world where both sides have places."""
    split = request.split or "trainval"
    if split not in WINDOWS:
        raise UserError(f"DukeMTMC has no split '{split}'; there are: {', '.join(WINDOWS)}")
    window = WINDOWS[split]
    length = window[1] - window[0] + 1
    truth = in_window(read_truth(request.root, split), window)
    given, strange = read_predictions(request.pred)
    in_time = in_window(given, window)
    warnings = [f"{name}: predictions of no camera of DukeMTMC, not scored" for name in strange]
    outside = len(given) - sum(len(table) for table in in_time.boxes.values())
    if outside:
        warnings.append(f"{outside} predicted rows are outside the window {window[0]}-{window[1]} and are left out")
    regions = read_regions(request.root)
    if not regions:
        warnings.append("no rois.json: predictions outside the regions of interest are scored, unlike the devkit")
    stands = _in_regions(given, regions)
    for camera in regions:
        left_out = len(in_time.boxes[camera]) - len(in_window(given[stands], window).boxes[camera])
        if left_out:
            warnings.append(f"camera{camera}: {left_out} predictions stand outside its region and are left out")
    found = in_window(given[stands], window)
    sequences = []
    for name in request.choose([f"camera{camera}" for camera in truth.boxes if len(truth.boxes[camera])]):
        camera = int(name.removeprefix("camera"))
        table = found.boxes[camera]
        if not len(table):
            warnings.append(f"{name}: no predictions, scored as empty ({len(truth.boxes[camera])} true rows)")
        sequences.append(Sequence(name, length, truth.boxes[camera], table, 0, not len(table)))
    if not sequences:
        raise UserError(f"{request.root}: no true row lies in the window {window[0]}-{window[1]} of {split}")
    scores = score_cameras(sequences, Rule(), True, request.seed, str(request.pred))
    tables, figures = scores.tables, dict(scores.figures)
    if truth.places and found.places:
        cameras = [int(one.name.removeprefix("camera")) for one in sequences]
        world = in_world(truth.places, found.places, cameras, length).fractions()
        tables = (*tables, Table("world, less than 1 m apart", ("name", *world), (("all cameras", *world.values()),)))
        figures |= {f"world {name}": value for name, value in world.items()}
    return BenchmarkResult(
        "dukemtmc",
        f"{split}, frames {window[0]}-{window[1]}; {Rule()}; ids over all cameras",
        tables,
        figures,
        scores.intervals,
        scores.units,
        tuple(warnings),
    )


def _in_regions(rows: DoubleArray, regions: Mapping[int, DoubleArray]) -> NDArray[np.bool_]:
    """Which rows stand in the region of their camera; all where it has none."""
    feet = np.stack([rows[:, 3] + rows[:, 5] / 2, rows[:, 4] + rows[:, 6]], axis=1)
    kept = np.ones(len(rows), bool)
    for camera, corners in regions.items():
        mine = np.flatnonzero(rows[:, 0] == camera)
        kept[mine] = inside(feet[mine], corners)
    return kept


def read_regions(root: Path) -> dict[int, DoubleArray]:
    """Polygons by camera, (P, 2) px; empty where there is no ``rois.json``.

    Raises:
        UserError: the file is no object of polygons.
    """
    path = root / "rois.json"
    if not path.exists():
        return {}
    try:
        return {
            int(camera): np.array(corners, np.float64).reshape(-1, 2) for camera, corners in read_json(path).items()
        }
    except (AttributeError, TypeError, ValueError):
        raise UserError(f"{path}: expected an object of camera numbers and polygons [[x, y], ...]") from None


def in_world(
    truth: Mapping[int, WorldTable], found: Mapping[int, WorldTable], cameras: list[int], length: int
) -> IdentityUnits:
    """Identities over all cameras by distance in the world: one camera after the other in time."""

    def joined(tables: Mapping[int, WorldTable]) -> WorldTable:
        parts = [tables[camera] for camera in cameras]
        frames = np.concatenate([part.frames + number * length for number, part in enumerate(parts)])
        return WorldTable.make(
            frames, np.concatenate([part.ids for part in parts]), np.concatenate([part.xy for part in parts])
        )

    true, given = joined(truth), joined(found)
    whole = length * len(cameras)
    pairs = near_pairs(true, given, whole, _LIMIT_M)
    return identity_units(GroundComparison(true, given, pairs, whole), 0.0)
