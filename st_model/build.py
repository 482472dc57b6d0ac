"""Building a transition model in seconds from visits."""

from typing import Any

import numpy as np

from data.records import DoubleArray, IntArray
from st_model.config import LagModelConfig
from st_model.counts import LagCounts, TransitionCounts, quantise
from st_model.model import TransitionModel, lag_bins, model_from_counts
from st_model.visits import Visits


def count_lags(
    sources: IntArray, targets: IntArray, lags_s: DoubleArray, weights: DoubleArray, cameras: int, bin_s: float
) -> tuple[LagCounts, DoubleArray]:
    """Count lags per ordered camera pair.

    Args:
        sources: (K,) camera left.
        targets: (K,) camera entered.
        lags_s: (K,) seconds.
        weights: (K,) soft counts.
        cameras: C.
        bin_s: bin width, seconds.

    Returns:
        The counts of lags that are not negative, and (C, C) soft counts of those that are (both views at once).
    """
    bins = lag_bins(lags_s, bin_s)
    counted = bins >= 0
    overlap = np.bincount(
        sources[~counted] * cameras + targets[~counted], quantise(weights[~counted]), cameras * cameras
    )
    counts = LagCounts.collect(sources[counted], targets[counted], bins[counted], weights[counted])
    return counts, overlap.reshape(cameras, cameras)


def count_transitions(visits: Visits, bin_s: float) -> TransitionCounts:
    """Count the lags between visits of one person.

    ``next`` takes consecutive visits by time of entering, re-entry into the same camera included; ``any`` every pair,
    earlier to later. A pair weighs the product of its visits' weights.

    Args:
        visits: sorted visits.
        bin_s: bin width, seconds, > 0.
    """
    count = len(visits.cameras)
    last = np.ones(len(visits), bool)
    last[:-1] = visits.identities[1:] != visits.identities[:-1]
    earlier: list[IntArray] = []
    later: list[IntArray] = []
    rows = np.arange(len(visits) - 1) if len(visits) else np.zeros(0, np.int64)
    step = 1
    while len(rows):
        rows = rows[rows + step < len(visits)]
        rows = rows[visits.identities[rows] == visits.identities[rows + step]]
        earlier.append(rows)
        later.append(rows + step)
        step += 1

    def collect(a: IntArray, b: IntArray) -> tuple[LagCounts, DoubleArray]:
        lags = visits.enter_s[b] - visits.leave_s[a]
        weights = visits.weights[a] * visits.weights[b]
        return count_lags(visits.camera[a], visits.camera[b], lags, weights, count, bin_s)

    none = np.zeros(0, np.int64)
    next_, overlaps = collect(earlier[0] if earlier else none, later[0] if later else none)
    any_, _ = collect(np.concatenate([none, *earlier]), np.concatenate([none, *later]))
    weights = quantise(visits.weights)
    return TransitionCounts(
        visits.cameras,
        bin_s,
        next_,
        any_,
        np.bincount(visits.camera, weights, count),
        np.bincount(visits.camera[last], weights[last], count),
        overlaps,
    )


def build_model(
    visits: Visits, bin_s: float, settings: LagModelConfig | None = None, meta: dict[str, Any] | None = None
) -> TransitionModel:
    """Transition model of labelled visits.

    Args:
        visits: sorted visits of any number of people.
        bin_s: bin width, seconds, > 0.
        settings: priors, range and bandwidth; None takes the defaults.
        meta: provenance, plain JSON values.
    """
    counts = count_transitions(visits, bin_s)
    return model_from_counts(counts, settings or LagModelConfig(), meta or {})
