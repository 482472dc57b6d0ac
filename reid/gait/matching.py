"""Are two recordings of one person? A likelihood ratio of their features, for people never seen in training.

Features of a recording are the mean over its sequences. After reduction to directions in which people differ, both the
people and what varies within one person are normal (two-covariance model: Brummer and de Villiers, "The Speaker
Partitioning Problem", Odyssey 2010), which gives the ratio in closed form.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.errors import UserError
from data.records import DoubleArray, IntArray
from data.skeleton_forms import Form

Bools = NDArray[np.bool_]

_MOST_DIRECTIONS = 24
_MOST_COMPONENTS = 96
_FEWEST_PEOPLE = 10
_RIDGE = 1e-3
_MEAN_PRIOR, _SPREAD_PRIOR = 5.0, 10.0


@dataclass(frozen=True, slots=True, eq=False)
class GaitMatcher:
    """What was learnt of people.

    Attributes:
        mean: (F,) of the features.
        directions: (F, D): features about the mean times these have variance 1 within a person, uncorrelated.
        between: (D,) variance between people in the same unit.
        form: of the skeletons it was learnt from.
        fps: of their recordings.
        frames: of a sequence.
    """

    mean: DoubleArray
    directions: DoubleArray
    between: DoubleArray
    form: Form
    fps: float
    frames: int

    def reduce(self, features: DoubleArray) -> DoubleArray:
        """(N, F) features of recordings -> (N, D)."""
        return (features - self.mean) @ self.directions

    def adapt(self, features: DoubleArray) -> "AdaptedGaits":
        """Make recordings of one site comparable: what varies there beyond people counts as error.

        The site's own mean is removed. In each direction, variance beyond that of the training is added to what varies
        within a person; ten recordings as in training are added to the site's, so that few do not define it.

        Args:
            features: (N, F), all known.
        """
        found = self.reduce(features)
        count = len(found)
        found = found - found.mean(axis=0) * count / (count + _MEAN_PRIOR) if count else found
        expected = 1 + self.between
        seen = (np.square(found).sum(axis=0) + _SPREAD_PRIOR * expected) / (count + _SPREAD_PRIOR)
        within = 1 + np.maximum(seen - expected, 0)
        strange = float((np.square(found).mean(axis=0) / expected).mean()) if count else 1.0
        return AdaptedGaits(found / np.sqrt(within), self.between / within, strange)


@dataclass(frozen=True, slots=True, eq=False)
class AdaptedGaits:
    """Recordings of one site, ready to be compared.

    Attributes:
        vectors: (N, D), variance 1 within a person.
        between: (D,) variance between people.
        strange: mean variance by that of the training; about 1 where skeletons are as good as those learnt from.
    """

    vectors: DoubleArray
    between: DoubleArray
    strange: float

    def log_ratio(self, a: IntArray, b: IntArray) -> DoubleArray:
        """Natural-log likelihood ratio of "one person" of pairs of rows, (E,) each -> (E,)."""
        left, right = self.vectors[a], self.vectors[b]
        own, cross, constant = self._terms()
        ratio = (left**2 + right**2) @ own + (left * right) @ cross + constant
        return np.asarray(ratio, np.float64)

    def log_ratios(self, rows: IntArray) -> DoubleArray:
        """The same of some rows with all, (R, N)."""
        own, cross, constant = self._terms()
        squares = self.vectors**2 @ own
        return np.asarray(
            squares[rows][:, None] + squares[None] + (self.vectors[rows] * cross) @ self.vectors.T + constant,
            np.float64,
        )

    def _terms(self) -> tuple[DoubleArray, DoubleArray, float]:
        """Weights of squares and of products, and the constant.

        Of one person the sum of two vectors has variance 2 (1 + 2 b) and their difference 2; of two people both have
        2 (1 + b).
        """
        one, both = 1 + self.between, 1 + 2 * self.between
        of_sum, of_difference = -0.25 * (1 / both - 1 / one), -0.25 * (1 - 1 / one)
        constant = float((np.log(one) - 0.5 * np.log(both)).sum())
        return of_sum + of_difference, 2 * (of_sum - of_difference), constant


def fit_matcher(features: DoubleArray, people: IntArray, form: Form, fps: float, frames: int) -> GaitMatcher:
    """Learn from recordings of people who are known.

    Args:
        features: (N, F) of recordings, several of each person, as different as they will be in use.
        people: (N,) numbers.
        form: of the skeletons.
        fps: of the recordings.
        frames: of a sequence.

    Raises:
        UserError: when there are too few people, or too few recordings of them.
    """
    names, row, counts = np.unique(people, return_inverse=True, return_counts=True)
    if len(names) < _FEWEST_PEOPLE or len(people) - len(names) < len(names):
        raise UserError(
            f"{len(people)} recordings of {len(names)} people are too few to learn who is who from; "
            f"at least {_FEWEST_PEOPLE} people with two recordings each"
        )
    mean = features.mean(axis=0)
    centred = features - mean
    _, sizes, axes = np.linalg.svd(centred, full_matrices=False)
    kept = min(_MOST_COMPONENTS, len(people) - len(names), int((sizes > 1e-6 * sizes[0]).sum()))
    axes = axes[:kept].T
    points = centred @ axes
    own = np.zeros((len(names), kept))
    np.add.at(own, row, points)
    own /= counts[:, None]
    rest = points - own[row]
    within = rest.T @ rest / (len(people) - len(names))
    within += _RIDGE * np.trace(within) / kept * np.eye(kept)
    # The means of people still hold a part of what varies within them.
    spread = own.T @ (own * counts[:, None]) / max(len(names) - 1, 1)
    weight = (len(people) - np.square(counts).sum() / len(people)) / max(len(names) - 1, 1)
    between = (spread - within) / weight
    half = np.linalg.cholesky(within)
    inverse = np.linalg.inv(half)
    values, vectors = np.linalg.eigh(inverse @ between @ inverse.T)
    order = np.argsort(-values, kind="stable")[: min(_MOST_DIRECTIONS, len(names) - 1)]
    order = order[values[order] > 0]
    return GaitMatcher(mean, axes @ inverse.T @ vectors[:, order], values[order], form, fps, frames)


def equal_error_rate(same: DoubleArray, different: DoubleArray) -> float:
    """Share of wrong answers at the threshold where pairs of one person and of two are equally often wrong."""
    scores = np.concatenate([same, different])
    order = np.argsort(scores, kind="stable")
    of_one = np.concatenate([np.ones(len(same)), np.zeros(len(different))])[order]
    missed = np.cumsum(of_one) / len(same)
    accepted = 1 - np.cumsum(1 - of_one) / len(different)
    place = int(np.argmin(np.abs(missed - accepted)))
    return float(0.5 * (missed[place] + accepted[place]))
