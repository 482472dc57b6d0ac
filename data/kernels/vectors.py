"""Vectors of unit length."""

import numpy as np
from numpy.typing import NDArray


def to_unit_length(vectors: NDArray[np.float32], least: float = 1e-12) -> None:
    """Scale vectors to unit length, in place.

    Args:
        vectors: (..., D) float32, finite.
        least: length of the shortest vector with a direction; shorter ones become zero.
    """
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    np.divide(vectors, length, out=vectors, where=length > least)
    vectors[length[..., 0] <= least] = 0.0
