"""Ways: possible walks from one camera to another, and learning their density without knowing who walked them.

Expectation maximisation over soft one-to-one matchings. A walk has its way's density or, for one in fifty, none of its
own; a stranger who enters has the density of anybody who enters there, at the camera's rate of arrivals.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.records import DoubleArray, IntArray
from st_model.arrivals import log_arrival_rate
from st_model.background import Background
from st_model.fit import Sightings
from st_model.matching import Matching, match
from st_model.walks import DIM, Walk, walk_moments, walk_vectors

OUTLIERS = 0.02
_ROUNDS = 60
_TOLERANCE = 1e-4
_MOST_LEAVING = 1500
_MOST_PAIRS = 300_000
# Half a person each way: a share is never quite 0 or 1.
_SHARE_PRIOR = 0.5
_FIRST_SHARE = 0.3


def log_ratio(log_walk: DoubleArray, log_stranger: DoubleArray) -> DoubleArray:
    """Log-likelihood ratio of "one person walked" against "a stranger came", bounded below by the share of outliers.

    Args:
        log_walk: (K,) log density of the walks.
        log_stranger: (K,) log density of the same when two people are concerned.
    """
    result: DoubleArray = np.logaddexp(np.log1p(-OUTLIERS) + log_walk - log_stranger, np.log(OUTLIERS))
    return result


def inliers(log_walk: DoubleArray, log_stranger: DoubleArray) -> DoubleArray:
    """(K,) probability that a walk is none of the outliers."""
    result: DoubleArray = np.exp(np.log1p(-OUTLIERS) + log_walk - log_stranger - log_ratio(log_walk, log_stranger))
    return result


@dataclass(frozen=True, slots=True, eq=False)
class Way:
    """Possible walks from one camera to another.

    Attributes:
        source: camera left.
        target: camera entered.
        leaving: (N,) rows of the sightings that leave.
        entering: (M,) rows of those that enter.
        left: (K,) index into ``leaving``.
        right: (K,) index into ``entering``.
        walks: (K, 7) vectors.
        log_stranger: (K,) log density of the vector if two people are concerned.
    """

    source: int
    target: int
    leaving: IntArray
    entering: IntArray
    left: IntArray
    right: IntArray
    walks: DoubleArray
    log_stranger: DoubleArray

    def __len__(self) -> int:
        return len(self.left)

    def select(self, rows: NDArray[np.bool_]) -> "Way":
        """The same people, fewer walks."""
        return Way(
            self.source,
            self.target,
            self.leaving,
            self.entering,
            self.left[rows],
            self.right[rows],
            self.walks[rows],
            self.log_stranger[rows],
        )

    def middle(self, most: int) -> "Way":
        """Walks of the ``most`` who leave in the middle of the time; their rivals stay with them."""
        kept = _middle(len(self.leaving), most)
        return self.select((self.left >= kept.start) & (self.left < kept.stop))

    def between(self, shortest_s: float, longest_s: float) -> "Way":
        """Walks that take at least one and at most the other, seconds."""
        lag = self.walks[:, 0]
        return self.select((lag >= np.log(shortest_s)) & (lag <= np.log(longest_s)))


@dataclass(frozen=True, slots=True, eq=False)
class Learnt:
    """A way's density after learning.

    Attributes:
        way: what it was learnt from.
        walk: density.
        moments: (8, 8) of the walks, by their probability.
        share: probability of taking this way on leaving.
        matching: who walked, softly.
        score: log likelihood over that of strangers only, natural log; a lower bound of the evidence for the way where
            the density's own uncertainty was charged.
    """

    way: Way
    walk: Walk
    moments: DoubleArray
    share: float
    matching: Matching
    score: float


def find_way(
    sightings: Sightings,
    source: int,
    target: int,
    backgrounds: dict[tuple[int, str], Background],
    shortest_s: float,
    longest_s: float,
) -> Way:
    """Pairs of sightings of which the second enters within a time after the first leaves.

    Of many, those who leave in the middle of the recording: a window keeps everybody's rivals together.

    Args:
        sightings: rows whose passages are not known are left out.
        source: camera left.
        target: camera entered.
        backgrounds: by camera and "enter" or "leave".
        shortest_s: lags below are left out.
        longest_s: lags beyond are left out.
    """
    known = sightings.passages.known
    leaving = np.flatnonzero((sightings.camera == source) & known)
    leaving = leaving[np.argsort(sightings.leave_s[leaving], kind="stable")]
    entering = np.flatnonzero((sightings.camera == target) & known)
    entering = entering[np.argsort(sightings.enter_s[entering], kind="stable")]
    leaves, enters = sightings.leave_s[leaving], sightings.enter_s[entering]
    first = np.searchsorted(enters, leaves + shortest_s, "left")
    number = np.searchsorted(enters, leaves + longest_s, "right") - first
    most = len(leaving)
    while most > _MOST_LEAVING or number[_middle(len(leaving), most)].sum() > _MOST_PAIRS:
        most = most * 3 // 4
    kept = _middle(len(leaving), most)
    leaving, first, number = leaving[kept], first[kept], number[kept]
    left = np.repeat(np.arange(len(leaving)), number)
    right = np.arange(number.sum()) - np.repeat(np.cumsum(number) - number, number) + np.repeat(first, number)
    used, right = np.unique(right, return_inverse=True)
    log_rate = log_arrival_rate(enters)[used]
    entering = entering[used]
    lags = sightings.enter_s[entering[right]] - sightings.leave_s[leaving[left]]
    before, after = sightings.passages.select(leaving), sightings.passages.select(entering)
    walks = walk_vectors(lags, before.select(left), after.select(right))
    log_stranger = walks[:, 0] + log_rate[right]
    if len(walks):
        log_stranger += backgrounds[source, "leave"].log_density(before.leaving)[left]
        log_stranger += backgrounds[target, "enter"].log_density(after.entering)[right]
    return Way(source, target, leaving, entering, left, right.astype(np.int64), walks, log_stranger)


def _middle(count: int, most: int) -> slice:
    start = (count - min(most, count)) // 2
    return slice(start, start + min(most, count))


def learn(way: Way, prior: Walk, start: Walk, charged: bool = False, rounds: int = _ROUNDS) -> Learnt:
    """Expectation maximisation from a first guess.

    Args:
        way: possible walks.
        prior: of the density.
        start: first guess.
        charged: charge the uncertainty of the density (variational learning): slower to believe, and its score bounds
            the evidence from below. Otherwise predictive densities are used, which find a way from a vague guess.
        rounds: at most.
    """
    walk, share, score = start, _FIRST_SHARE, -np.inf
    for _ in range(rounds):
        density = walk.expected_log_density(way.walks) if charged else walk.log_density(way.walks)
        ratio = log_ratio(density, way.log_stranger)
        odds = float(np.log(share) - np.log1p(-share))
        matching = match(way.left, way.right, ratio + odds, len(way.leaving), len(way.entering))
        before, score = score, matching.log_total + len(way.leaving) * float(np.log1p(-share))
        if charged:
            score -= walk.divergence(prior)
        moments = walk_moments(way.walks, matching.probability * inliers(density, way.log_stranger))
        walk = prior.with_walks(moments)
        share = share_of(float(matching.probability.sum()), len(way.leaving))
        if abs(score - before) < _TOLERANCE:
            break
    return Learnt(way, walk, moments, share, matching, score)


def share_of(walks: float, leaving: int) -> float:
    """Share of those who left that walked, never quite 0 or 1."""
    return float((walks + _SHARE_PRIOR) / (leaving + 4 * _SHARE_PRIOR))


def vague_start(way: Way, prior: Walk, lag_s: float) -> Walk:
    """First guess: walks of about this lag from anywhere to anywhere, worth three of them.

    Args:
        way: possible walks; K > 0.
        prior: of the density.
        lag_s: seconds.
    """
    count = 3.0
    mean, spread = way.walks.mean(axis=0), np.cov(way.walks.T, bias=True).reshape(DIM, DIM)
    mean[0] = np.log(lag_s)
    apart = np.zeros((DIM, DIM))
    apart[1:4, 1:4], apart[4:, 4:] = spread[1:4, 1:4], spread[4:, 4:]
    moments = np.empty((DIM + 1, DIM + 1))
    moments[0, 0], moments[0, 1:], moments[1:, 0] = count, count * mean, count * mean
    moments[1:, 1:] = count * (apart + np.outer(mean, mean))
    here = Walk(mean, prior.weight, prior.scatter, prior.freedom)
    return here.with_walks(moments)
