"""AI City Challenge, multi-camera 3-D perception (2025, 2026): 3-D HOTA of upright boxes.

Predictions are one text file of rows of scene, class, id, frame, x, y, z, width, length, height, yaw for all scenes,
the scene being the last number in its name; or ``<scene>.txt`` each. HOTA's similarity is the boxes' IoU in three
dimensions. Each class is scored by itself; a scene is the mean of its classes that have both truth and predictions; the
whole is the mean of the scenes weighted by their true rows. The first 9000 frames count.

A run of ours has no boxes in the world: of it, boxes in pictures and places on the ground are scored, of people.

Source: the challenge's evaluator (``MTMC_Tracking_2025/eval``, later packaged in NVIDIA's spatialai_data_utils) and its
page "2025 track 1".
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from data.datasets.aicity import find_scenes
from data.datasets.aicity2025 import TRUTH_FILES
from data.datasets.registry import read_dataset
from data.datasets.tracking import TrackingDataset
from data.errors import UserError
from data.formats.solids import CLASSES, SolidTable, read_solids
from data.formats.submissions import camera_number
from data.listing import by_stem, listed
from pipeline.evaluation.benchmarks.dataset import score as score_people
from pipeline.evaluation.benchmarks.request import BenchmarkRequest
from pipeline.evaluation.benchmarks.result import BenchmarkResult, Cell, Table
from pipeline.evaluation.hota import HotaTally, hota_tally
from pipeline.evaluation.solids import SolidComparison

_FRAMES = 9000
_SHARES = ("HOTA", "DetA", "AssA", "LocA")


@dataclass(frozen=True, slots=True)
class _Scene:
    """Counts of one scene by class, and how many true rows it has."""

    classes: dict[int, HotaTally]
    rows: int
    lines: list[str]

    def shares(self) -> dict[str, float]:
        """Means over the classes; 0 where there is none."""
        each = [_means(tally) for tally in self.classes.values()]
        return {key: float(np.mean([one[key] for one in each])) if each else 0.0 for key in _SHARES}


def score(request: BenchmarkRequest) -> BenchmarkResult:
    """Score every scene by class."""
    if (request.pred / "tracks").is_dir():
        return score_people(request)
    names = [request.split] if request.split else request.choose(list(find_scenes(request.root, TRUTH_FILES)))
    truths = {name: read_dataset(request.dataset, request.root, name) for name in names}
    warnings: list[str] = []
    found = _predictions(request, truths, warnings)
    scenes = {name: _score(truth, found[name]) for name, truth in truths.items()}
    for name, truth in truths.items():
        lines = [*map(str, truth.problems), *scenes[name].lines]
        warnings += lines if len(truths) == 1 else [f"{name}: {line}" for line in lines]
    if not any(tally.true_positives.any() for scene in scenes.values() for tally in scene.classes.values()):
        raise UserError(
            f"{request.pred}: no box overlaps a true one of its class and frame; metres, radians, frames from 0?"
        )
    rows: list[tuple[Cell, ...]] = []
    for name, scene in scenes.items():
        for number, tally in scene.classes.items():
            rows.append((f"{name} {CLASSES[number]}", *_means(tally).values()))
        rows.append((name, *scene.shares().values()))
    # A scene of which no class has predictions is left out, as the evaluator does.
    scored = [scene for scene in scenes.values() if scene.classes]
    weights = np.array([scene.rows for scene in scored], np.float64)
    whole = {key: float(np.average([scene.shares()[key] for scene in scored], weights=weights)) for key in _SHARES}
    columns = ("name", *(f"{key} 3-D" for key in _SHARES))
    table = Table("scenes and classes", columns, (*rows, ("MEAN", *whole.values())), ("HOTA 3-D",))
    return BenchmarkResult(
        "aicity2025",
        f"IoU of boxes in the world, by class; scenes weighted by true rows; the first {_FRAMES} frames",
        (table,),
        {f"{key} 3-D": value for key, value in whole.items()},
        warnings=tuple(warnings),
    )


def _means(tally: HotaTally) -> dict[str, float]:
    curves = tally.curves()
    return {key: float(curves[key].mean()) for key in _SHARES}


def _predictions(
    request: BenchmarkRequest, truths: Mapping[str, TrackingDataset], warnings: list[str]
) -> dict[str, SolidTable | None]:
    """Predictions of each scene; what belongs to none is named and counted in the warnings."""
    if request.pred.is_file():
        numbers = {name: camera_number(name) for name in truths}
        if len(set(numbers.values())) < len(numbers):
            raise UserError(
                f"{request.root}: scenes share the number in their names; give <scene>.txt each in a folder"
            )
        tables = read_solids(request.pred)
        for number in sorted(set(tables) - set(numbers.values())):
            warnings.append(f"scene {number}: predictions without a truth ({len(tables[number])} rows), not scored")
        return {name: tables.get(number) for name, number in numbers.items()}
    if not request.pred.is_dir():
        raise UserError(f"{request.pred} is neither a file nor a folder of predictions")
    files = by_stem(listed(request.pred, "*.txt"))
    for name in sorted(set(files) - set(truths)):
        count = sum(map(len, read_solids(files[name]).values()))
        warnings.append(f"{name}: predictions without a truth ({count} rows), not scored")
    missing = [name for name in truths if name not in files]
    if missing and not request.allow_missing:
        raise UserError(f"{request.pred} has no {missing[0]}.txt; --allow-missing leaves the scene out")
    found: dict[str, SolidTable | None] = {}
    for name in truths:
        parts = list(read_solids(files[name]).values()) if name in files else []
        if len(parts) > 1:
            raise UserError(f"{files[name]} has rows of {len(parts)} scenes; give a file of its own to each")
        found[name] = parts[0] if parts else None
    return found


def _score(truth: TrackingDataset, found: SolidTable | None) -> _Scene:
    true = truth.solids
    if true is None:
        raise UserError(f"{truth.root}: the scene {truth.split} has no boxes in the world")
    lines = []
    for side, what in ((true, "true"), (found, "predicted")):
        late = 0 if side is None else int((side.frames >= _FRAMES).sum())
        if late:
            lines.append(f"{late} {what} rows after frame {_FRAMES - 1} are left out")
    true = true.select(true.frames < _FRAMES)
    if found is None:
        return _Scene(
            {}, len(true), [*lines, f"no predictions: the scene is left out of the mean ({len(true)} true rows)"]
        )
    found = found.select(found.frames < _FRAMES)
    length = 1 + max(int(side.frames.max(initial=-1)) for side in (true, found))
    classes = {}
    for number in np.union1d(true.class_ids, found.class_ids).tolist():
        sides = [side.select(side.class_ids == number) for side in (true, found)]
        if all(len(side) for side in sides):
            classes[number] = hota_tally(SolidComparison.of(sides[0], sides[1], length))
            continue
        which, count = ("predictions", len(sides[0])) if len(sides[0]) else ("truth", len(sides[1]))
        lines.append(
            f"class {CLASSES[number]} has no {which} and is left out of the mean ({count} rows of the other side)"
        )
    return _Scene(classes, len(true), lines)
