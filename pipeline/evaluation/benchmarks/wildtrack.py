"""WILDTRACK: seven cameras of one square, boxes over all of them and places on the ground.

The layout is read by ``data.datasets.wildtrack``: frame k of a run is the k-th annotated instant, so track the pictures
that are annotated, 2 per second.

Source: Chavdarova et al., "WILDTRACK: A Multi-Camera HD Dataset for Dense Unscripted Pedestrian Detection", CVPR 2018.
Tracks on the ground are scored within 1 m as published since: MODA, MODP and identities.
"""

import numpy as np

from data.datasets.wildtrack import read_wildtrack
from data.errors import UserError
from data.formats.mot import MotTable
from data.formats.world import WorldTable
from data.records import IntArray
from pipeline.evaluation.benchmarks.boxes import score_cameras, with_ground
from pipeline.evaluation.benchmarks.request import BenchmarkRequest
from pipeline.evaluation.benchmarks.result import BenchmarkResult
from pipeline.evaluation.evaluate_ground import find_places, score_group
from pipeline.evaluation.layout import Sequence, pair_predictions
from pipeline.evaluation.rules import Rule

_FPS = 2.0


def score(request: BenchmarkRequest) -> BenchmarkResult:
    """Score boxes over all cameras, and places where the predictions have any."""
    truth = read_wildtrack(request.root, request.split)
    cameras = {one.name: one for one in truth.sequences}
    names = request.choose(list(cameras))
    lengths = {name: cameras[name].length for name in names}
    found, warnings = pair_predictions(request.pred, lengths, request.allow_missing, list(cameras))
    warnings = [*(str(problem) for problem in truth.problems), *warnings]
    sequences = []
    for name in names:
        annotated = cameras[name].annotated
        table = found[name] if annotated is None else _at(found[name], annotated)
        if len(table) < len(found[name]):
            between = len(found[name]) - len(table)
            warnings.append(f"{name}: {between} predicted rows in frames that are not annotated are left out")
        sequences.append(Sequence(name, lengths[name], cameras[name].truth, table, 0, not len(table)))
    scores = score_cameras(sequences, Rule(), True, request.seed, str(request.pred))
    result = BenchmarkResult(
        "wildtrack",
        f"{Rule()}; ids over all cameras; {truth.sequences[0].annotated_count} annotated frames",
        scores.tables,
        scores.figures,
        scores.intervals,
        scores.units,
        tuple(warnings),
    )
    try:
        places = find_places(request.pred / "world")
    except UserError:
        return result
    limit = 1.0 if request.ground_m is None else request.ground_m
    if truth.ground is None or len(places) != 1:
        raise UserError(f"{request.pred} has places of {len(places)} groups; WILDTRACK's cameras are one group")
    table_m = WorldTable.make(truth.ground.frames, truth.ground.ids, truth.ground.xy)
    path = next(iter(places.values()))
    tally, lines = score_group(table_m, truth.sequences[0].length, path, limit, request.fps or _FPS)
    return with_ground(result, tally.fractions(), limit, lines)


def _at(table: MotTable, frames: IntArray) -> MotTable:
    return table.select(np.isin(table.frames, frames))
