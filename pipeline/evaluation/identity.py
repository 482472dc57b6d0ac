"""Identity measures of joined cameras, and how far chance could have moved them.

The best one-to-one assignment of whole identities over all cameras gives IDF1, IDP and IDR (Ristani et al.,
"Performance Measures and a Data Set for Multi-Target, Multi-Camera Tracking", 2016, section 4). Each assigned pair of
identities, and each identity left over, is one unit; resampling units gives an interval over people.
"""

from dataclasses import dataclass

import numpy as np

from data.records import DoubleArray, IntArray
from pipeline.evaluation.pairs import Compared, dense_ids


@dataclass(frozen=True, slots=True, eq=False)
class IdentityUnits:
    """Identities and what each adds to the measures.

    Attributes:
        found: (U,) int64 rows found under the right identity.
        truth: (U,) int64 rows of the truth.
        predicted: (U,) int64 rows of the predictions.
    """

    found: IntArray
    truth: IntArray
    predicted: IntArray

    def fractions(self, weights: DoubleArray | IntArray | None = None) -> dict[str, float]:
        """IDF1, IDP and IDR.

        Args:
            weights: (U,) how often each unit counts; None: once.
        """
        times = np.ones(len(self.found)) if weights is None else weights
        found, truth, predicted = (float(times @ rows) for rows in (self.found, self.truth, self.predicted))
        return {
            "IDF1": 2 * found / max(1.0, truth + predicted),
            "IDP": found / max(1.0, predicted),
            "IDR": found / max(1.0, truth),
        }


def identity_units(comparison: Compared, similarity: float) -> IdentityUnits:
    """Assign whole identities.

    Args:
        comparison: one sequence, or cameras that were joined to one.
        similarity: from which two rows may be the same person.
    """
    from scipy.optimize import linear_sum_assignment

    truth_ids, truths = dense_ids(comparison.truth)
    predicted_ids, predictions = dense_ids(comparison.predictions)
    of_truth = np.bincount(truth_ids, minlength=truths)
    of_prediction = np.bincount(predicted_ids, minlength=predictions)
    pairs = comparison.pairs.select(comparison.pairs.similarity >= similarity)
    cells = truth_ids[pairs.truth] * predictions + predicted_ids[pairs.prediction]
    together = np.bincount(cells, minlength=truths * predictions).reshape(truths, predictions)
    # Rows found twice save a miss and a false one: the largest sum is the least cost.
    a, b = linear_sum_assignment(together, maximize=True)
    kept = together[a, b] > 0
    a, b = a[kept], b[kept]
    alone, astray = np.setdiff1d(np.arange(truths), a), np.setdiff1d(np.arange(predictions), b)
    nothing = np.zeros(len(alone) + len(astray), np.int64)
    return IdentityUnits(
        found=np.concatenate([together[a, b].astype(np.int64), nothing]),
        truth=np.concatenate([of_truth[a], of_truth[alone], np.zeros(len(astray), np.int64)]),
        predicted=np.concatenate([of_prediction[b], np.zeros(len(alone), np.int64), of_prediction[astray]]),
    )
