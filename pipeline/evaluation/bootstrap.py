"""Confidence intervals by resampling sequences or identities.

Source: Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13: the percentile interval.
"""

from collections.abc import Callable, Mapping

import numpy as np

from data.errors import UserError
from data.records import IntArray

Interval = tuple[float, float]


def bootstrap(
    units: int,
    measure: Callable[[IntArray], Mapping[str, float]],
    seed: int,
    resamples: int = 1000,
    level: float = 0.95,
) -> dict[str, Interval]:
    """Percentile intervals of some measures.

    Args:
        units: number of units (sequences, identities); at least two, because one tells nothing of the others.
        measure: gives the measures when unit i counts ``weights[i]`` times.
        seed: the same seed gives the same intervals.
        resamples: how often units are drawn with replacement.
        level: share of the resamples inside the interval.

    Raises:
        UserError: there are fewer than two units.
    """
    if units < 2:
        raise UserError(f"an interval needs at least two sequences or identities, there is {units}; leave it out")
    draws = np.random.default_rng(seed).integers(0, units, (resamples, units))
    found = [measure(np.bincount(draw, minlength=units)) for draw in draws]
    tails = (100 * (1 - level) / 2, 100 * (1 + level) / 2)
    intervals = {}
    for name in found[0]:
        low, high = np.percentile([values[name] for values in found], tails)
        intervals[name] = (float(low), float(high))
    return intervals
