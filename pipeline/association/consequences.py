"""What follows from the cues of all pairs together: derived cues, what rivals make of a pair, and the prior."""

from collections.abc import Sequence

import numpy as np

from pipeline.association.calibration import prior_meeting
from pipeline.association.competition import Competition, Meeting, build_competition, compete
from pipeline.association.config import AssociateConfig
from pipeline.association.cue import CandidatePairs, Cue, CueInput, added
from pipeline.association.registry import DERIVED

RIVALS, PRIOR = "rivals", "prior"


def competition_of(given: CueInput, pairs: CandidatePairs, cues: Sequence[Cue]) -> Competition:
    """Both directions of every pair, with the prior of the first cue that settles it."""
    odds = np.full(len(pairs), np.nan)
    for cue in cues:
        if cue.prior_odds is not None:
            odds = np.where(np.isnan(odds), cue.prior_odds, odds)
    return build_competition(given.table, given.exclusions, pairs.a, pairs.b, odds)


def consequences(
    given: CueInput, pairs: CandidatePairs, cues: Sequence[Cue], competition: Competition
) -> tuple[Cue, ...]:
    """Derived cues, then rivals and the prior, in the order in which they are printed.

    Args:
        given: settings.
        pairs: E pairs.
        cues: what was measured of them.
        competition: the same pairs, both ways.
    """
    count = len(pairs)
    prior, against = compete(competition, added(cues, count), _pooled(cues, given.config))
    last = [*([Cue(RIVALS, against)] if given.config.competition else []), Cue(PRIOR, prior)]
    so_far = list(cues)
    for derive in DERIVED:
        found = derive(given, pairs, so_far, added([*so_far, *last], count))
        so_far.extend([] if found is None else [found])
    return (*so_far[len(cues) :], *last)


def _pooled(cues: Sequence[Cue], config: AssociateConfig) -> Meeting:
    """Mean of what was learnt, by the number of tracklets it rests on."""
    meetings = [item for cue in cues for item in cue.meetings]
    if not meetings:
        return prior_meeting(config.appearance)
    weights = np.array([count for _, count in meetings], np.float64)
    match = np.average([meeting.match for meeting, _ in meetings], weights=weights)
    back = np.average([meeting.comes_back for meeting, _ in meetings], weights=weights)
    return Meeting(float(match), float(back))
