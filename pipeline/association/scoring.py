"""Evidence about candidate pairs: the cues, what rivals make of them, and the prior, in natural-log units that add."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.records import DoubleArray, IntArray
from pipeline.association.candidates import find_candidates
from pipeline.association.consequences import competition_of, consequences
from pipeline.association.cue import CandidatePairs, Cue, CueInput, SourceBuilder, added
from pipeline.association.decoys import decoy_odds
from pipeline.association.registry import SOURCES
from pipeline.association.worth import FACE_VALUE, NAME, Worth, find_worth


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Evidence about the E candidate pairs.

    Attributes:
        pairs: which they are.
        cues: what each kind of evidence says; rivals and the prior are the last of them.
        crowd: (N,) number of a set of tracklets so large that not all its pairs are candidates, else -1.
        calibration: what was learnt, plain values.
        warnings: lines for the user.
        worth: what their sum is worth.
    """

    pairs: CandidatePairs
    cues: tuple[Cue, ...]
    crowd: IntArray
    calibration: dict[str, Any]
    warnings: tuple[str, ...]
    worth: Worth = FACE_VALUE

    def __len__(self) -> int:
        return len(self.pairs)

    @property
    def total(self) -> DoubleArray:
        """Log odds of each pair as its cues add up, (E,): groups are formed by them."""
        return added(self.cues, len(self))

    @property
    def stated(self) -> DoubleArray:
        """Log odds of each pair as they are printed, (E,): what the sum is worth; of times alone, the sum itself."""
        total = self.total
        return np.where(self.compared, self.worth.log_odds(total), total)

    @property
    def printed(self) -> tuple[Cue, ...]:
        """The cues, and of compared pairs what makes of their sum what it is worth: they add up to ``stated``."""
        total, compared = self.total, self.compared
        taken = np.where(compared, self.worth.log_odds(total) - total, np.nan)
        return (*self.cues, Cue(NAME, taken))

    @property
    def teaching(self) -> DoubleArray:
        """Log odds of each pair by what may teach transit times, (E,)."""
        return added([cue for cue in self.cues if cue.teaches], len(self))

    @property
    def compared(self) -> NDArray[np.bool_]:
        """Whether a cue speaks that would speak of any other pair as well, (E,): their sum is not taken at its face."""
        result = np.zeros(len(self), bool)
        for cue in self.cues:
            if cue.of_pairs is not None:
                result |= cue.speaks
        return result

    @property
    def evident(self) -> NDArray[np.bool_]:
        """Whether a cue speaks of the two tracklets themselves, (E,)."""
        result = np.zeros(len(self), bool)
        for cue in self.cues:
            if cue.evident:
                result |= cue.speaks
        return result


def score_pairs(given: CueInput, builders: Sequence[SourceBuilder] = SOURCES, *, valued: bool = True) -> Scores:
    """Find candidates, measure every cue, calibrate, let candidates compete.

    Args:
        given: tracklets, constraints, settings, transition model.
        builders: the kinds of evidence, in the order in which they are printed.
        valued: learn what the sum of the cues is worth; else it is taken at face value.
    """
    sources = [source for source in (build(given) for build in builders) if source is not None]
    pairs, measured = find_candidates(sources, given.exclusions)
    ready = [item for item in measured if isinstance(item, Cue)]
    competition = competition_of(given, pairs, ready)
    cues = [item if isinstance(item, Cue) else item.calibrate(ready, competition) for item in measured]
    crowd = np.full(len(given.table), -1)
    for cue in cues:
        if cue.crowd is not None:
            crowd = cue.crowd
    every = (*cues, *consequences(given, pairs, cues, competition))
    scores = Scores(
        pairs=pairs,
        cues=every,
        crowd=crowd,
        calibration={name: value for cue in every for name, value in cue.facts.items()},
        warnings=tuple(line for cue in every for line in cue.warnings),
    )
    compared = scores.total[scores.compared]
    if not valued or not len(compared):
        return scores
    possible = int(given.exclusions.possible().sum()) // 2 if (crowd >= 0).any() else len(compared)
    worth = find_worth(compared, decoy_odds(given, pairs, cues), possible, given.config.worth)
    return replace(scores, worth=worth)
