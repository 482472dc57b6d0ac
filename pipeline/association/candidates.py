"""Which pairs are compared: what the sources of evidence propose, less what cannot be and what no cue speaks of."""

from collections.abc import Sequence

import numpy as np

from pipeline.association.cue import CandidatePairs, Cue, CueSource, Uncalibrated
from pipeline.association.exclusions import Exclusions
from pipeline.association.pair_codes import pair_codes


def find_candidates(
    sources: Sequence[CueSource], exclusions: Exclusions
) -> tuple[CandidatePairs, list[Cue | Uncalibrated]]:
    """Pairs that any source proposes, and what every source measured of them, in the order of the sources."""
    total = len(exclusions.table)
    codes = [np.zeros(0, np.int64), *(pair_codes(*source.propose(), total) for source in sources)]
    every = np.unique(np.concatenate(codes))
    a, b = every // max(total, 1), every % max(total, 1)
    free = exclusions.reasons(a, b) == 0
    a, b = a[free], b[free]
    measured = [source.measure(a, b) for source in sources]
    # Where no cue speaks, the prior alone must not make two tracklets one person.
    known = np.zeros(len(a), bool)
    for item in measured:
        known |= item.speaks
    return CandidatePairs(a[known], b[known]), [item.select(known) for item in measured]
