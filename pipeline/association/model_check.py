"""Is a given transition model of this place? What the run's own visits say of it, before it is used.

The model rests on other people, so every visit of the run is held out. Two questions are put to the links that all
other cues find without it:

Does it explain what follows each visit better than a model that knows nothing of these cameras, but that people come
back sooner rather than later (the priors of a model without events)? The gain is the mean difference of the log
likelihoods (``st_model.fit``), in nats per visit. Of Market-1501 a model of the other half of the people gains .25 to
.35; with its cameras exchanged, its clocks off by a minute or its times of another pace it loses .2 to 1.3.

How often is a lag of one person none that it expects, but one of people anywhere (``space_time``)? With p the
probability of a link by the other cues, r the ratio of the lag and u that of people anywhere, the share o maximises the
likelihood of all lags

    sum over links of log[ 1 - p + p ((1 - o) r + o u) ]

over all pairs of cameras first, then for each by itself, leaning on what all show. So a route that the model has wrong,
or a clock that is off, takes its weight away where it is wrong, and what is right goes on to count. How far u itself is
to be doubted here is found the same way before, against lags like anybody's.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from data.records import DoubleArray
from pipeline.association.config import SpaceTimeCueConfig
from pipeline.association.space_time import SpaceTime, space_time
from pipeline.association.table import TrackletTable
from st_model.build import build_model
from st_model.fit import CandidateLinks, Sightings, log_likelihood
from st_model.model import TransitionModel
from st_model.visits import make_visits

# Nats per visit that a model of this place, of few people or of other hours, may fall behind one that knows nothing.
_MARGIN = 0.2
_DEVIATIONS = 2.0
# A pair of cameras is named where so much of its lags is doubted, and so many links say so of as many events.
_NAMED_DOUBT = 0.5
_NAMED_EVENTS = 10.0
_MOST_NAMED = 6
_ROUNDS = 200
_TOLERANCE = 1e-5


@dataclass(frozen=True, slots=True, eq=False)
class ModelCheck:
    """What a run says of a model it was given.

    Attributes:
        model: the same, with the doubts of this run; None where it is of no use.
        fits: false where it is held to be of another place.
        facts: what was measured, for the manifest.
        lines: for the user; none where all is well.
    """

    model: TransitionModel | None
    fits: bool
    facts: dict[str, float]
    lines: tuple[str, ...] = ()


def check_model(
    model: TransitionModel,
    table: TrackletTable,
    sightings: Sightings,
    links: CandidateLinks,
    config: SpaceTimeCueConfig,
    fragment_s: float,
) -> ModelCheck:
    """Hold a model against a run.

    Args:
        model: of other people.
        table: the tracklets.
        sightings: the same, row for row.
        links: pairs that may be one person, by all cues but time; ``other_llr`` is their evidence.
        config: of the lags.
        fragment_s: gaps up to this in one camera are no return.
    """
    unknown = [name for name in table.cameras if name not in model.cameras]
    if len(unknown) == len(table.cameras):
        return ModelCheck(None, False, {}, ("the transition model knows none of these cameras: it is not used",))
    lines = []
    if unknown:
        lines.append(f"the transition model does not know {', '.join(unknown)}: their times say nothing")
    gain, error = _gain(model, sightings, links)
    fits = gain + _DEVIATIONS * error >= -_MARGIN
    doubts = _doubts(space_time(table, model, config, fragment_s), links, config)
    number = model.index(table.cameras)
    known = np.flatnonzero(number >= 0)
    # Of a camera that is not in the run, no lag is asked for.
    doubt = np.full((len(model.cameras),) * 2, config.outlier)
    doubt[np.ix_(number[known], number[known])] = doubts.pairs[np.ix_(known, known)]
    if not fits:
        lines.append(
            f"the transition model is not of this place: it explains what follows a visit worse than one that knows "
            f"nothing ({gain:.2f} nats per visit), and {doubts.strange:.0%} of the lags are none it expects; are its "
            "cameras others, or do the clocks disagree? The run goes by its own links"
        )
    else:
        lines.extend(_named(model, table.cameras, doubts))
    facts = {"gain_nats_per_visit": round(gain, 4), "share_of_lags_doubted": round(doubts.strange, 4)}
    return ModelCheck(replace(model, doubt=doubt, stray=doubts.stray), fits, facts, tuple(lines))


def _gain(model: TransitionModel, sightings: Sightings, links: CandidateLinks) -> tuple[float, float]:
    """Mean gain over a model without events, nats per visit, and its standard error."""
    blank = build_model(make_visits([], [], [], [], all_cameras=model.cameras), model.grid, model.settings)
    gains = log_likelihood(model, sightings, links) - log_likelihood(blank, sightings, links)
    judged = gains[sightings.departing & np.isin(np.arange(len(sightings)), links.earlier)]
    if len(judged) < 2:
        return 0.0, np.inf
    return float(judged.mean()), float(judged.std(ddof=1) / np.sqrt(len(judged)))


@dataclass(frozen=True, slots=True, eq=False)
class _Doubts:
    """How often a lag of one person is none that the model expects.

    Attributes:
        pairs: (C, C) from camera to camera, where such a lag is one of people anywhere.
        stray: share of those that are none of people anywhere either.
        strange: where such a lag is like anybody's: over all.
        strange_pairs: (C, C) the same from camera to camera.
        links: (C, C) expected links of one person that the pairs rest on.
    """

    pairs: DoubleArray
    stray: float
    strange: float
    strange_pairs: DoubleArray
    links: DoubleArray


def _doubts(lags: SpaceTime, links: CandidateLinks, config: SpaceTimeCueConfig) -> _Doubts:
    cameras = len(lags.table.cameras)
    speaks = lags.speaks(links.earlier, links.later)
    earlier, later, probability = links.earlier[speaks], links.later[speaks], links.probability[speaks]
    code = lags.table.camera[earlier] * cameras + lags.table.camera[later]
    # A person of a thousand likelihood ratios for is as certain as one of infinitely many.
    expected = np.exp(np.minimum(lags.log_ratio(earlier, later), 50.0))
    anywhere, anybodys = np.exp(lags.log_ratio_anywhere(earlier, later)), np.ones(len(code))

    def share(rows: NDArray[np.bool_] | slice, unexpected: DoubleArray, before: float) -> float:
        return _share(probability[rows], expected[rows], unexpected[rows], before, config.doubt_weight)

    everything = slice(None)
    stray = _share(probability, anywhere, anybodys, config.outlier, config.doubt_weight)
    # Links that other cues find are those of people easily known again, so no rule is trusted without exception.
    stray = max(_earned(stray, probability, anywhere, anybodys, config.outlier), config.outlier)
    unexpected = np.exp(replace(lags, stray=stray).log_ratio_unexpected(earlier, later))
    usual, strange = share(everything, unexpected, config.outlier), share(everything, anybodys, config.outlier)
    pairs, strange_pairs = np.full(cameras * cameras, usual), np.full(cameras * cameras, strange)
    for pair in np.unique(code).tolist():
        rows = code == pair
        doubt = share(rows, unexpected, usual)
        pairs[pair] = _earned(doubt, probability[rows], expected[rows], unexpected[rows], usual)
        strange_pairs[pair] = share(rows, anybodys, strange)
    weight = np.bincount(code, probability, cameras * cameras).astype(np.float64)
    square = (cameras, cameras)
    return _Doubts(pairs.reshape(square), stray, strange, strange_pairs.reshape(square), weight.reshape(square))


def _share(
    probability: DoubleArray, expected: DoubleArray, unexpected: DoubleArray, before: float, weight: float
) -> float:
    """Share of lags the model does not expect, by expectation maximisation.

    Args:
        probability: (K,) of one person, by other cues.
        expected: (K,) likelihood ratio of the lag if the model expects it.
        unexpected: (K,) the same if it does not.
        before: share before any evidence.
        weight: links that this is worth.
    """
    share = before
    for _ in range(_ROUNDS):
        fits, not_ = probability * (1 - share) * expected, probability * share * unexpected
        total = 1 - probability + fits + not_
        doubted = float((not_ / total).sum())
        same = doubted + float((fits / total).sum())
        last, share = share, (doubted + weight * before) / (same + weight)
        if abs(share - last) < _TOLERANCE:
            break
    return share


def _earned(
    share: float, probability: DoubleArray, expected: DoubleArray, unexpected: DoubleArray, before: float
) -> float:
    """A share of lags that are not expected, raised by the chance that none is: what fits no better is not believed.

    The posterior mean of the share over two cases, that it is as found and that it is 1, at the odds (1 - before) to
    before ahead of the evidence.
    """
    found = 1 - probability + probability * ((1 - share) * expected + share * unexpected)
    gain = float((np.log(found) - np.log(1 - probability + probability * unexpected)).sum())
    return 1.0 - (1.0 - share) * float(expit(gain + logit(1.0 - before)))


def _named(model: TransitionModel, cameras: tuple[str, ...], doubts: _Doubts) -> list[str]:
    """A line that names the pairs of cameras of which the model is mostly wrong."""
    number, doubt = model.index(cameras), doubts.strange_pairs
    events = np.where(np.minimum.outer(number, number) >= 0, model.any_counts[np.ix_(number, number)], 0.0)
    wrong: NDArray[np.bool_] = (doubt > _NAMED_DOUBT) & (np.minimum(doubts.links, events) >= _NAMED_EVENTS)
    if not wrong.any():
        return []
    ends = np.argwhere(wrong)[np.argsort(-doubt[wrong], kind="stable")].tolist()
    found = ", ".join(f"{cameras[a]} > {cameras[b]}" for a, b in ends[:_MOST_NAMED])
    more = f" and {len(ends) - _MOST_NAMED} more" if len(ends) > _MOST_NAMED else ""
    return [
        f"most lags of {found}{more} are none that the transition model expects, and count little there; is a clock "
        "off, or a camera another?"
    ]
