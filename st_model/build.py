"""Building a transition model from visits."""

from typing import Any

import numpy as np

from data.records import DoubleArray, IntArray
from st_model.config import LagModelConfig
from st_model.counts import TransitionCounts, count_cameras, count_lags
from st_model.grid import LagGrid
from st_model.model import TransitionModel, model_from_counts
from st_model.visits import Visits
from st_model.walks import count_walks, walk_vectors


def count_transitions(visits: Visits, grid: LagGrid | None = None) -> TransitionCounts:
    """Count the lags between visits of one person.

    ``next`` takes consecutive visits by time of entering, re-entry into the same camera included; ``any`` every pair,
    earlier to later. A pair weighs the product of its visits' weights. Work and memory are bounded by the number of
    visits times the most visits of one person.

    Args:
        visits: sorted visits.
        grid: bins of lags; None takes the default.
    """
    grid = grid or LagGrid()
    cameras = len(visits.cameras)
    last = np.ones(len(visits), bool)
    last[:-1] = visits.identities[1:] != visits.identities[:-1]

    def collect(a: IntArray, b: IntArray) -> tuple[DoubleArray, DoubleArray]:
        lags = visits.enter_s[b] - visits.leave_s[a]
        return count_lags(
            visits.camera[a], visits.camera[b], lags, visits.weights[a] * visits.weights[b], cameras, grid
        )

    rows = np.flatnonzero(~last)
    next_, overlaps = collect(rows, rows + 1)
    moments = _count_walks(visits, rows, cameras)
    any_ = next_.copy()
    step = 2
    while len(rows):
        rows = rows[rows + step < len(visits)]
        rows = rows[visits.identities[rows] == visits.identities[rows + step]]
        if len(rows):
            any_ += collect(rows, rows + step)[0]
        step += 1
    return TransitionCounts(
        visits.cameras,
        grid,
        next_,
        any_,
        count_cameras(visits.camera, visits.weights, cameras),
        count_cameras(visits.camera[last], visits.weights[last], cameras),
        overlaps,
        moments,
        visits.gap_s,
    )


def _count_walks(visits: Visits, rows: IntArray, cameras: int) -> DoubleArray:
    """Moments of the walks from each of some visits to the next one."""
    lags = visits.enter_s[rows + 1] - visits.leave_s[rows]
    follows = rows[lags >= 0]
    walks = walk_vectors(lags[lags >= 0], visits.passages.select(follows), visits.passages.select(follows + 1))
    weights = visits.weights[follows] * visits.weights[follows + 1]
    return count_walks(visits.camera[follows], visits.camera[follows + 1], walks, weights, cameras)


def build_model(
    visits: Visits,
    grid: LagGrid | None = None,
    settings: LagModelConfig | None = None,
    meta: dict[str, Any] | None = None,
) -> TransitionModel:
    """Transition model of labelled visits.

    Args:
        visits: sorted visits of any number of people.
        grid: bins of lags; None takes the default.
        settings: priors and bandwidth; None takes the defaults.
        meta: provenance, plain JSON values.
    """
    return model_from_counts(count_transitions(visits, grid), settings, meta)
