"""Walks: what happens between leaving one view and entering the next, as one joint density.

A walk is the vector z = (log lag, leave x, leave y, log pace before, enter x, enter y, log pace after). Of people who
walk from one camera to the next it has one normal distribution per ordered camera pair: who walks faster arrives
sooner, who leaves on the left enters on one side. Its mean and covariance are not known but have the conjugate prior
(normal inverse Wishart; Murphy, Conjugate Bayesian analysis of the Gaussian distribution, 2007, section 8), so that
few walks give a wide prediction (a multivariate t) and no false certainty.

All that is learnt of a pair are its moments, sums over walks of the outer product of (1, z) with itself: they add over
recordings.
"""

from dataclasses import dataclass

import numpy as np

from data.records import DoubleArray, IntArray
from st_model.passages import Passages

DIM = 7
# The same way walked back: leaving and entering change places.
_BACK = np.array([0, 4, 5, 6, 1, 2, 3])
_SHORTEST_S = 0.1
_QUANTUM = 2.0**-20

# What is expected of any way between any two cameras, as standard deviations about the pair's own mean: people keep
# their pace (.25 between people, .12 from view to view, in logs), so that log lag falls with it but for .35; they enter
# within .15 of the picture of one another. The mean itself is left open: it has the weight of a tenth of a walk.
_LAG_SPREAD = 0.35
_PLACE_SPREAD = 0.15
_PACE_SPREAD = 0.25
_PACE_NOISE = 0.12
_MEAN_WEIGHT = 0.08
_MEAN = np.array([np.log(30.0), 0.5, 0.5, np.log(0.4), 0.5, 0.5, np.log(0.4)])

# How much the way back says of the way there, in walks at most: doors and pavements serve both directions.
BACK_WEIGHT = 5.0
# Fewer walks, both ways together, say nothing.
FEWEST = 3.0


def _prior_scatter() -> DoubleArray:
    scatter = np.zeros((DIM, DIM))
    scatter[[1, 2, 4, 5], [1, 2, 4, 5]] = _PLACE_SPREAD**2
    scatter[[3, 6], [3, 6]] = _PACE_SPREAD**2 + _PACE_NOISE**2
    scatter[[3, 6], [6, 3]] = _PACE_SPREAD**2
    scatter[[0, 0, 3, 6], [3, 6, 0, 0]] = -(_PACE_SPREAD**2)
    scatter[0, 0] = _PACE_SPREAD**2 + _LAG_SPREAD**2
    return scatter


@dataclass(frozen=True, slots=True, eq=False)
class Walk:
    """Normal inverse Wishart distribution of the mean and covariance of z.

    Attributes:
        mean: (7,) expected mean.
        weight: walks the mean rests on, > 0.
        scatter: (7, 7) positive definite.
        freedom: degrees of freedom, > 6.
    """

    mean: DoubleArray
    weight: float
    scatter: DoubleArray
    freedom: float

    def with_walks(self, moments: DoubleArray) -> "Walk":
        """The distribution after walks have been seen, given as their (8, 8) moments."""
        count = float(moments[0, 0])
        if count <= 0:
            return self
        seen = moments[0, 1:] / count
        weight = self.weight + count
        off = seen - self.mean
        scatter = self.scatter + moments[1:, 1:] - count * np.outer(seen, seen)
        scatter = scatter + self.weight * count / weight * np.outer(off, off)
        return Walk((self.weight * self.mean + count * seen) / weight, weight, scatter, self.freedom + count)

    def log_density(self, walks: DoubleArray) -> DoubleArray:
        """Predictive log density of walks, (K, 7) -> (K,): a multivariate t (Murphy 2007, eq. 258)."""
        from scipy.special import gammaln

        freedom = self.freedom - DIM + 1
        distance, log_volume = self._distances(walks, freedom)
        constant = gammaln((freedom + DIM) / 2) - gammaln(freedom / 2) - 0.5 * DIM * np.log(freedom * np.pi)
        result: DoubleArray = constant - log_volume - 0.5 * (freedom + DIM) * np.log1p(distance / freedom)
        return result

    def log_lag_density(self, walks: DoubleArray) -> DoubleArray:
        """Predictive log density of the log lag alone, (K, 7) -> (K,)."""
        from scipy.special import gammaln

        freedom = self.freedom - DIM + 1
        variance = self.scatter[0, 0] * (1 + 1 / self.weight) / freedom
        distance = (walks[:, 0] - self.mean[0]) ** 2 / variance
        constant = gammaln((freedom + 1) / 2) - gammaln(freedom / 2) - 0.5 * np.log(freedom * np.pi * variance)
        result: DoubleArray = constant - 0.5 * (freedom + 1) * np.log1p(distance / freedom)
        return result

    def expected_log_density(self, walks: DoubleArray) -> DoubleArray:
        """Log density of a normal distribution, expected over its mean and covariance, (K, 7) -> (K,).

        The quantity of variational learning (Bishop, Pattern Recognition and Machine Learning, 2006, eqs. 10.64-65).
        """
        distance, _ = self._distances(walks, self.freedom)
        spread = DIM / self.weight + distance * (self.weight + 1) / self.weight
        return self._log_precision() - 0.5 * (DIM * np.log(2 * np.pi) + spread)

    def divergence(self, prior: "Walk") -> float:
        """Kullback-Leibler divergence from a prior: what it costs to have learnt this."""
        from scipy.special import multigammaln

        inverse = np.linalg.inv(self.scatter)
        off = self.mean - prior.mean
        mean = 0.5 * (
            DIM * np.log(self.weight / prior.weight)
            - DIM
            + DIM * prior.weight / self.weight
            + prior.weight * self.freedom * off @ inverse @ off
        )
        ratio = np.linalg.slogdet(self.scatter)[1] - np.linalg.slogdet(prior.scatter)[1]
        covariance = (
            0.5 * prior.freedom * ratio
            + 0.5 * self.freedom * (np.trace(prior.scatter @ inverse) - DIM)
            + multigammaln(0.5 * prior.freedom, DIM)
            - multigammaln(0.5 * self.freedom, DIM)
            + 0.5 * (self.freedom - prior.freedom) * self._digammas()
        )
        return float(mean + covariance)

    def _distances(self, walks: DoubleArray, freedom: float) -> tuple[DoubleArray, float]:
        """Squared distances from the mean under scatter (1 + 1 / weight) / freedom, and half its log determinant."""
        factor = np.linalg.cholesky(self.scatter * ((1 + 1 / self.weight) / freedom))
        scaled = (walks - self.mean) @ np.linalg.inv(factor).T
        return (scaled**2).sum(axis=1), float(np.log(np.diag(factor)).sum())

    def _log_precision(self) -> float:
        """Half the expected log determinant of the precision."""
        return 0.5 * (self._digammas() + DIM * float(np.log(2)) - float(np.linalg.slogdet(self.scatter)[1]))

    def _digammas(self) -> float:
        from scipy.special import digamma

        return float(digamma(0.5 * (self.freedom - np.arange(DIM))).sum())


PRIOR = Walk(_MEAN, _MEAN_WEIGHT, _prior_scatter(), DIM + 2.0)


def walk_vectors(lags_s: DoubleArray, before: Passages, after: Passages) -> DoubleArray:
    """(K, 7) float64 vectors z of K walks; NaN where something is not known.

    Args:
        lags_s: (K,) seconds from leaving to entering; shorter ones count as a tenth of a second.
        before: K passages through the view that was left.
        after: K passages through the view that was entered.
    """
    log_lag = np.log(np.maximum(lags_s, _SHORTEST_S))
    return np.column_stack([log_lag, before.leaving, after.entering])


def walk_moments(walks: DoubleArray, weights: DoubleArray) -> DoubleArray:
    """(8, 8) float64: sum over walks of weight x (1, z)(1, z)'; rows with NaN do not count."""
    known = np.isfinite(walks).all(axis=1)
    ones = np.column_stack([np.ones(known.sum()), walks[known]])
    moments: DoubleArray = (ones * weights[known, None]).T @ ones
    return moments


def count_walks(
    sources: IntArray, targets: IntArray, walks: DoubleArray, weights: DoubleArray, cameras: int
) -> DoubleArray:
    """Moments per ordered camera pair, (C, C, 8, 8), in multiples of 2^-20, so that their sums are exact in any order.

    Args:
        sources: (K,) camera left.
        targets: (K,) camera entered.
        walks: (K, 7); rows with NaN do not count.
        weights: (K,) soft counts.
        cameras: C.
    """
    table = np.zeros((cameras * cameras, DIM + 1, DIM + 1))
    used = np.isfinite(walks).all(axis=1) & (weights > 0)
    if used.any():
        ones = np.column_stack([np.ones(used.sum()), walks[used]])
        products = weights[used, None, None] * ones[:, :, None] * ones[:, None, :]
        np.add.at(table, (sources * cameras + targets)[used], np.round(products / _QUANTUM) * _QUANTUM)
    return table.reshape(cameras, cameras, DIM + 1, DIM + 1)


def walked_back(moments: DoubleArray) -> DoubleArray:
    """(8, 8) moments of the same walks in the other direction."""
    order = np.concatenate([[0], 1 + _BACK])
    return moments[np.ix_(order, order)]


def expected_walk(moments_back: DoubleArray) -> Walk:
    """What is expected of a way of which only the walks in the other direction are known, as (8, 8) moments."""
    count = float(moments_back[0, 0])
    return PRIOR.with_walks(walked_back(moments_back) * min(1.0, BACK_WEIGHT / max(count, 1e-9)))


def pair_walk(moments: DoubleArray, source: int, target: int) -> Walk | None:
    """Walks from one camera to another; None where too few are known.

    Args:
        moments: (C, C, 8, 8) of all pairs.
        source: camera left.
        target: camera entered.
    """
    there, back = moments[source, target], moments[target, source]
    if source == target:
        return PRIOR.with_walks(there) if there[0, 0] >= FEWEST else None
    if there[0, 0] + min(float(back[0, 0]), BACK_WEIGHT) < FEWEST:
        return None
    return expected_walk(back).with_walks(there)
