"""Shared neighbours as a cue: k-reciprocal re-ranking over tracklets."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from data.records import DoubleArray, FloatArray, IntArray
from pipeline.association.config import RerankConfig
from pipeline.association.cue import CandidatePairs, Cue, CueInput
from pipeline.association.pair_codes import pair_codes
from reid.ranking.reciprocal import encode
from reid.ranking.rerank import Neighbourhood, auto_neighbourhood

NAME = "rerank"

_BLOCK_PAIRS = 1 << 16


def shared_neighbours(given: CueInput, pairs: CandidatePairs, cues: Sequence[Cue], total: DoubleArray) -> Cue | None:
    """What shared neighbours add to all other cues together."""
    if not given.config.rerank.enabled or not len(pairs):
        return None
    llr, facts = rerank_cue(pairs.a, pairs.b, total, given.config.rerank)
    return Cue(NAME, llr, facts={NAME: facts})


def rerank_cue(a: IntArray, b: IntArray, odds: DoubleArray, config: RerankConfig) -> tuple[DoubleArray, dict[str, Any]]:
    """What the neighbours two tracklets share add to their log odds.

    Near is who is likely the same person by all other cues. total = keep odds + shift - weight J with J the
    k-reciprocal Jaccard distance. ``keep`` and ``weight`` are shipped (logistic regression on Market-1501); ``shift``
    is the run's own: it leaves the expected number of pairs that are one person as it was.

    Args:
        a: (E,) row of the table, candidate pairs.
        b: (E,) row of the table.
        odds: (E,) log odds by the other cues.
        config: settings.

    Returns:
        (E,) log-likelihood ratio, NaN where not used (few tracklets per person, or few at all); and facts for the
        manifest.
    """
    rows, place = np.unique(np.concatenate([a, b]), return_inverse=True)
    left, right = place[: len(a)], place[len(a) :]
    per_person = 1.0 + 2.0 * float(expit(odds).sum()) / max(len(rows), 1)
    facts: dict[str, Any] = {"used": False, "tracklets_per_person": round(per_person, 2)}
    parameters = auto_neighbourhood(len(rows), per_person)
    if parameters is None or per_person < config.min_per_person:
        return np.full(len(a), np.nan), facts
    jaccard = pair_jaccard(left, right, expit(-odds), len(rows), parameters)
    bent = config.keep * odds - config.weight * jaccard
    expected = expit(odds).sum()
    shift = brentq(lambda value: float(expit(bent + value).sum() - expected), -100.0, 100.0, xtol=1e-9)
    facts |= {"used": True, "k1": parameters.k1, "k2": parameters.k2, "shift": round(float(shift), 4)}
    return bent + shift - odds, facts


def pair_jaccard(a: IntArray, b: IntArray, distance: DoubleArray, total: int, parameters: Neighbourhood) -> DoubleArray:
    """k-reciprocal Jaccard distance of known pairs; pairs that are not given are far apart.

    Args:
        a: (E,) items of 0 .. total - 1.
        b: (E,) items.
        distance: (E,) >= 0.
        total: number of items.
        parameters: k1 and k2; lambda is not used.

    Returns:
        (E,) float64, 0-1. Nothing of size total x total is stored.
    """
    source, target = np.concatenate([a, b]), np.concatenate([b, a])
    squared = np.concatenate([distance, distance]) ** 2
    ranks = _neighbour_lists(source, target, squared, total, max(parameters.k1 + 1, parameters.k2))
    largest = np.full(total, 1e-12)
    np.maximum.at(largest, source, squared)
    order = np.argsort(pair_codes(a, b, total), kind="stable")
    codes = pair_codes(a, b, total)[order]

    def normalised(items: IntArray, others: IntArray) -> FloatArray:
        wanted = pair_codes(items, others, total)
        place = np.minimum(np.searchsorted(codes, wanted), len(codes) - 1)
        found = np.where(codes[place] == wanted, distance[order[place]] ** 2 / largest[items], 1.0)
        return np.where(items == others, 0.0, found).astype(np.float32)

    vectors = encode(ranks, parameters.k1, parameters.k2, normalised)
    result = np.empty(len(a))
    for start in range(0, len(a), _BLOCK_PAIRS):
        part = slice(start, start + _BLOCK_PAIRS)
        shared = np.asarray(vectors[a[part]].minimum(vectors[b[part]]).sum(axis=1)).ravel()
        result[part] = 1.0 - shared / (2.0 - shared)
    return result


def _neighbour_lists(source: IntArray, target: IntArray, distance: DoubleArray, total: int, length: int) -> IntArray:
    """Each item itself and its nearest others, nearest first; filled up with the item itself: (total, length)."""
    order = np.lexsort((target, distance, source))
    first = np.searchsorted(source[order], np.arange(total))
    rank = np.arange(len(order)) - first[source[order]] + 1
    lists = np.repeat(np.arange(total)[:, None], length, axis=1)
    kept = rank < length
    lists[source[order][kept], rank[kept]] = target[order][kept]
    return lists
