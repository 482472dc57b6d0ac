"""DukeMTMC: identities over eight cameras, in pictures and in the world.

Predictions are ``camera<k>.txt`` or a run, frames of each camera's video; or one text file of rows of camera, id,
frame, left, top, width, height[, world x, world y], frames from 1. Both sides count within the window of the split,
predictions where their feet stand in the camera's region. Pictures: IoU at least 0.5. World, where the file has places:
at most 1 m apart, one camera after the other.

Source: the DukeMTMC evaluation kit, ``evaluateDukeMTMC.m``, ``IDmeasures.m`` and ``costFunction.m``.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from data.datasets.registry import read_dataset
from data.datasets.tracking import TrackingDataset, TruthSequence
from data.formats.world import WorldTable
from data.records import DoubleArray, IntArray
from pipeline.evaluation.benchmarks.dataset import score as score_folder
from pipeline.evaluation.benchmarks.dataset import score_found
from pipeline.evaluation.benchmarks.request import BenchmarkRequest
from pipeline.evaluation.benchmarks.result import BenchmarkResult, Table
from pipeline.evaluation.benchmarks.rows import FoundRows, by_camera, read_rows
from pipeline.evaluation.ground import GroundComparison, near_pairs
from pipeline.evaluation.identity import IdentityUnits, identity_units
from pipeline.evaluation.region import feet_inside

# The kit misses what is more than 1 m away; pairs of exactly 1 m match.
_LIMIT_M = float(np.nextafter(1.0, 2.0))


def score(request: BenchmarkRequest) -> BenchmarkResult:
    """Score each camera and all together, in pictures, and in the world where both sides have places."""
    if not request.pred.is_file():
        return score_folder(request)
    truth = read_dataset(request.dataset, request.root, request.split)
    rows, lines = by_camera(read_rows(request.pred, "DukeMTMC", 1), truth.names)
    chosen = truth.choose(request.sequences)
    found = {name: rows[name].table if len(rows[name].table) else None for name in chosen}
    result = score_found(truth, found, lines, request)
    units = in_world(truth, {name: rows[name] for name in chosen})
    if units is None:
        return result
    shares = units.fractions()
    table = Table("world, at most 1 m apart", ("name", *shares), (("all cameras", *shares.values()),))
    figures = {**result.figures, **{f"world {name}": value for name, value in shares.items()}}
    return replace(result, tables=(*result.tables, table), figures=figures)


def in_world(truth: TrackingDataset, found: Mapping[str, FoundRows]) -> IdentityUnits | None:
    """Identities over cameras by distance in the world; None where a side has no places.

    Args:
        truth: of all cameras.
        found: predictions of those that are scored.
    """
    cameras = [truth.sequence(name) for name in found]
    lacking = [one for one in cameras if len(one.truth) and one.places is None]
    if lacking or any(rows.places is None for rows in found.values()):
        return None
    length = max(one.length for one in cameras)
    none = np.zeros((0, 2))
    true, given = [], []
    for number, one in enumerate(cameras):
        start = number * length
        places = none if one.places is None else one.places
        true.append((one.truth.frames + start, one.truth.ids, places))
        rows = found[one.name]
        kept = _counts(truth, one, rows)
        given.append(
            (
                rows.table.frames[kept] + start,
                rows.table.ids[kept],
                (none if rows.places is None else rows.places)[kept],
            )
        )
    sides = [_table(side) for side in (true, given)]
    whole = length * len(cameras)
    pairs = near_pairs(sides[0], sides[1], _LIMIT_M)
    return identity_units(GroundComparison(sides[0], sides[1], pairs, whole), 0.0)


def _counts(truth: TrackingDataset, one: TruthSequence, rows: FoundRows) -> IntArray:
    """The predictions that count: in the window and in the region."""
    frames = rows.table.frames
    kept = frames < one.length
    if truth.window is not None:
        kept &= (frames + one.offset >= truth.window.first) & (frames + one.offset <= truth.window.last)
    if one.region is not None:
        kept &= feet_inside(rows.table.boxes, one.region)
    return np.flatnonzero(kept)


def _table(parts: list[tuple[IntArray, IntArray, DoubleArray]]) -> WorldTable:
    frames, ids, places = (np.concatenate([part[column] for part in parts]) for column in range(3))
    return WorldTable.make(frames, ids, places)
