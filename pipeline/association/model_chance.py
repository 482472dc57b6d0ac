"""Is a given transition model of this place, where nobody has a look? The run's visits against strangers.

Whoever enters after somebody left may be that person. What follows each visit, lags and walks together, has a
likelihood under the model over that of strangers who come at the cameras' rates (``st_model.fit.log_likelihood``). A
model of this place gains by it: 14 to 54 nats on NLPR_MCT and each half of it, where nine models of other times lose 3
to 39.

Strangers come in bursts as well, which a model may take for people. So the gain must also lie above that of the same
visits moved round the recording, those of every camera by a time of their own: they keep their rate, their bursts and
their places, and lose every true walk.
"""

from dataclasses import replace

import numpy as np

from data.records import DoubleArray
from pipeline.association.model_check import ModelCheck
from pipeline.association.table import TrackletTable
from pipeline.association.walk import WalkSource, walks_of
from st_model.config import TimesOnlyConfig
from st_model.fit import CandidateLinks, Sightings, log_likelihood
from st_model.model import TransitionModel

# One less than a prime: the shifts of no two of so many cameras ever agree.
_SHIFTS = 16
_DEVIATIONS = 2.0
# Pairs that are looked at, at most: of more, those of the middle of the recording.
_MOST_LINKS = 200_000


def check_times(
    model: TransitionModel, table: TrackletTable, sightings: Sightings, config: TimesOnlyConfig
) -> ModelCheck:
    """Hold a model against a run whose tracklets have no looks.

    Args:
        model: of other people.
        table: the tracklets.
        sightings: the same, row for row.
        config: how long walks may take, and what evidence is needed.
    """
    walks = walks_of(table, model)
    gain = _explained(model, sightings, walks, config.longest_s)
    start = float(sightings.enter_s.min())
    span = max(float(sightings.leave_s.max()) - start, 1.0)
    chance = []
    for number in range(1, _SHIFTS + 1):
        shift = span * (sightings.camera * number / (_SHIFTS + 1) % 1.0)
        enter = start + (sightings.enter_s - start + shift) % span
        moved = replace(sightings, enter_s=enter, leave_s=enter + sightings.leave_s - sightings.enter_s)
        chance.append(_explained(model, moved, walks, config.longest_s))
    needed = max(config.min_gain, float(np.mean(chance) + _DEVIATIONS * np.std(chance)))
    facts = {"gain_nats": round(gain, 3), "needed_nats": round(needed, 3)}
    if gain > needed:
        return ModelCheck(model, True, facts)
    line = (
        f"the transition model is not used: it explains the times of this run no better than chance ({gain:.1f} nats "
        f"over strangers, {needed:.1f} needed); is it of another place, are its cameras others, or do the clocks "
        "disagree?"
    )
    return ModelCheck(None, False, facts, (line,))


def _explained(model: TransitionModel, sightings: Sightings, walks: WalkSource | None, longest_s: float) -> float:
    """Log likelihood of what follows every visit over that of strangers, nats."""
    links = anybody(sightings, longest_s)
    if walks is not None:
        moved = replace(walks, table=replace(walks.table, start_s=sightings.enter_s, end_s=sightings.leave_s))
        llr = np.nan_to_num(moved.measure(links.earlier, links.later).llr)
        links = replace(links, other_llr=llr)
    return float(log_likelihood(model, sightings, links).sum())


def anybody(sightings: Sightings, longest_s: float) -> CandidateLinks:
    """Everybody who enters within a time after somebody left, as a link of which nothing else is known.

    Args:
        sightings: V rows.
        longest_s: seconds from leaving to entering, at most.
    """
    order = np.argsort(sightings.enter_s, kind="stable")
    enters = sightings.enter_s[order]
    leaving = np.argsort(sightings.leave_s, kind="stable")
    leaving = leaving[sightings.departing[leaving]]
    first = np.searchsorted(enters, sightings.leave_s[leaving], "left")
    number = np.searchsorted(enters, sightings.leave_s[leaving] + longest_s, "right") - first
    middle = np.argsort(np.abs(np.arange(len(leaving)) - len(leaving) // 2), kind="stable")
    kept = np.sort(middle[np.cumsum(number[middle]) <= _MOST_LINKS])
    leaving, first, number = leaving[kept], first[kept], number[kept]
    earlier = np.repeat(leaving, number)
    later = order[np.arange(number.sum()) - np.repeat(np.cumsum(number) - number, number) + np.repeat(first, number)]
    if sightings.arrives is not None:
        arrives = sightings.arrives[later]
        earlier, later = earlier[arrives], later[arrives]
    nothing: DoubleArray = np.zeros(len(later))
    return CandidateLinks(earlier, later, nothing, nothing)
