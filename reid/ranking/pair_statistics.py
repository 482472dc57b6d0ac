"""How far apart the distances of same and of different people lie, whatever the ranking makes of them."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.records import IntArray
from reid.ranking.rules import CLOTHES_RULES, Rule, check_rule, left_out


class PairStatistics:
    """Mean and deviation of the distances of positive and negative pairs, collected block by block.

    Distances count of the pairs a ranking under the same rule would rank, and of them of those that share a visible
    part. The share of pairs that cannot be compared is of all pairs, whatever the rule.

    Args:
        query_ids: (Q,).
        gallery_ids: (G,).
        query_cameras: (Q,).
        gallery_cameras: (G,).
        rule: which gallery items a query ranks, see ``RetrievalEvaluator``.
        clothes: (Q,) and (G,), where the rule needs them.
    """

    def __init__(
        self,
        query_ids: IntArray,
        gallery_ids: IntArray,
        query_cameras: IntArray,
        gallery_cameras: IntArray,
        rule: Rule = "market",
        clothes: tuple[IntArray, IntArray] | None = None,
    ) -> None:
        check_rule(rule, clothes)
        self._clothes = clothes
        self._ids, self._cameras, self._rule = (query_ids, gallery_ids), (query_cameras, gallery_cameras), rule
        # Rows: positive, negative; columns: count, sum, sum of squares.
        self._sums = np.zeros((2, 3))
        self._pairs = self._missing = self._blind = 0

    def add(self, start: int, distances: NDArray[np.floating[Any]]) -> None:
        """Count the pairs of the queries from ``start`` on.

        Args:
            start: first query of the block.
            distances: (rows, G); infinite where a pair shares no part.
        """
        rows = slice(start, start + len(distances))
        same = self._ids[0][rows, None] == self._ids[1]
        dressed = None if self._clothes is None else self._clothes[0][rows, None] == self._clothes[1]
        ranked = _ranked(self._rule, same, self._cameras[0][rows, None] == self._cameras[1], dressed)
        comparable = np.isfinite(distances)
        self._pairs += distances.size
        self._missing += int(np.count_nonzero(~comparable))
        self._blind += int(np.count_nonzero(~(comparable & ranked).any(axis=1)))
        for row, chosen in enumerate((same, ~same)):
            values = distances[chosen & ranked & comparable].astype(np.float64)
            self._sums[row] += (len(values), values.sum(), (values**2).sum())

    def summary(self) -> dict[str, float]:
        """What was found; figures that need pairs there were none of are left out.

        Returns:
            ``uncomparable`` and ``uncomparable_queries``: shares of the pairs without a common part, and of the queries
            that share none with any picture they rank. ``positive_mean``, ``positive_std``, ``negative_mean``,
            ``negative_std``: of the distances. ``ssmd``: strictly standardised mean difference, (mean of negatives -
            mean of positives) / sqrt(sum of their variances) (Zhang, Genomics 2007); larger is better.
        """
        queries = len(self._ids[0])
        found = {
            "uncomparable": self._missing / max(1, self._pairs),
            "uncomparable_queries": self._blind / max(1, queries),
        }
        variances = []
        for name, (count, total, squares) in zip(("positive", "negative"), self._sums.tolist(), strict=True):
            if count:
                mean = total / count
                variances.append(max(0.0, squares / count - mean**2))
                found |= {f"{name}_mean": mean, f"{name}_std": math.sqrt(variances[-1])}
        if len(variances) == 2 and sum(variances) > 0:
            found["ssmd"] = (found["negative_mean"] - found["positive_mean"]) / math.sqrt(sum(variances))
        return found


def _ranked(
    rule: Rule, same: NDArray[np.bool_], same_camera: NDArray[np.bool_], same_clothes: NDArray[np.bool_] | None
) -> NDArray[np.bool_]:
    apart = left_out(rule, same_camera, same_clothes)
    return ~(same & apart) if rule == "market" or rule in CLOTHES_RULES else ~apart
