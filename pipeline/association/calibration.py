"""From distances to log-likelihood ratios, learnt on the site itself without labels.

Distances of one person and of different people each follow a normal distribution with two slopes; the shapes are
measured, the means and widths are learnt, by expectation maximisation with conjugate priors. The expectation lets the
candidates for one place compete (``competition``). With few pairs the prior decides.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data.records import DoubleArray
from pipeline.association.competition import Competition, Meeting
from pipeline.association.config import AppearanceConfig, AppearancePrior

_ROUNDS = 25
_GRID = np.linspace(0.0, 2.0, 801)
_HALVES_PRIOR = 10.0

# Shapes, in standard deviations: offset of the mode from the mean, and widths below and above the mode. Of one person
# large distances are commoner than a normal distribution has them, of different people small ones (fitted on
# Market-1501, the same half of the identities as the priors).
_SAME_SHAPE = (-0.25, 0.75, 1.25)
_DIFFERENT_SHAPE = (0.15, 1.17, 0.83)


@dataclass(frozen=True, slots=True)
class Calibration:
    """What the distances of one model mean on this site.

    Attributes:
        same_mean: of distances of one person, between cameras.
        same_std: their standard deviation.
        different_mean: of different people.
        different_std: their standard deviation.
        bound: largest log-likelihood ratio.
        full_visibility: joint visibility from which a distance counts in full.
    """

    same_mean: float
    same_std: float
    different_mean: float
    different_std: float
    bound: float
    full_visibility: float

    def llr(self, distance: ArrayLike, visibility: ArrayLike = 1.0) -> DoubleArray:
        """Natural-log likelihood ratio of "one person": falls with the distance, bounded, 0 where it is NaN."""
        d = np.asarray(distance, np.float64)
        ratio = np.interp(np.nan_to_num(d), _GRID, self._curve())
        strength = np.minimum(np.asarray(visibility, np.float64) / self.full_visibility, 1.0)
        return np.where(np.isnan(d), 0.0, ratio * strength)

    def _curve(self) -> DoubleArray:
        """The ratio on the grid, made to fall on both sides of the middle."""
        curve = _log_density(_GRID, self.same_mean, self.same_std, _SAME_SHAPE)
        curve -= _log_density(_GRID, self.different_mean, self.different_std, _DIFFERENT_SHAPE)
        middle = int(np.searchsorted(_GRID, 0.5 * (self.same_mean + self.different_mean)))
        curve[middle:] = np.minimum.accumulate(curve[middle:])
        curve[: middle + 1] = np.maximum.accumulate(curve[: middle + 1][::-1])[::-1]
        return np.clip(curve, -self.bound, self.bound)

    def summary(self) -> dict[str, Any]:
        """Plain numbers for the manifest."""
        names = ("same_mean", "same_std", "different_mean", "different_std")
        return {name: round(float(getattr(self, name)), 4) for name in names}


def _log_density(d: DoubleArray, mean: float, std: float, shape: tuple[float, float, float]) -> DoubleArray:
    """Log of a two-sided normal density, but for the constant both classes share."""
    mode, below, above = mean + shape[0] * std, shape[1] * std, shape[2] * std
    result: DoubleArray = -0.5 * ((d - mode) / np.where(d < mode, below, above)) ** 2 - np.log(below + above)
    return result


@dataclass(frozen=True, slots=True, eq=False)
class CalibrationSample:
    """What a site offers to learn one model's distances from.

    Attributes:
        distance: (E,) of candidate pairs; NaN = no evidence.
        visibility: (E,) joint visibility.
        evidence: (E,) log-likelihood ratio of the cues besides appearance.
        between_visits: (E,) false for fragments of one track: they say nothing of another camera or day.
        competition: the same pairs, both ways.
        negatives: (K,) distances of pairs that are different people for certain.
        unlabelled: (U,) distances of pairs drawn at random, or None where the candidates are all pairs.
        all_pairs: number of pairs there are.
        halves: (H,) distances of halves of one tracklet.
        share_removed: share of the camera means that was removed before.
    """

    distance: DoubleArray
    visibility: DoubleArray
    evidence: DoubleArray
    between_visits: NDArray[np.bool_]
    competition: Competition
    negatives: DoubleArray
    unlabelled: DoubleArray | None
    all_pairs: int
    halves: DoubleArray
    share_removed: float


def expected_different(prior: AppearancePrior, share_removed: float) -> float:
    """Mean distance of different people once a share of the common appearance is removed.

    Unit vectors with a common part of squared length c have mean cosine c, so distance 1 - c; (1 - share)^2 of the
    common part remains. Between 2 and 60 people this was within .03 of what Market-1501 gave.
    """
    common = max(1.0 - prior.different, 0.0)
    left = (1.0 - share_removed) ** 2 * common
    return 1.0 - left / max(left + 1.0 - common, 1e-6)


def prior_for(model_id: str, config: AppearanceConfig) -> AppearancePrior:
    """The prior whose name is the longest piece of the model id, else "default"."""
    fits = [name for name in config.priors if name != "default" and name in model_id]
    name = max(fits, key=lambda item: (len(item), item), default="default")
    return config.priors.get(name, AppearancePrior())


def prior_calibration(prior: AppearancePrior, config: AppearanceConfig, share_removed: float = 0.0) -> Calibration:
    """What distances mean before any is seen."""
    different = expected_different(prior, share_removed)
    return Calibration(
        same_mean=prior.same_ratio * different,
        same_std=prior.same_spread * different,
        different_mean=different,
        different_std=prior.different_spread * different,
        bound=config.bound,
        full_visibility=config.full_visibility,
    )


def prior_meeting(config: AppearanceConfig) -> Meeting:
    """How often people are seen again, before any is seen."""
    return Meeting(config.match_prior, config.return_prior)


def fit(sample: CalibrationSample, prior: AppearancePrior, config: AppearanceConfig) -> tuple[Calibration, Meeting]:
    """Learn from a site's own pairs what distances mean, and how often people are seen again."""
    start = prior_calibration(prior, config, sample.share_removed)
    current, meeting = start, prior_meeting(config)
    taught = sample.between_visits & ~np.isnan(sample.distance)
    distance = sample.distance[taught].astype(np.float64)
    for _ in range(_ROUNDS):
        evidence = sample.evidence + current.llr(sample.distance, sample.visibility)
        probabilities = sample.competition.probabilities(np.concatenate([evidence, evidence]), meeting)
        soft = 0.5 * (probabilities[: len(taught)] + probabilities[len(taught) :])[taught]
        meeting = sample.competition.measure(probabilities, prior_meeting(config), config.match_prior_weight)
        current = _maximise(sample, prior, start, current, distance, soft)
    return current, meeting


def _maximise(
    sample: CalibrationSample,
    prior: AppearancePrior,
    start: Calibration,
    current: Calibration,
    distance: DoubleArray,
    soft: DoubleArray,
) -> Calibration:
    """Means and widths with the prior as ``strength`` pairs; ``soft`` is the probability of "same" of each distance."""
    strength, negatives = prior.strength, sample.negatives
    if sample.unlabelled is None:
        unlabelled, others = distance, 1.0 - soft
    else:
        unlabelled = sample.unlabelled
        rate = float(np.clip(soft.sum() / max(sample.all_pairs, 1), 1e-6, 0.5))
        others = 1.0 / (1.0 + np.exp(current.llr(unlabelled)) * rate / (1.0 - rate))
    count = strength + others.sum() + len(negatives)
    different = (strength * start.different_mean + (others * unlabelled).sum() + negatives.sum()) / count
    variance = strength * start.different_std**2 + (others * (unlabelled - different) ** 2).sum()
    variance = (variance + ((negatives - different) ** 2).sum()) / count
    ratio, spread = _anchored(prior, sample.halves, different)
    count = strength + soft.sum()
    same = min((strength * ratio * different + (soft * distance).sum()) / count, different)
    width = (strength * (spread * different) ** 2 + (soft * (distance - same) ** 2).sum()) / count
    return Calibration(
        same_mean=float(same),
        same_std=float(np.sqrt(width)),
        different_mean=float(different),
        different_std=float(np.sqrt(variance)),
        bound=start.bound,
        full_visibility=start.full_visibility,
    )


def _anchored(prior: AppearancePrior, halves: DoubleArray, different: float) -> tuple[float, float]:
    """Ratio and spread expected of one person's distances.

    Halves of one tracklet bound the easy end: between cameras people appear less alike than that, by the known shift.
    """
    if not len(halves):
        return prior.same_ratio, prior.same_spread
    easy = min(float(halves.mean()) / different, 1.0)
    shifted = easy + prior.camera_shift * (1.0 - easy)
    trust = len(halves) / (len(halves) + _HALVES_PRIOR)
    return (1 - trust) * prior.same_ratio + trust * shifted, max(prior.same_spread, float(halves.std()) / different)
