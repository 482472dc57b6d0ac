"""Two-sided normal densities of distances, and their fit to weighted counts.

A two-sided (split) normal density has one mode and a width on either side (Fechner; see Wallis, "The two-piece normal,
binormal, or double Gaussian distribution", Statistical Science 2014). Of one person large distances are commoner than a
normal distribution has them, of different people small ones; how much so differs between networks and sites.
"""

from dataclasses import dataclass

import numpy as np

from data.records import DoubleArray

GRID = np.linspace(0.0, 2.0, 801)
_STEP = GRID[1] - GRID[0]
_NARROWEST = 0.005


@dataclass(frozen=True, slots=True)
class TwoSided:
    """A density with one mode and two widths, all in units of distance."""

    mode: float
    below: float
    above: float

    @staticmethod
    def of(mean: float, std: float, shape: tuple[float, float, float]) -> "TwoSided":
        """From mean and standard deviation; ``shape`` is the mode's offset and the two widths, in deviations."""
        return TwoSided(mean + shape[0] * std, shape[1] * std, shape[2] * std)

    @property
    def mean(self) -> float:
        """Its mean."""
        return float(self.mode + np.sqrt(2 / np.pi) * (self.above - self.below))

    @property
    def std(self) -> float:
        """Its standard deviation."""
        return float(np.sqrt((1 - 2 / np.pi) * (self.above - self.below) ** 2 + self.above * self.below))

    @property
    def low(self) -> float:
        """Two widths below the mode: few distances are smaller."""
        return self.mode - 2 * self.below

    def scaled(self, factor: float) -> "TwoSided":
        """The density of distances that are ``factor`` times as large, >= 0."""
        return TwoSided(factor * self.mode, *(max(factor * width, _NARROWEST) for width in (self.below, self.above)))

    def log_density(self, distance: DoubleArray) -> DoubleArray:
        """Natural log of the density, per unit of distance."""
        width = np.where(distance < self.mode, self.below, self.above)
        scale = np.log(self.below + self.above) + 0.5 * np.log(np.pi / 2)
        result: DoubleArray = -0.5 * ((distance - self.mode) / width) ** 2 - scale
        return result

    def counts(self, total: float) -> DoubleArray:
        """``total`` pairs spread over the grid as this density has them."""
        density = np.exp(self.log_density(GRID))
        result: DoubleArray = total * density / density.sum()
        return result


def falling(curve: DoubleArray, middle: float) -> DoubleArray:
    """A curve on the grid made to fall on both sides of a distance: densities of unlike width cross twice."""
    result, place = curve.copy(), int(np.searchsorted(GRID, middle))
    result[place:] = np.minimum.accumulate(result[place:])
    result[: place + 1] = np.maximum.accumulate(result[: place + 1][::-1])[::-1]
    return result


def count(distance: DoubleArray, weight: DoubleArray | float = 1.0) -> DoubleArray:
    """Weighted distances as counts on the grid, each shared by its two neighbours."""
    place = np.clip(distance, 0.0, GRID[-1] - 1e-9) / _STEP
    low = place.astype(np.int64)
    weights = np.broadcast_to(np.asarray(weight, np.float64), distance.shape)
    high = weights * (place - low)
    counts = np.bincount(low, weights - high, len(GRID)) + np.bincount(low + 1, high, len(GRID))
    return np.asarray(counts, np.float64)


def fit_counts(counts: DoubleArray) -> TwoSided:
    """The likeliest two-sided normal density of counts on the grid.

    With S1 and S2 the sums of squares below and above a mode, the widths are (S1^2 (S1^(1/3) + S2^(1/3))^3 / n^3)^(1/6)
    and so for S2, and the mode is where S1^(1/3) + S2^(1/3) is least (John, Communications in Statistics 1982).
    """
    moments = [np.cumsum(counts * GRID**power) for power in range(3)]

    def squares(zeroth: DoubleArray, first: DoubleArray, second: DoubleArray) -> DoubleArray:
        return np.maximum(second - 2 * GRID * first + GRID**2 * zeroth, 1e-12)

    low = np.cbrt(squares(*moments))
    high = np.cbrt(squares(*(moment[-1] - moment for moment in moments)))
    place = int(np.argmin(low + high))
    scale = (low[place] + high[place]) / counts.sum()
    widths = np.sqrt([low[place] ** 2 * scale, high[place] ** 2 * scale])
    below, above = np.maximum(widths, _NARROWEST).tolist()
    return TwoSided(float(GRID[place]), below, above)
