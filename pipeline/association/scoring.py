"""Evidence about candidate pairs: the cues, what rivals make of them, and the prior, in natural-log units that add."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.records import DoubleArray, IntArray
from pipeline.association.calibration import prior_meeting
from pipeline.association.candidates import find_candidates
from pipeline.association.competition import Competition, Meeting, build_competition, compete
from pipeline.association.config import AssociateConfig
from pipeline.association.cue import CandidatePairs, Cue, CueInput, SourceBuilder, added
from pipeline.association.registry import DERIVED, SOURCES

RIVALS, PRIOR = "rivals", "prior"


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Evidence about the E candidate pairs.

    Attributes:
        pairs: which they are.
        cues: what each kind of evidence says; rivals and the prior are the last of them.
        crowd: (N,) number of a set of tracklets so large that not all its pairs are candidates, else -1.
        calibration: what was learnt, plain values.
        warnings: lines for the user.
    """

    pairs: CandidatePairs
    cues: tuple[Cue, ...]
    crowd: IntArray
    calibration: dict[str, Any]
    warnings: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.pairs)

    @property
    def total(self) -> DoubleArray:
        """Log odds of each pair, (E,)."""
        return added(self.cues, len(self))

    @property
    def teaching(self) -> DoubleArray:
        """Log odds of each pair by what may teach transit times, (E,)."""
        return added([cue for cue in self.cues if cue.teaches], len(self))

    @property
    def evident(self) -> NDArray[np.bool_]:
        """Whether a cue speaks of the two tracklets themselves, (E,)."""
        result = np.zeros(len(self), bool)
        for cue in self.cues:
            if cue.evident:
                result |= cue.speaks
        return result


def score_pairs(given: CueInput, builders: Sequence[SourceBuilder] = SOURCES) -> Scores:
    """Find candidates, measure every cue, calibrate, let candidates compete.

    Args:
        given: tracklets, constraints, settings, transition model.
        builders: the kinds of evidence, in the order in which they are printed.
    """
    sources = [source for source in (build(given) for build in builders) if source is not None]
    pairs, measured = find_candidates(sources, given.exclusions)
    count = len(pairs)
    ready = [item for item in measured if isinstance(item, Cue)]
    competition = _competition(given, pairs, ready)
    cues = [item if isinstance(item, Cue) else item.calibrate(ready, competition) for item in measured]
    evidence = added(cues, count)
    prior, against = compete(competition, evidence, _pooled(cues, given.config))
    last = [*([Cue(RIVALS, against)] if given.config.competition else []), Cue(PRIOR, prior)]
    for derive in DERIVED:
        found = derive(given, pairs, cues, added([*cues, *last], count))
        cues.extend([] if found is None else [found])
    crowd = np.full(len(given.table), -1)
    for cue in cues:
        if cue.crowd is not None:
            crowd = cue.crowd
    every = (*cues, *last)
    return Scores(
        pairs=pairs,
        cues=every,
        crowd=crowd,
        calibration={name: value for cue in every for name, value in cue.facts.items()},
        warnings=tuple(line for cue in every for line in cue.warnings),
    )


def _competition(given: CueInput, pairs: CandidatePairs, cues: Sequence[Cue]) -> Competition:
    """Both directions of every pair, with the prior of the first cue that settles it."""
    odds = np.full(len(pairs), np.nan)
    for cue in cues:
        if cue.prior_odds is not None:
            odds = np.where(np.isnan(odds), cue.prior_odds, odds)
    return build_competition(given.table, given.exclusions, pairs.a, pairs.b, odds)


def _pooled(cues: Sequence[Cue], config: AssociateConfig) -> Meeting:
    """Mean of what was learnt, by the number of tracklets it rests on."""
    meetings = [item for cue in cues for item in cue.meetings]
    if not meetings:
        return prior_meeting(config.appearance)
    weights = np.array([count for _, count in meetings], np.float64)
    match = np.average([meeting.match for meeting, _ in meetings], weights=weights)
    back = np.average([meeting.comes_back for meeting, _ in meetings], weights=weights)
    return Meeting(float(match), float(back))
