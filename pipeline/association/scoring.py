"""All cues of all candidate pairs, as natural-log likelihood ratios that add (DESIGN.md 5.3)."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.records import DoubleArray, FloatArray, IntArray
from pipeline.association import appearance
from pipeline.association.appearance import Looks, PairLooks
from pipeline.association.calibration import (
    Calibration,
    Competition,
    Sample,
    competing_weights,
    fit,
    prior_calibration,
    prior_for,
)
from pipeline.association.config import AppearancePrior, AssociateConfig
from pipeline.association.exclusions import Exclusions, pair_codes
from pipeline.association.motion import find_fragments
from pipeline.association.neighbourhood import rerank_cue
from pipeline.association.space_time import SpaceTime
from pipeline.association.table import TrackletTable

_NEGATIVE_NEIGHBOURS = 24
_UNLABELLED_PAIRS = 4000


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """E candidate pairs that nothing excludes, a < b, sorted.

    Attributes:
        a: (E,) row of the table.
        b: (E,) row of the table.
        appearance: (E,) log-likelihood ratio; NaN = no evidence.
        motion: (E,) likewise, of fragments of one camera.
        space_time: (E,) likewise, of the lag as that of consecutive visits; it holds the prior.
        rivals: (E,) what better or worse candidates for the same place mean, and that the person must be somewhere.
        rerank: (E,) what shared neighbours add; NaN where not used.
        prior: (E,) log prior odds where no lag gives them.
        family: (E,) which ``Looks`` compared the pair, -1 = none.
        place: (E,) row of that family's ``PairLooks``.
        looks: per family, the distances.
        part_names: per family, the names of the parts.
        missing: log odds of two tracklets with appearance that are no candidates of one another.
        described: (N,) whether a tracklet has appearance.
        calibration: what was learnt, plain values.
        warnings: lines for the user.
    """

    a: IntArray
    b: IntArray
    appearance: DoubleArray
    motion: DoubleArray
    space_time: DoubleArray
    rivals: DoubleArray
    rerank: DoubleArray
    prior: DoubleArray
    family: IntArray
    place: IntArray
    looks: tuple[PairLooks, ...]
    part_names: tuple[tuple[str, ...], ...]
    missing: float
    described: NDArray[np.bool_]
    calibration: dict[str, Any]
    warnings: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.a)

    @property
    def base(self) -> DoubleArray:
        """Log odds of each pair with the plain prior in the place of its lag, (E,)."""
        cues = (self.appearance, self.motion, self.rivals, self.rerank)
        total: DoubleArray = self.prior + sum(np.nan_to_num(cue) for cue in cues)
        return total

    @property
    def total(self) -> DoubleArray:
        """Log odds of each pair, (E,)."""
        return self.base + np.where(np.isnan(self.space_time), 0.0, self.space_time - self.prior)

    @property
    def evident(self) -> NDArray[np.bool_]:
        """Whether appearance or motion says something about the pair, (E,)."""
        return ~np.isnan(self.appearance) | ~np.isnan(self.motion)


@dataclass(frozen=True, slots=True, eq=False)
class _Family:
    looks: Looks
    prior: AppearancePrior
    rows: IntArray
    compared: PairLooks


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
    settings = config.appearance
    families = appearance.gather_looks(table, settings)
    fragments = find_fragments(table, config.motion)
    codes = [pair_codes(fragments.a, fragments.b, len(table))]
    if lags is not None:
        codes.append(pair_codes(*lags.likely(settings.candidates), len(table)))
    for looks in families:
        near_a, near_b = appearance.nearest_pairs(looks, settings.candidates)
        codes.append(pair_codes(looks.rows[near_a], looks.rows[near_b], len(table)))
    every = np.unique(np.concatenate(codes))
    a, b = every // max(len(table), 1), every % max(len(table), 1)
    free = exclusions.reasons(a, b) == 0
    a, b = a[free], b[free]

    motion, fragment_prior = np.full(len(a), np.nan), np.full(len(a), np.nan)
    place = np.searchsorted(pair_codes(a, b, len(table)), fragment_codes := codes[0])
    inside = place < len(a)
    inside[inside] = pair_codes(a, b, len(table))[place[inside]] == fragment_codes[inside]
    motion[place[inside]] = fragments.llr[inside]
    fragment_prior[place[inside]] = fragments.prior[inside]
    space_time = np.full(len(a), np.nan)
    if lags is not None:
        space_time = np.where(np.isnan(motion), lags.llr(*table.earlier_first(a, b)), np.nan)

    competition = _competition(table, exclusions, a, b, motion, fragment_prior, space_time)
    family, rows = _assign(families, table, a, b)
    look, calibration, distance = np.full(len(a), np.nan), {}, np.full(len(a), np.nan)
    own_place = np.zeros(len(a), np.int64)
    compared, fitted = [], []
    for number, looks in enumerate(families):
        mine = np.flatnonzero(family == number)
        own_place[mine] = np.arange(len(mine))
        pair = appearance.compare(looks, rows[0][mine], rows[1][mine], settings.best_share)
        compared.append(pair)
        learnt = _calibrate(looks, pair, mine, table, exclusions, competition, motion, config, seed)
        fitted.append(learnt)
        calibration[looks.model_id] = learnt.summary()
        distance[mine] = pair.distance
        look[mine] = np.where(np.isnan(pair.distance), np.nan, learnt.llr(pair.distance, pair.visibility))
    meeting = _pooled(fitted, [len(looks) for looks in families], config)
    prior, rivals = _compete(table, a, b, competition, look, meeting)
    scores = Scores(
        a=a,
        b=b,
        appearance=look,
        motion=motion,
        space_time=space_time,
        rivals=rivals,
        rerank=np.full(len(a), np.nan),
        prior=prior,
        family=family,
        place=own_place,
        looks=tuple(compared),
        part_names=tuple(looks.part_names for looks in families),
        missing=_missing(families, table, a, b, look, prior, settings.candidates),
        described=np.isin(np.arange(len(table)), np.concatenate([looks.rows for looks in families] or [[]])),
        calibration=calibration,
        warnings=_warnings(families),
    )
    if config.rerank.enabled and len(families) == 1:
        cue, facts = rerank_cue(a, b, distance, scores.total, families[0].rows, config.rerank)
        calibration["rerank"] = facts
        scores = replace(scores, rerank=cue)
    return scores
