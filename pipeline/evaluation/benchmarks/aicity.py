"""AI City Challenge, multi-camera people tracking (2024): IDF1 of boxes over cameras, HOTA of places in metres.

Layout: ``<scene>/ground_truth.txt``, rows ``camera id frame left top width height x y`` separated by blanks, frames
from 0, places in metres. Predictions are one file of such rows for all scenes, whose cameras have numbers of their own,
or ``<scene>.txt`` each. A person who is seen by several cameras in a frame has one place there: the mean of its rows.

3-D HOTA is HOTA with the similarity 1 - distance / 2 m, TrackEval's for points. IDF1 is that of boxes, IoU 0.5.

Source: Wang et al., "The 8th AI City Challenge", CVPR workshops 2024, section 3.1.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.errors import UserError
from data.foreign import read_text
from data.formats.mot import MotTable
from data.formats.world import WorldTable
from data.listing import by_stem, listed
from data.records import DoubleArray
from pipeline.evaluation.benchmarks.request import BenchmarkRequest
from pipeline.evaluation.benchmarks.result import BenchmarkResult, Cell, Table
from pipeline.evaluation.ground import GroundComparison
from pipeline.evaluation.hota import HotaTally, hota_tally
from pipeline.evaluation.identity import identity_units
from pipeline.evaluation.pairs import Comparison, join

_COLUMNS = 9
_ZERO_M = 2.0
_IOU = 0.5


@dataclass(frozen=True, slots=True)
class _Scene:
    """Counts of one scene."""

    hota: HotaTally
    identities: dict[str, float]


def score(request: BenchmarkRequest) -> BenchmarkResult:
    """Score every scene; the whole is the mean of the scenes' figures, as on the challenge's board."""
    files = {path.parent.name: path for path in listed(request.root, "*/ground_truth.txt")}
    if not files:
        raise UserError(f"{request.root}: expected <scene>/ground_truth.txt of the AI City Challenge, found none")
    limit = _ZERO_M if request.ground_m is None else request.ground_m
    warnings: list[str] = []
    truths = {name: read_rows(files[name]) for name in request.choose(list(files))}
    found = _predictions(request, truths, warnings)
    scenes = {name: _score(truths[name], found[name], limit) for name in truths}
    if not any(scene.hota.true_positives.any() for scene in scenes.values()):
        raise UserError(f"{request.pred}: no place is less than {limit:g} m from a true one; metres, frames from 0?")
    rows: list[tuple[Cell, ...]] = []
    for name, scene in scenes.items():
        means = {key: float(curve.mean()) for key, curve in scene.hota.curves().items()}
        rows.append((name, *(means[key] for key in _SHARES), *scene.identities.values()))
    values = np.array([row[1:] for row in rows], np.float64).mean(axis=0).tolist()
    columns = ("name", *(f"{key} 3-D" for key in _SHARES), "IDF1", "IDP", "IDR")
    table = Table("scenes", columns, (*rows, ("MEAN", *values)), ("HOTA 3-D", "IDF1"))
    return BenchmarkResult(
        "aicity",
        f"places: 1 - distance / {limit:g} m; boxes: IoU >= {_IOU:g}, ids over all cameras; mean of the scenes",
        (table,),
        dict(zip(columns[1:], values, strict=True)),
        warnings=tuple(warnings),
    )


_SHARES = ("HOTA", "DetA", "AssA", "LocA")


def read_rows(path: Path) -> DoubleArray:
    """(N, 9) rows of one file.

    Raises:
        UserError: a row has other columns, is no number, repeats an id in a frame, or has a box without size.
    """
    values = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        cells = line.replace(",", " ").split()
        if not cells:
            continue
        try:
            values.append([float(cell) for cell in cells])
        except ValueError:
            raise UserError(f"{path}:{number}: not a row of numbers: {line[:60]!r}") from None
        if len(cells) != _COLUMNS:
            raise UserError(
                f"{path}:{number}: {len(cells)} columns; expected camera id frame left top width height x y"
            )
    rows = np.array(values, np.float64).reshape(-1, _COLUMNS)
    if not np.isfinite(rows).all():
        raise UserError(f"{path}: a value is not finite; mend or remove the row")
    if (rows[:, 5:7] <= 0).any():
        raise UserError(f"{path}: {int((rows[:, 5:7] <= 0).any(axis=1).sum())} boxes have no size; remove them")
    if len(np.unique(rows[:, :3], axis=0)) < len(rows):
        raise UserError(f"{path}: an id is given twice in one frame of a camera; it may own one box there")
    return rows


def _predictions(
    request: BenchmarkRequest, truths: dict[str, DoubleArray], warnings: list[str]
) -> dict[str, DoubleArray]:
    """Rows of each scene; what belongs to none is named and counted."""
    if request.pred.is_file():
        rows = read_rows(request.pred)
        cameras = {name: np.unique(truth[:, 0]) for name, truth in truths.items()}
        everywhere = np.concatenate(list(cameras.values()))
        if len(np.unique(everywhere)) < len(everywhere):
            raise UserError(f"{request.root}: scenes share camera numbers; give <scene>.txt each in a folder")
        for camera in np.unique(rows[~np.isin(rows[:, 0], everywhere), 0]).tolist():
            count = int((rows[:, 0] == camera).sum())
            warnings.append(f"camera {camera:g}: predictions without a truth ({count} rows), not scored")
        return {name: rows[np.isin(rows[:, 0], mine)] for name, mine in cameras.items()}
    if not request.pred.is_dir():
        raise UserError(f"{request.pred} is neither a file nor a folder of predictions")
    found = by_stem(listed(request.pred, "*.txt"))
    for name in sorted(set(found) - set(truths)):
        warnings.append(f"{name}: predictions without a truth ({len(read_rows(found[name]))} rows), not scored")
    missing = [name for name in truths if name not in found]
    if missing and not request.allow_missing:
        raise UserError(f"{request.pred} has no {missing[0]}.txt; --allow-missing scores it as empty")
    warnings += [f"{name}: no file of predictions, scored as empty ({len(truths[name])} true rows)" for name in missing]
    return {name: read_rows(found[name]) if name in found else np.zeros((0, _COLUMNS)) for name in truths}


def _score(truth: DoubleArray, found: DoubleArray, limit: float) -> _Scene:
    length = int(truth[:, 2].max(initial=-1)) + 1
    found = found[found[:, 2] < length]
    places = GroundComparison.of(_places(truth), _places(found), length, limit)
    cameras = [
        Comparison.of(_boxes(truth, camera), _boxes(found, camera), length)
        for camera in np.unique(truth[:, 0]).tolist()
    ]
    return _Scene(hota_tally(places), identity_units(join(cameras), _IOU).fractions())


def _places(rows: DoubleArray) -> WorldTable:
    """One place per person and frame."""
    keys, which = np.unique(rows[:, [2, 1]].astype(np.int64), axis=0, return_inverse=True)
    counts = np.bincount(which.ravel(), minlength=len(keys))
    xy = [np.bincount(which.ravel(), rows[:, column], minlength=len(keys)) / np.maximum(1, counts) for column in (7, 8)]
    return WorldTable.make(keys[:, 0], keys[:, 1], np.stack(xy, axis=1))


def _boxes(rows: DoubleArray, camera: float) -> MotTable:
    mine = rows[rows[:, 0] == camera]
    corners = np.hstack([mine[:, 3:5], mine[:, 3:5] + mine[:, 5:7]])
    return MotTable.make(mine[:, 2].astype(np.int64), mine[:, 1].astype(np.int64), corners)
