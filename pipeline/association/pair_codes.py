"""Unordered pairs of rows as single numbers, for looking them up in sets."""

import numpy as np

from data.records import IntArray


def pair_codes(a: IntArray, b: IntArray, count: int) -> IntArray:
    """One number per unordered pair of rows below ``count``."""
    return np.minimum(a, b) * np.int64(count) + np.maximum(a, b)
