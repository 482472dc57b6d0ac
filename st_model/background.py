"""The background walks are told from: how anybody passes through a view."""

from dataclasses import dataclass

import numpy as np

from data.records import DoubleArray

_MOST_POINTS = 400
_BANDWIDTHS = 0.05 * 1.35 ** np.arange(12)
_BLOCK_CELLS = 1 << 20
# A wide normal distribution has this share: a lone event has a density as well.
_WIDE_SHARE = 1e-3
_WIDE = 2.0
# Where everybody enters on one line, no walk could be told from a stranger's as sharply as the line is.
_SMALLEST_SPREAD = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Background:
    """Density of (x, y, log pace) where people enter one view, or leave it.

    A kernel estimate in standardised coordinates with the bandwidth of greatest leave-one-out likelihood (Duin, IEEE
    Transactions on Computers 1976).

    Attributes:
        points: (N, D) float64 standardised support.
        centre: (D,) of the data.
        spread: (D,) standard deviations of the data, a tenth at least.
        bandwidth: in standard deviations.
    """

    points: DoubleArray
    centre: DoubleArray
    spread: DoubleArray
    bandwidth: float

    @staticmethod
    def of(values: DoubleArray) -> "Background":
        """Learn from values, (N, D), N > 0; of many, some evenly over their order."""
        rows = np.linspace(0, len(values) - 1, min(len(values), _MOST_POINTS)).astype(np.int64)
        kept = values[rows]
        centre, spread = kept.mean(axis=0), np.maximum(kept.std(axis=0), _SMALLEST_SPREAD)
        points = (kept - centre) / spread
        if len(points) < 2:
            return Background(points, centre, spread, 1.0)
        squares = ((points[:, None] - points[None]) ** 2).sum(axis=-1)
        np.fill_diagonal(squares, np.inf)
        wide = _WIDE_SHARE * _normal((points**2).sum(axis=1), _WIDE, points.shape[1])
        fits = [
            np.log(_normal(squares, width, points.shape[1]).sum(axis=1) / (len(points) - 1) + wide).sum()
            for width in _BANDWIDTHS
        ]
        return Background(points, centre, spread, float(_BANDWIDTHS[int(np.argmax(fits))]))

    def log_density(self, values: DoubleArray) -> DoubleArray:
        """Natural log of the density, (M, D) -> (M,); NaN where a value is NaN."""
        scaled = (values - self.centre) / self.spread
        dim, result = scaled.shape[1], np.full(len(scaled), np.nan)
        step = max(1, _BLOCK_CELLS // max(len(self.points), 1))
        for start in range(0, len(scaled), step):
            part = scaled[start : start + step]
            squares = ((part[:, None] - self.points[None]) ** 2).sum(axis=-1)
            near = _normal(squares, self.bandwidth, dim).mean(axis=1)
            wide = _normal((part**2).sum(axis=1), _WIDE, dim)
            density = (1 - _WIDE_SHARE) * near + _WIDE_SHARE * wide
            result[start : start + step] = np.log(np.maximum(density, np.finfo(np.float64).tiny))
        return result - np.log(self.spread).sum()


def _normal(squares: DoubleArray, width: float, dim: int) -> DoubleArray:
    result: DoubleArray = np.exp(-0.5 * squares / width**2) / (2 * np.pi * width**2) ** (dim / 2)
    return result
