"""AI City Challenge, multi-camera people tracking (2024): 3-D HOTA of places in metres; besides, identities of boxes.

Predictions are one text file of rows of camera, id, frame, left, top, width, height, x, y for all scenes, whose
cameras have numbers of their own, or ``<scene>.txt`` each; or, for a single scene, a run. A person has one place in a
frame, that of the first of its rows. HOTA's similarity is 1 - distance / 2 m; a scene is as long as the last row of
either side; the whole is the mean of the scenes. Boxes are not part of the challenge's score since 2024; IDF1 over
cameras at IoU 0.5 was that of 2023.

Source: the challenge's evaluator (``MTMC_Tracking_2024/eval``, TrackEval's points in the plane) and its page "2024 data
and evaluation".
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.datasets.aicity import find_scenes, first_places
from data.datasets.registry import read_dataset
from data.datasets.tracking import GroundPlaces, TrackingDataset
from data.errors import UserError
from data.formats.camera_rows import CameraRows
from data.formats.mot import MotTable
from data.formats.submissions import camera_number
from data.formats.world import WorldTable
from data.listing import by_stem, listed
from pipeline.evaluation.benchmarks.request import BenchmarkRequest
from pipeline.evaluation.benchmarks.result import BenchmarkResult, Cell, Table
from pipeline.evaluation.benchmarks.rows import by_camera, read_rows
from pipeline.evaluation.evaluate_ground import find_places, read_places
from pipeline.evaluation.ground import GroundComparison
from pipeline.evaluation.hota import HotaTally, hota_tally
from pipeline.evaluation.identity import identity_units
from pipeline.evaluation.pairs import Comparison, join
from pipeline.evaluation.predictions import read_predictions
from pipeline.evaluation.rules import Rule
from pipeline.evaluation.sequences import pair_sequences

_SHARES = ("HOTA", "DetA", "AssA", "LocA")


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """Predictions of one scene.

    Attributes:
        boxes: by camera; None where there is no file.
        places: of people.
        lines: what is to be said of reading them.
    """

    boxes: Mapping[str, MotTable | None]
    places: WorldTable
    lines: list[str]


@dataclass(frozen=True, slots=True)
class _Scene:
    """Counts of one scene."""

    hota: HotaTally
    identities: dict[str, float]
    lines: list[str]


def score(request: BenchmarkRequest) -> BenchmarkResult:
    """Score every scene; the whole is the mean of the scenes' figures, as on the challenge's board."""
    names = [request.split] if request.split else request.choose(list(find_scenes(request.root)))
    truths = {name: read_dataset(request.dataset, request.root, name) for name in names}
    warnings: list[str] = []
    found = _predictions(request, truths, warnings)
    limit = next(iter(truths.values())).ground_limit_m if request.ground_m is None else request.ground_m
    scenes = {name: _score(truth, found[name], limit) for name, truth in truths.items()}
    for name, truth in truths.items():
        lines = [*map(str, truth.problems), *found[name].lines, *scenes[name].lines]
        warnings += lines if len(truths) == 1 else [f"{name}: {line}" for line in lines]
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
        f"places: 1 - distance / {limit:g} m; boxes: {Rule()}, ids over all cameras; mean of the scenes",
        (table,),
        dict(zip(columns[1:], values, strict=True)),
        warnings=tuple(warnings),
    )


def _predictions(
    request: BenchmarkRequest, truths: Mapping[str, TrackingDataset], warnings: list[str]
) -> dict[str, _Found]:
    """Predictions of each scene; what belongs to none is named and counted in the warnings."""
    if request.pred.is_file():
        rows = read_rows(request.pred, "AI City", 0, 9)
        everywhere = [name for truth in truths.values() for name in truth.names]
        if len(set(everywhere)) < len(everywhere):
            raise UserError(f"{request.root}: scenes share camera numbers; give <scene>.txt each in a folder")
        warnings += by_camera(rows, everywhere)[1]
        return {name: _of_rows(truth, rows) for name, truth in truths.items()}
    if (request.pred / "tracks").is_dir():
        if len(truths) > 1:
            raise UserError(f"{request.pred} is one run; choose --split from {', '.join(truths)}")
        return {name: _of_run(truth, request) for name, truth in truths.items()}
    if not request.pred.is_dir():
        raise UserError(f"{request.pred} is neither a file nor a folder of predictions")
    files = by_stem(listed(request.pred, "*.txt"))
    for name in sorted(set(files) - set(truths)):
        count = len(read_rows(files[name], "AI City", 0, 9))
        warnings.append(f"{name}: predictions without a truth ({count} rows), not scored")
    missing = [name for name in truths if name not in files]
    if missing and not request.allow_missing:
        raise UserError(f"{request.pred} has no {missing[0]}.txt; --allow-missing scores it as empty")
    found = {}
    for name, truth in truths.items():
        if name in files:
            rows = read_rows(files[name], "AI City", 0, 9)
            found[name] = _of_rows(truth, rows, by_camera(rows, truth.names)[1])
        else:
            found[name] = _Found(dict.fromkeys(truth.names), _world(None), [])
    return found


def _of_rows(truth: TrackingDataset, rows: CameraRows, lines: list[str] | None = None) -> _Found:
    found = by_camera(rows, truth.names)[0]
    tables = {name: one.table if len(one.table) else None for name, one in found.items()}
    mine = rows.select(np.isin(rows.cameras, [camera_number(name) for name in truth.names]))
    return _Found(tables, _world(first_places(mine)), lines or [])


def _of_run(truth: TrackingDataset, request: BenchmarkRequest) -> _Found:
    boxes, lines = read_predictions(request.pred, truth.names, truth.names, request.allow_missing)
    groups: dict[str, Path] = find_places(request.pred / "world")
    if len(groups) > 1:
        raise UserError(f"{request.pred} has places of {len(groups)} groups; the cameras of a scene are one group")
    fps = request.fps or truth.sequences[0].fps
    return _Found(boxes, read_places(next(iter(groups.values())), None if math.isnan(fps) else fps), lines)


def _score(truth: TrackingDataset, found: _Found, limit_m: float) -> _Scene:
    true = _world(truth.ground)
    length = 1 + max(int(side.frames.max(initial=-1)) for side in (true, found.places))
    places = GroundComparison.of(true, found.places, length, limit_m)
    rule = Rule()
    sequences, lines = pair_sequences(truth, found.boxes, rule)
    cameras = [Comparison.of(one.truth, one.predictions, one.length) for one in sequences]
    return _Scene(hota_tally(places), identity_units(join(cameras), rule.iou).fractions(), lines)


def _world(places: GroundPlaces | None) -> WorldTable:
    if places is None:
        none = np.zeros(0, np.int64)
        return WorldTable.make(none, none, np.zeros((0, 2)))
    return WorldTable.make(places.frames, places.ids, places.xy)
