"""Smoothing of lag histograms and the choice of its bandwidth.

Ours: a Gaussian with reflecting ends, applied in the cosine basis, where it is a product (Botev, Grotowski & Kroese,
"Kernel density estimation via diffusion", Annals of Statistics 2010, section 5). No mass is lost at lag 0.
"""

import numpy as np

from data.records import DoubleArray

_BANDWIDTH_STEP = 2**0.5
_SMALLEST_BANDWIDTH = 1.0


def smooth_reflecting(histograms: DoubleArray, bandwidths: DoubleArray) -> DoubleArray:
    """Gaussian smoothing along the last axis with reflection at both ends; every row keeps its sum.

    Args:
        histograms: (R, B).
        bandwidths: (R,) standard deviation in bins, >= 1.

    Returns:
        (R, B), >= 0.
    """
    from scipy.fft import dct, idct

    bins = histograms.shape[-1]
    frequency = np.pi * np.arange(bins) / bins
    spectrum = dct(histograms, type=2, axis=-1)
    spectrum *= np.exp(-0.5 * (bandwidths[:, None] * frequency) ** 2)
    smoothed: DoubleArray = np.maximum(idct(spectrum, type=2, axis=-1), 0.0)
    total = smoothed.sum(-1, keepdims=True)
    smoothed *= np.divide(histograms.sum(-1, keepdims=True), total, out=np.zeros_like(total), where=total > 0)
    return smoothed


def bandwidth_grid(bins: int) -> DoubleArray:
    """Bandwidths tried, in bins: from 1 to a quarter of the range in steps of sqrt 2."""
    count = 1 + int(np.floor(np.log(max(bins / 4, 1.0)) / np.log(_BANDWIDTH_STEP)))
    grid: DoubleArray = _SMALLEST_BANDWIDTH * _BANDWIDTH_STEP ** np.arange(count, dtype=np.float64)
    return grid


def leave_one_out(histograms: DoubleArray, bandwidths: DoubleArray, background: float) -> DoubleArray:
    """Cross-validated log likelihood of every histogram under every bandwidth.

    Each event is scored by the smoothed density of all the others of its row, mixed with ``background`` (events per bin
    from a uniform component) so that an isolated event costs much but not everything.

    Args:
        histograms: (R, B) soft counts; rows with data.
        bandwidths: (H,) in bins.
        background: weight of one uniform pseudo-event, > 0.

    Returns:
        (R, H) sum over the events of the row, natural log of the probability per bin.
    """
    rows, bins = histograms.shape
    seen_row, seen_bin = np.nonzero(histograms)
    weight = histograms[seen_row, seen_bin]
    own = np.minimum(weight, 1.0)
    total = histograms.sum(-1)[seen_row]
    result = np.empty((rows, len(bandwidths)))
    for column, bandwidth in enumerate(bandwidths):
        smoothed = smooth_reflecting(histograms, np.full(rows, bandwidth))[seen_row, seen_bin]
        amplitude = 1.0 / (bandwidth * np.sqrt(2 * np.pi))
        to_start, to_end = 2 * seen_bin + 1, 2 * (bins - seen_bin) - 1
        images = np.exp(-0.5 * (to_start / bandwidth) ** 2) + np.exp(-0.5 * (to_end / bandwidth) ** 2)
        others = np.maximum(smoothed - own * amplitude * (1.0 + images), 0.0)
        density = (others + background / bins) / (total - own + background)
        result[:, column] = np.bincount(seen_row, weight * np.log(density), rows)
    return result


def choose_bandwidths(histograms: DoubleArray, pooling: float) -> DoubleArray:
    """Bandwidth of every row by cross-validated likelihood; thin rows lean on all the others.

    A row's own likelihood is added to ``pooling`` times the mean likelihood per event of all rows together, so that a
    row with few events takes the common bandwidth and a row with many its own.

    Args:
        histograms: (R, B) soft counts, any number of rows empty.
        pooling: weight of the common choice, in events.

    Returns:
        (R,) bandwidths in bins.
    """
    rows, bins = histograms.shape
    grid = bandwidth_grid(bins)
    counts = histograms.sum(-1)
    filled = counts > 0
    chosen = np.full(rows, grid[len(grid) // 2])
    if filled.any():
        likelihood = leave_one_out(histograms[filled], grid, background=1.0)
        common = likelihood.sum(0) / counts.sum()
        chosen[:] = grid[int(np.argmax(common))]
        chosen[filled] = grid[np.argmax(likelihood + pooling * common, axis=1)]
    return chosen
