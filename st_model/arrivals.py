"""How often strangers come: the rate of arrivals at one camera over time, which is rarely even."""

import numpy as np

from data.records import DoubleArray

_NARROWEST_S = 2.0
_BINS_PER_WIDTH = 4
_MOST_BINS = 1 << 18


def log_arrival_rate(enter_s: DoubleArray) -> DoubleArray:
    """Natural log of the rate of arrivals at the time of each, per second, (N,) -> (N,).

    A Gaussian kernel estimate that leaves each arrival itself out, mixed half and half with the even rate; the width is
    the one of greatest likelihood among 2 s times powers of two. People who come in groups and rush hours make a rate
    uneven; taken as even, every burst of arrivals would seem to follow from somebody who left elsewhere before.

    Args:
        enter_s: (N,) seconds, in any order.
    """
    from scipy.ndimage import gaussian_filter1d

    count = len(enter_s)
    if count < 2:
        return np.zeros(count)
    start, span = float(enter_s.min()), max(float(np.ptp(enter_s)), _NARROWEST_S)
    even = (count - 1) / span
    step = max(_NARROWEST_S / _BINS_PER_WIDTH, span / _MOST_BINS)
    bins = int(span / step) + 1
    place = np.minimum(((enter_s - start) / step).astype(np.int64), bins - 1)
    counts = np.bincount(place, minlength=bins).astype(np.float64)
    best, best_fit = np.full(count, np.log(even)), count * np.log(even)
    width = _NARROWEST_S
    while width < span / 2:
        sigma = width / step
        # Reflected at both ends, so that the estimate integrates to the number of arrivals.
        smooth = gaussian_filter1d(counts, sigma, mode="reflect", truncate=4.0)[place]
        local = np.maximum(smooth - _peak(sigma), 0.0) / step
        rate = np.log(0.5 * local + 0.5 * even)
        if rate.sum() > best_fit:
            best, best_fit = rate, float(rate.sum())
        width *= 2.0
    return best


def _peak(sigma: float) -> float:
    """Height of the sampled Gaussian kernel at its centre."""
    reach = int(4.0 * sigma + 0.5)
    return float(1.0 / np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2).sum())
