"""All cues of all candidate pairs, as natural-log likelihood ratios that add (DESIGN.md 5.3)."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.records import DoubleArray, IntArray
from pipeline.association import appearance
from pipeline.association.appearance import Looks
from pipeline.association.calibration import Calibration, Sample, fit, prior_for, prior_meeting
from pipeline.association.candidates import Candidates, find_candidates
from pipeline.association.competition import Competition, Meeting, build_competition, compete
from pipeline.association.config import AssociateConfig
from pipeline.association.exclusions import Exclusions
from pipeline.association.neighbourhood import rerank_cue
from pipeline.association.space_time import SpaceTime
from pipeline.association.table import TrackletTable

_NEGATIVE_NEIGHBOURS = 16
_MOST_NEGATIVES = 20000
_UNLABELLED_PAIRS = 4000


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Evidence about the E candidate pairs.

    Attributes:
        candidates: the pairs, with motion and lag.
        appearance: (E,) log-likelihood ratio; NaN = no evidence.
        rivals: (E,) what other candidates for the same place mean.
        rerank: (E,) what shared neighbours add; NaN where not used.
        prior: (E,) log prior odds; 0 where the lag holds them.
        crowd: (N,) number of the family of each tracklet if that is so large that not all its pairs are candidates,
            else -1.
        missing: log odds of two tracklets of such a family that are no candidates of one another.
        calibration: what was learnt, plain values.
        warnings: lines for the user.
    """

    candidates: Candidates
    appearance: DoubleArray
    rivals: DoubleArray
    rerank: DoubleArray
    prior: DoubleArray
    crowd: IntArray
    missing: float
    calibration: dict[str, Any]
    warnings: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.candidates)

    @property
    def base(self) -> DoubleArray:
        """Log odds of each pair but for its lag, (E,). Where a lag speaks it holds the prior as well."""
        cues = (self.appearance, self.candidates.motion, self.rivals, self.rerank)
        return self.prior + np.sum([np.nan_to_num(cue) for cue in cues], axis=0)

    @property
    def total(self) -> DoubleArray:
        """Log odds of each pair, (E,)."""
        return self.base + np.nan_to_num(self.candidates.space_time)

    @property
    def evident(self) -> NDArray[np.bool_]:
        """Whether appearance or motion says something about the pair, (E,)."""
        return ~np.isnan(self.appearance) | ~np.isnan(self.candidates.motion)


def score_pairs(
    table: TrackletTable, exclusions: Exclusions, lags: SpaceTime | None, config: AssociateConfig, seed: int
) -> Scores:
    """Find candidates, measure every cue, calibrate, let candidates compete.

    Args:
        table: the tracklets.
        exclusions: pairs that cannot be.
        lags: transition model, or None.
        config: settings.
        seed: for the sample of unlabelled pairs of large sets.
    """
    candidates = find_candidates(table, exclusions, lags, config)
    competition = build_competition(table, exclusions, candidates, lags)
    look, calibration = np.full(len(candidates), np.nan), {}
    meetings: list[tuple[Meeting, int]] = []
    for number, looks in enumerate(candidates.families):
        mine = np.flatnonzero(candidates.family == number)
        sample = _sample(number, looks, mine, candidates, competition, table, exclusions, config, seed)
        learnt, meeting = fit(sample, prior_for(looks.model_id, config.appearance), config.appearance)
        measured = ~np.isnan(sample.distance)
        look[mine] = np.where(measured, learnt.llr(sample.distance, sample.visibility), np.nan)
        meetings.append((meeting, len(looks)))
        calibration[looks.model_id] = _facts(learnt, meeting, sample)
    meeting = _pooled(meetings, config)
    evidence = np.nan_to_num(look) + np.nan_to_num(candidates.motion)
    prior, rivals = compete(competition, evidence, meeting)
    crowd = np.full(len(table), -1)
    for number, looks in enumerate(candidates.families):
        if len(looks) - 1 > config.appearance.candidates:
            crowd[looks.rows] = number
    scores = Scores(
        candidates=candidates,
        appearance=look,
        rivals=rivals,
        rerank=np.full(len(candidates), np.nan),
        prior=np.where(np.isnan(candidates.space_time), prior, 0.0),
        crowd=crowd,
        missing=0.0,
        calibration=calibration,
        warnings=_warnings(candidates.families),
    )
    if config.rerank.enabled and len(candidates.families) == 1:
        rows = candidates.families[0].rows
        cue, calibration["rerank"] = rerank_cue(
            candidates.a, candidates.b, candidates.distance, scores.total, rows, config.rerank
        )
        scores = replace(scores, rerank=cue)
    return replace(scores, missing=_missing(scores))


def _sample(
    number: int,
    looks: Looks,
    mine: IntArray,
    candidates: Candidates,
    competition: Competition,
    table: TrackletTable,
    exclusions: Exclusions,
    config: AssociateConfig,
    seed: int,
) -> Sample:
    """What the site offers to learn one model's distances from."""
    settings = config.appearance
    place = np.full(len(table), -1)
    place[looks.rows] = np.arange(len(looks))
    apart_a, apart_b = exclusions.seen_together(_NEGATIVE_NEIGHBOURS)
    both = (place[apart_a] >= 0) & (place[apart_b] >= 0)
    apart_a, apart_b = place[apart_a[both]], place[apart_b[both]]
    every = np.linspace(0, len(apart_a) - 1, min(len(apart_a), _MOST_NEGATIVES)).astype(np.int64)
    negatives = appearance.compare(looks, apart_a[every], apart_b[every], settings.best_share).distance
    unlabelled = None
    if len(looks) - 1 > settings.candidates:
        drawn = np.random.default_rng(seed).integers(0, len(looks), (2, _UNLABELLED_PAIRS))
        rows = looks.rows[drawn]
        free = (drawn[0] != drawn[1]) & (exclusions.reasons(rows[0], rows[1]) == 0)
        distance = appearance.compare(looks, drawn[0][free], drawn[1][free], settings.best_share).distance
        unlabelled = distance[~np.isnan(distance)].astype(np.float64)
    compared = candidates.compared[number]
    return Sample(
        distance=compared.distance.astype(np.float64),
        visibility=compared.visibility.astype(np.float64),
        evidence=np.nan_to_num(candidates.motion[mine]),
        between_visits=np.isnan(candidates.motion[mine]),
        competition=competition.of(mine),
        negatives=negatives[~np.isnan(negatives)].astype(np.float64),
        unlabelled=unlabelled,
        all_pairs=len(looks) * (len(looks) - 1) // 2,
        halves=appearance.halves(looks, table, settings.half_gap_s, settings.best_share).astype(np.float64),
        share_removed=looks.share_removed,
    )


def _facts(learnt: Calibration, meeting: Meeting, sample: Sample) -> dict[str, Any]:
    return {
        **learnt.summary(),
        "match": round(meeting.match, 4),
        "comes_back": round(meeting.comes_back, 4),
        "pairs": int((~np.isnan(sample.distance)).sum()),
        "certain_negatives": len(sample.negatives),
        "halves": len(sample.halves),
        "camera_mean_removed": round(sample.share_removed, 4),
    }


def _pooled(meetings: list[tuple[Meeting, int]], config: AssociateConfig) -> Meeting:
    """Mean over the models, by the number of tracklets each described."""
    if not meetings:
        return prior_meeting(config.appearance)
    weights = np.array([count for _, count in meetings], np.float64)
    match = np.average([meeting.match for meeting, _ in meetings], weights=weights)
    back = np.average([meeting.comes_back for meeting, _ in meetings], weights=weights)
    return Meeting(float(match), float(back))


def _missing(scores: Scores) -> float:
    """Two tracklets that are no candidates of one another are at most as likely one person as the last candidates."""
    if not (scores.crowd >= 0).any():
        return 0.0
    known = ~np.isnan(scores.appearance)
    rows = np.concatenate([scores.candidates.a[known], scores.candidates.b[known]])
    worst = np.full(len(scores.crowd), np.inf)
    np.minimum.at(worst, rows, np.tile(scores.base[known], 2))
    return float(np.median(worst[np.isfinite(worst)])) if known.any() else 0.0


def _warnings(families: tuple[Looks, ...]) -> tuple[str, ...]:
    if len(families) < 2:
        return ()
    names = ", ".join(f"{looks.model_id} ({len(looks)} tracklets)" for looks in families)
    return (
        f"tracklets were described by different models, whose appearance cannot be compared: {names}; "
        "run all cameras with one reid model",
    )
