"""Soft one-to-one matching: everybody who leaves enters at most once, and everybody who enters left at most once.

Belief propagation on the assignment problem with "nobody" as an option on both sides (Williams & Lau, "Approximate
evaluation of marginal association probabilities with belief propagation", IEEE Transactions on Aerospace and Electronic
Systems 2014): it converges, and its Bethe free energy approximates the log of the sum over all matchings.
"""

from dataclasses import dataclass

import numpy as np

from data.records import DoubleArray, IntArray

_ROUNDS = 100
_TOLERANCE = 1e-5
_BOUND = 50.0


@dataclass(frozen=True, slots=True, eq=False)
class Matching:
    """Marginals of the matchings.

    Attributes:
        probability: (K,) that each pair is matched.
        unmatched_left: (N,) that each left member has no partner.
        log_total: log of the sum over all matchings of the product of their weights, "nobody" weighing 1.
    """

    probability: DoubleArray
    unmatched_left: DoubleArray
    log_total: float


def match(left: IntArray, right: IntArray, log_weights: DoubleArray, lefts: int, rights: int) -> Matching:
    """Match soft.

    Args:
        left: (K,) member of the left side of each possible pair, below ``lefts``.
        right: (K,) member of the right side, below ``rights``.
        log_weights: (K,) log of the weight of each pair against "nobody" on both sides.
        lefts: N.
        rights: M.
    """
    weights = np.exp(np.clip(log_weights, -_BOUND, _BOUND))
    back = np.ones(len(weights))
    ahead = weights
    for _ in range(_ROUNDS if len(weights) else 0):
        flow = weights * back
        ahead = weights / np.maximum(1.0 + np.bincount(left, flow, lefts)[left] - flow, 1.0)
        fresh = 1.0 / np.maximum(1.0 + np.bincount(right, ahead, rights)[right] - ahead, 1.0)
        moved = float(np.abs(fresh - back).max())
        back = fresh
        if moved < _TOLERANCE:
            break
    flow = weights * back
    out, into = 1.0 + np.bincount(left, flow, lefts), 1.0 + np.bincount(right, ahead, rights)
    log_total = np.log(out).sum() + np.log(into).sum() - np.log1p(ahead * back).sum()
    probability: DoubleArray = np.asarray(flow / out[left], np.float64)
    return Matching(probability, np.asarray(1.0 / out, np.float64), float(log_total))
