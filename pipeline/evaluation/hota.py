"""HOTA: how well detection, association and localisation go together.

Source: Luiten et al., "HOTA: A Higher Order Metric for Evaluating Multi-Object Tracking", IJCV 2021; equations 1-13 and
the matching of its section 5. Conventions for empty sequences and for sums over sequences are TrackEval's.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data.records import DoubleArray
from pipeline.evaluation.pairs import EPSILON, Compared, Pairs, assign, dense_ids

ALPHAS: DoubleArray = np.arange(0.05, 0.99, 0.05)
_TINY = 1e-10


@dataclass(frozen=True, slots=True)
class HotaTally:
    """What HOTA is made of at each of the 19 localisation thresholds; tallies of several sequences add.

    Attributes:
        true_positives: (19,) float64, matched pairs.
        truth_boxes: number of truth boxes.
        predicted_boxes: number of predicted boxes.
        association: (19,) float64, sum over matched pairs of their association accuracy.
        association_recall: (19,) float64, the same of the recall.
        association_precision: (19,) float64, the same of the precision.
        overlap: (19,) float64, sum over matched pairs of their IoU.
    """

    true_positives: DoubleArray
    truth_boxes: int
    predicted_boxes: int
    association: DoubleArray
    association_recall: DoubleArray
    association_precision: DoubleArray
    overlap: DoubleArray

    def __add__(self, other: "HotaTally") -> "HotaTally":
        return HotaTally(
            self.true_positives + other.true_positives,
            self.truth_boxes + other.truth_boxes,
            self.predicted_boxes + other.predicted_boxes,
            self.association + other.association,
            self.association_recall + other.association_recall,
            self.association_precision + other.association_precision,
            self.overlap + other.overlap,
        )

    def curves(self) -> dict[str, DoubleArray]:
        """Each measure at each threshold, (19,) fractions 0-1, by TrackEval's names."""
        found = self.true_positives
        per_match = np.maximum(1.0, found)
        detection = found / np.maximum(1.0, self.truth_boxes + self.predicted_boxes - found)
        association = self.association / per_match
        return {
            "HOTA": np.sqrt(detection * association),
            "DetA": detection,
            "AssA": association,
            "DetRe": found / max(1.0, self.truth_boxes),
            "DetPr": found / max(1.0, self.predicted_boxes),
            "AssRe": self.association_recall / per_match,
            "AssPr": self.association_precision / per_match,
            "LocA": np.maximum(_TINY, self.overlap) / np.maximum(_TINY, found),
        }


def hota_tally(comparison: Compared) -> HotaTally:
    """Count one sequence.

    Boxes are matched once, by overlap times the alignment of their whole tracks; at each threshold the matches of
    lesser overlap do not count.
    """
    pairs = comparison.pairs
    truth_ids, truth_count = dense_ids(comparison.truth)
    predicted_ids, predicted_count = dense_ids(comparison.predictions)
    truth_boxes = np.bincount(truth_ids, minlength=truth_count)
    predicted_boxes = np.bincount(predicted_ids, minlength=predicted_count)

    keys, identity = np.unique(
        truth_ids[pairs.truth] * predicted_count + predicted_ids[pairs.prediction], return_inverse=True
    )
    first, second = np.divmod(keys, max(1, predicted_count))
    boxes_of_both = (truth_boxes[first] + predicted_boxes[second]).astype(np.float64)

    of_truth = np.bincount(pairs.truth, pairs.similarity, minlength=len(comparison.truth))[pairs.truth]
    of_prediction = np.bincount(pairs.prediction, pairs.similarity, minlength=len(comparison.predictions))[
        pairs.prediction
    ]
    share = pairs.similarity / np.maximum(of_truth + of_prediction - pairs.similarity, EPSILON)
    together = np.bincount(identity, share, minlength=len(keys))
    alignment = together / (boxes_of_both - together)

    matched = pairs.select(assign(comparison, pairs, alignment[identity] * pairs.similarity))
    return matches_tally(comparison, [matched.select(matched.similarity >= alpha - EPSILON) for alpha in ALPHAS])


def matches_tally(comparison: Compared, matches: Sequence[Pairs]) -> HotaTally:
    """Count what was matched.

    Args:
        comparison: the sequence.
        matches: the matched pairs at each of the 19 thresholds.
    """
    truth_ids, truth_count = dense_ids(comparison.truth)
    predicted_ids, predicted_count = dense_ids(comparison.predictions)
    truth_boxes = np.bincount(truth_ids, minlength=truth_count)
    predicted_boxes = np.bincount(predicted_ids, minlength=predicted_count)
    sums = np.zeros((3, len(matches)))
    for column, found in enumerate(matches):
        keys, times = np.unique(
            truth_ids[found.truth] * predicted_count + predicted_ids[found.prediction], return_counts=True
        )
        first, second = np.divmod(keys, max(1, predicted_count))
        squares = times.astype(np.float64) ** 2
        either = truth_boxes[first] + predicted_boxes[second] - times
        for row, rows in enumerate((either, truth_boxes[first], predicted_boxes[second])):
            sums[row, column] = (squares / rows).sum()
    return HotaTally(
        true_positives=np.array([len(found) for found in matches], np.float64),
        truth_boxes=len(comparison.truth),
        predicted_boxes=len(comparison.predictions),
        association=sums[0],
        association_recall=sums[1],
        association_precision=sums[2],
        overlap=np.array([found.similarity.sum() for found in matches]),
    )
