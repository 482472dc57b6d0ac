"""From distances to log-likelihood ratios, learnt on the site itself without labels.

Distances of one person and of different people each follow a two-sided normal density (``two_sided``). Two kinds of
outliers bound their ratio r:

    llr = log[((1 - e) r + e) / ((1 - h) + h r)]

With probability e a person looks like somebody else (other clothes, a poor picture): llr >= log e. With probability h
two different people look like one: llr <= -log h. h is measured: of pairs of people seen at once, who are different for
certain, how many look like one person. The more of them there are, the larger an evidence is possible; so no crowd is
too large for it.

Means, widths and h are learnt by expectation maximisation, from what is expected of the network. The expectation lets
the candidates for one place compete (``competition``). Nothing says who is who, and a mixture explains what its
densities leave over, so two bounds hold it:

* Different people: pairs of one person that were not recognised widen their density towards small distances, then
  fewer are recognised, until nobody is. So it may move away from small distances, never towards them.
* One person: recognised pairs are guesses, and their error does not shrink with their number. So n of them count as
  n / (1 + n / a), with a what the expectation is worth: the coarsened posterior (Miller and Dunson, "Robust Bayesian
  inference via coarsening", JASA 2019, section 3).
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from data.records import DoubleArray, IntArray
from pipeline.association.competition import Competition, Meeting
from pipeline.association.config import AppearanceConfig, AppearancePrior
from pipeline.association.two_sided import GRID, TwoSided, count, falling, fit_counts

_ROUNDS = 25
_HALVES_PRIOR = 10.0
_MOST_SEARCHES = 20000

# Share of the pairs drawn at random, nearest first, that may hold those of one person.
_CENSORED = 0.01

# Shapes expected, in standard deviations: offset of the mode from the mean, and widths below and above the mode (fitted
# on Market-1501, the same half of the identities as the priors).
_SAME_SHAPE = (-0.25, 0.75, 1.25)
_DIFFERENT_SHAPE = (0.15, 1.17, 0.83)

# A site with fewer recognisable pairs than this, or than this share of its tracklets, teaches nothing of distances.
_FEWEST_PAIRS = 3.0
_LEAST_SEPARATION = 0.5
_SMALLEST_SHARE = 0.01
_ENOUGH_TRACKLETS = 40

# A network's distances are taken for the expected ones while their median is within this factor of it: five networks on
# nine sites had .87 to 1.07. From so many pairs known to be different on the median is theirs, else that of all pairs.
_AS_EXPECTED = 1.25
_ENOUGH_NEGATIVES = 20
# Smaller ones are rounding: a network that describes everybody alike has them, and nothing is in proportion to them.
_LEAST_DISTANCE = 1e-3


@dataclass(frozen=True, slots=True)
class Calibration:
    """What the distances of one model mean on this site.

    Attributes:
        same: distances of one person, between cameras.
        different: of different people.
        outlier: probability that one person looks like two.
        lookalike: probability that two people look like one.
        full_visibility: joint visibility from which a distance counts in full.
    """

    same: TwoSided
    different: TwoSided
    outlier: float
    lookalike: float
    full_visibility: float

    def llr(self, distance: ArrayLike, visibility: ArrayLike = 1.0) -> DoubleArray:
        """Natural-log likelihood ratio of "one person": falls with the distance, bounded, 0 where it is NaN."""
        d = np.asarray(distance, np.float64)
        ratio = np.interp(np.nan_to_num(d), GRID, self._curve())
        strength = np.minimum(np.asarray(visibility, np.float64) / self.full_visibility, 1.0)
        return np.where(np.isnan(d), 0.0, ratio * strength)

    def _curve(self) -> DoubleArray:
        """The ratio on the grid, made to fall on both sides of the middle."""
        different = self.different.log_density(GRID)
        curve = np.logaddexp(np.log1p(-self.outlier) + self.same.log_density(GRID), np.log(self.outlier) + different)
        curve -= np.logaddexp(np.log1p(-self.lookalike) + different, self._log_lookalikes())
        curve = falling(curve, 0.5 * (self.same.mean + self.different.mean))
        return np.maximum(curve, np.log(self.outlier))

    def _log_lookalikes(self) -> DoubleArray:
        """Log density on the grid of different people who look alike: the same at any distance up to the usual one."""
        usual = self.different.mean
        return np.where(usual > GRID, np.log(self.lookalike) - np.log(usual), -np.inf)

    def regular(self) -> tuple[DoubleArray, DoubleArray]:
        """Of one person, and of different people, the share of each distance of the grid that is no outlier."""
        same, different = self.same.log_density(GRID), self.different.log_density(GRID)
        alike = np.log1p(-self.outlier) + same - np.log(self.outlier) - different
        apart = np.log1p(-self.lookalike) + different - self._log_lookalikes()
        return expit(alike), expit(apart)

    @property
    def tells_apart(self) -> bool:
        """Whether distances of one person are smaller than those of different people by half their spread."""
        return self.different.mean - self.same.mean > _LEAST_SEPARATION * self.different.std

    def summary(self) -> dict[str, Any]:
        """Plain numbers for the manifest."""
        return {
            "same_mean": round(self.same.mean, 4),
            "same_std": round(self.same.std, 4),
            "different_mean": round(self.different.mean, 4),
            "different_std": round(self.different.std, 4),
            "lookalike": round(self.lookalike, 6),
        }


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
        tracklets: number of tracklets.
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
    tracklets: int
    halves: DoubleArray
    share_removed: float


@dataclass(frozen=True, slots=True)
class Fit:
    """What a site taught.

    Attributes:
        calibration: what distances mean.
        meeting: how often people are seen again.
        recognised: expected number of candidate pairs that are one person.
        learnt: whether those were enough; if not, ``calibration`` is what was expected before.
    """

    calibration: Calibration
    meeting: Meeting
    recognised: float
    learnt: bool


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
        same=TwoSided.of(prior.same_ratio * different, prior.same_spread * different, _SAME_SHAPE),
        different=TwoSided.of(different, prior.different_spread * different, _DIFFERENT_SHAPE),
        outlier=config.outlier,
        lookalike=config.lookalike,
        full_visibility=config.full_visibility,
    )


def prior_meeting(config: AppearanceConfig) -> Meeting:
    """How often people are seen again, before any is seen."""
    return Meeting(config.match_prior, config.return_prior)


def fit(sample: CalibrationSample, prior: AppearancePrior, config: AppearanceConfig) -> Fit:
    """Learn from a site's own pairs what distances mean, and how often people are seen again."""
    learner = _Learner(sample, prior, config)
    calibration = learner.run()
    meeting = learner.meet(calibration)
    recognised = learner.recognised(calibration, meeting)
    enough = recognised >= max(_FEWEST_PAIRS, _SMALLEST_SHARE * sample.tracklets)
    learnt = calibration.tells_apart and (enough or sample.tracklets < _ENOUGH_TRACKLETS)
    if not learnt:
        calibration, meeting = learner.start, learner.meet(learner.start)
    return Fit(calibration, meeting, recognised, learnt)


class _Learner:
    """Expectation maximisation over the searches of some sources, evenly taken from large sites."""

    def __init__(self, sample: CalibrationSample, prior: AppearancePrior, config: AppearanceConfig) -> None:
        self._sample, self._prior, self._config = sample, prior, config
        self.start = _rescaled(prior_calibration(prior, config, sample.share_removed), sample)
        rows, self._scale = _some_searches(sample.competition.source)
        pairs = rows % max(len(sample.distance), 1)
        self._competition = sample.competition.searches(rows)
        self._distance, self._visibility = sample.distance[pairs], sample.visibility[pairs]
        self._evidence = sample.evidence[pairs]
        self._taught = sample.between_visits[pairs] & ~np.isnan(self._distance)
        self._negatives = count(sample.negatives)

    def run(self) -> Calibration:
        """What distances mean, from what was expected of them."""
        calibration, meeting = self.start, prior_meeting(self._config)
        for _ in range(_ROUNDS):
            probabilities, meeting = self._search(calibration, meeting)
            soft = 0.5 * self._scale * probabilities[self._taught]
            calibration = self._maximise(calibration, self._distance[self._taught], soft)
        return calibration

    def meet(self, calibration: Calibration) -> Meeting:
        """How often people are seen again where what distances mean is given."""
        meeting = prior_meeting(self._config)
        for _ in range(_ROUNDS):
            _, meeting = self._search(calibration, meeting)
        return meeting

    def _search(self, calibration: Calibration, meeting: Meeting) -> tuple[DoubleArray, Meeting]:
        """Probability that each directed pair is one person, and how often people are seen again by it."""
        probabilities = self._competition.probabilities(self._total(calibration), meeting)
        expected, weight = prior_meeting(self._config), self._config.match_prior_weight
        return probabilities, self._competition.measure(probabilities, expected, weight)

    def recognised(self, calibration: Calibration, meeting: Meeting) -> float:
        """Expected number of pairs between visits that are one person."""
        probabilities = self._competition.probabilities(self._total(calibration), meeting)
        return float(0.5 * self._scale * probabilities[self._taught].sum())

    def _total(self, calibration: Calibration) -> DoubleArray:
        return self._evidence + calibration.llr(self._distance, self._visibility)

    def _expected(self, different: TwoSided) -> TwoSided:
        """Distances of one person as expected on this site.

        Halves of one tracklet bound the easy end: between cameras people appear less alike than that, by the known
        shift. However many, they count no more than the prior: fewer prototypes describe half a tracklet.
        """
        prior, halves, mean = self._prior, self._sample.halves, different.mean
        ratio, spread = prior.same_ratio, prior.same_spread
        if len(halves):
            easy = min(float(halves.mean()) / mean, 1.0)
            shifted = easy + prior.camera_shift * (1.0 - easy)
            trust = len(halves) / (2 * len(halves) + _HALVES_PRIOR)
            ratio = (1 - trust) * ratio + trust * shifted
            spread = max(spread, (1 - trust) * spread + trust * float(halves.std()) / mean)
        return TwoSided.of(ratio * mean, spread * mean, _SAME_SHAPE)

    def _maximise(self, current: Calibration, distance: DoubleArray, soft: DoubleArray) -> Calibration:
        """Densities with the prior as ``strength`` pairs; ``soft`` is the probability of "same" of each distance."""
        sample, strength = self._sample, self._prior.strength
        if sample.unlabelled is None:
            others = count(distance, 0.5 * self._scale - soft)
        else:
            rate = float(np.clip(soft.sum() / max(sample.all_pairs, 1), 1e-6, 0.5))
            odds = np.exp(current.llr(sample.unlabelled)) * rate / (1.0 - rate)
            others = _censored(count(sample.unlabelled, 1.0 / (1.0 + odds)), current.different)
        certain = self._negatives * current.regular()[1]
        different = fit_counts(self.start.different.counts(strength) + others + certain)
        if different.low < self.start.different.low:
            different = self.start.different
        alike = count(distance, soft) * current.regular()[0]
        same = fit_counts(self._expected(different).counts(strength) + alike / (1.0 + alike.sum() / strength))
        if same.mean >= different.mean:
            same = replace(same, mode=same.mode - (same.mean - different.mean))
        current = replace(current, same=same, different=different)
        seen = float((self._negatives * (1.0 - current.regular()[1])).sum())
        weight = self._config.lookalike_weight
        lookalike = (weight * self._config.lookalike + seen) / (weight + len(sample.negatives))
        return replace(current, lookalike=float(lookalike))


def _rescaled(expected: Calibration, sample: CalibrationSample) -> Calibration:
    """What is expected of a network whose distances are of another size altogether: the same in that size."""
    known = sample.negatives
    if len(known) < _ENOUGH_NEGATIVES:
        known = sample.distance if sample.unlabelled is None else sample.unlabelled
        known = known[~np.isnan(known)]
    if len(known) < _ENOUGH_NEGATIVES:
        return expected
    factor = max(float(np.median(known)), _LEAST_DISTANCE) / expected.different.mean
    if 1 / _AS_EXPECTED <= factor <= _AS_EXPECTED:
        return expected
    return replace(expected, same=expected.same.scaled(factor), different=expected.different.scaled(factor))


def _censored(counts: DoubleArray, expected: TwoSided) -> DoubleArray:
    """Counts of which the lowest are replaced by what a density expects there.

    Among pairs drawn at random the nearest may be one person. However few, they would widen the density of different
    people just where it matters.
    """
    total = counts.sum()
    cut = int(np.searchsorted(np.cumsum(counts), _CENSORED * total))
    if cut == 0 or total <= 0:
        return counts
    result, spread = counts.copy(), expected.counts(1.0)
    share = min(float(spread[:cut].sum()), 0.5)
    result[:cut] = spread[:cut] / max(share, 1e-12) * result[cut:].sum() * share / (1 - share)
    return result


def _some_searches(source: IntArray) -> tuple[IntArray, float]:
    """Directed pairs of evenly chosen sources, and by how many the others outnumber them."""
    sources = np.unique(source)
    if len(source) <= _MOST_SEARCHES or len(sources) < 2:
        return np.arange(len(source)), 1.0
    kept = max(int(len(sources) * _MOST_SEARCHES / len(source)), 1)
    chosen = sources[np.linspace(0, len(sources) - 1, kept).astype(np.int64)]
    return np.flatnonzero(np.isin(source, chosen)), len(sources) / len(chosen)
