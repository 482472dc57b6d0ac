"""Decoys: pairs that cannot be one person, judged as if they could, to learn how often strangers pass for one person.

Two people seen at once, in one camera or in two without common view, look as alike as any two people of the site, so
the evidence is wrong about them as often as it is about others. A few at a time are put among the candidates, where
they compete and share neighbours like the rest. Times say nothing of them.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from data.records import DoubleArray, IntArray
from pipeline.association.consequences import competition_of, consequences
from pipeline.association.cue import CandidatePairs, Cue, CueInput, added
from pipeline.association.pair_codes import pair_codes

_MOST_DECOYS = 3000
_MOST_NEIGHBOURS = 200

# Decoys per candidate pair, over all rounds and in one: more in one would change who is near whom.
_MOST_SHARE = 0.5
_SHARE_AT_ONCE = 0.05


def decoy_odds(given: CueInput, pairs: CandidatePairs, cues: Sequence[Cue]) -> DoubleArray:
    """Log odds by all cues but times that pairs which cannot be one person would have as candidates, (D,).

    Args:
        given: tracklets, constraints, settings.
        pairs: E candidate pairs.
        cues: what was measured of them; those that can be asked about any pair speak of decoys.
    """
    most = min(int(_MOST_SHARE * len(pairs)), _MOST_DECOYS)
    if not most or all(cue.of_pairs is None for cue in cues):
        return np.zeros(0)
    a, b = given.exclusions.at_once(_MOST_NEIGHBOURS, most)
    said = [np.full(len(a), np.nan) if cue.of_pairs is None else cue.of_pairs(a, b) for cue in cues]
    known = ~np.isnan(np.stack(said)).all(axis=0)
    a, b, said = a[known], b[known], [llr[known] for llr in said]
    rounds = -(-len(a) // max(int(_SHARE_AT_ONCE * len(pairs)), 1))
    result = np.empty(len(a))
    for first in range(rounds):
        rows = np.arange(first, len(a), rounds)
        result[rows] = _as_candidates(given, pairs, cues, CandidatePairs(a[rows], b[rows]), [x[rows] for x in said])
    return result


def _as_candidates(
    given: CueInput, pairs: CandidatePairs, cues: Sequence[Cue], decoys: CandidatePairs, said: Sequence[DoubleArray]
) -> DoubleArray:
    """Log odds of some decoys among the candidates."""
    a, b = np.concatenate([pairs.a, decoys.a]), np.concatenate([pairs.b, decoys.b])
    order = np.argsort(pair_codes(a, b, len(given.table)), kind="stable")
    both = CandidatePairs(a[order], b[order])
    extended = [_extended(cue, llr, order) for cue, llr in zip(cues, said, strict=True)]
    follows = consequences(given, both, extended, competition_of(given, both, extended))
    total = np.empty(len(both))
    total[order] = added([*extended, *follows], len(both))
    return total[len(pairs) :]


def _extended(cue: Cue, llr: DoubleArray, order: IntArray) -> Cue:
    """A cue that speaks of decoys as well; what it rests on is not asked of these."""
    silent: NDArray[np.float64] = np.full(len(llr), np.nan)
    prior = None if cue.prior_odds is None else np.concatenate([cue.prior_odds, silent])[order]
    visit = None if cue.one_visit is None else np.concatenate([cue.one_visit, np.zeros(len(llr), bool)])[order]
    return replace(
        cue, llr=np.concatenate([cue.llr, llr])[order], prior_odds=prior, one_visit=visit, of_pairs=None, explain=None
    )
