"""CLEAR and identity measures: misses, false boxes, switches, and how long an identity is kept.

The correspondence of boxes and the measures on whole trajectories (mostly tracked, fragments, overlap) follow
TrackEval, because published figures do. motmetrics differs: it carries a pair on after any number of frames (TrackEval:
after one), prefers many matches to good ones, takes ">= 0.8" for mostly tracked (TrackEval: "> 0.8") and counts no
fragment where the truth itself pauses.

Sources: Bernardin and Stiefelhagen, "Evaluating Multiple Object Tracking Performance: The CLEAR MOT Metrics" (2008);
Ristani et al., "Performance Measures and a Data Set for Multi-Target, Multi-Camera Tracking" (2016), section 4.
"""

from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray

from data.records import IntArray
from pipeline.evaluation.identity import identity_units
from pipeline.evaluation.pairs import EPSILON, Compared, Pairs, dense_ids, solve, split_conflicts

_MOSTLY_TRACKED, _PARTLY_TRACKED = 0.8, 0.2


@dataclass(frozen=True, slots=True)
class ClearTally:
    """Counts of one sequence; those of several sequences add.

    Attributes:
        matches: matched pairs whose truth keeps the id it had.
        switches: matched pairs whose truth had another id when it was last matched.
        false_positives: predicted boxes without a partner.
        misses: truth boxes without a partner.
        id_true_positives: matched pairs under the best one-to-one assignment of whole identities.
        id_false_positives: predicted boxes outside it.
        id_misses: truth boxes outside it.
        fragments: how often a truth that was tracked before is tracked again after a pause.
        mostly_tracked: truth identities matched in more than 80 % of their boxes.
        partly_tracked: those matched in 20 % to 80 %.
        mostly_lost: the others.
        overlap: sum of the IoU of matched pairs.
    """

    matches: int
    switches: int
    false_positives: int
    misses: int
    id_true_positives: int
    id_false_positives: int
    id_misses: int
    fragments: int
    mostly_tracked: int
    partly_tracked: int
    mostly_lost: int
    overlap: float

    def __add__(self, other: "ClearTally") -> "ClearTally":
        return ClearTally(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))

    def rates(self) -> dict[str, float]:
        """MOTA, MOTP (mean IoU of matched pairs), IDF1, IDP, IDR; fractions, MOTA may be negative.

        Without any truth all are 0, as in TrackEval.
        """
        found = self.matches + self.switches
        truth_boxes = found + self.misses
        id_boxes = self.id_true_positives + 0.5 * (self.id_false_positives + self.id_misses)
        return {
            "MOTA": (self.matches - self.false_positives) / truth_boxes if truth_boxes else 0.0,
            "MOTP": self.overlap / max(1, found),
            "IDF1": self.id_true_positives / max(1.0, id_boxes),
            "IDP": self.id_true_positives / max(1, self.id_true_positives + self.id_false_positives),
            "IDR": self.id_true_positives / max(1, self.id_true_positives + self.id_misses),
        }


def clear_tally(comparison: Compared, iou: float) -> ClearTally:
    """Count one sequence.

    Args:
        comparison: truth and predictions after the rule has been applied.
        iou: similarity from which two rows may be the same person; of boxes their overlap.
    """
    truth_ids, truth_count = dense_ids(comparison.truth)
    found, who, when, switched = _followed(comparison, iou)
    resumed = (np.diff(who) == 0) & (np.diff(when) > 1)

    identities = identity_units(comparison, iou)
    found_ids, switches = int(identities.found.sum()), int(switched.sum())
    tracked = np.bincount(who, minlength=truth_count) / np.maximum(1, np.bincount(truth_ids, minlength=truth_count))
    mostly = int(np.count_nonzero(tracked > _MOSTLY_TRACKED))
    partly = int(np.count_nonzero(tracked >= _PARTLY_TRACKED)) - mostly
    return ClearTally(
        matches=len(found) - switches,
        switches=switches,
        false_positives=len(comparison.predictions) - len(found),
        misses=len(comparison.truth) - len(found),
        id_true_positives=found_ids,
        id_false_positives=len(comparison.predictions) - found_ids,
        id_misses=len(comparison.truth) - found_ids,
        fragments=int(resumed.sum()),
        mostly_tracked=mostly,
        partly_tracked=partly,
        mostly_lost=truth_count - mostly - partly,
        overlap=float(found.similarity.sum()),
    )


def _followed(comparison: Compared, similarity: float) -> tuple[Pairs, IntArray, IntArray, NDArray[np.bool_]]:
    """Match rows frame by frame, and see where a truth changes its id.

    Returns:
        The matched pairs; by truth identity and time: whose they are, and their instants; which pairs are switches, in
        the order of the pairs.
    """
    truth_ids, _ = dense_ids(comparison.truth)
    predicted_ids, predicted_count = dense_ids(comparison.predictions)
    pairs = comparison.pairs.select(comparison.pairs.similarity >= similarity - EPSILON)
    keys = truth_ids[pairs.truth] * predicted_count + predicted_ids[pairs.prediction]
    instants = _instants(comparison)
    found = pairs.select(_correspond(pairs, keys, instants))
    order = np.lexsort((found.truth, truth_ids[found.truth]))
    who, with_whom = truth_ids[found.truth][order], predicted_ids[found.prediction][order]
    switched = np.zeros(len(order), bool)
    switched[order[1:]] = (np.diff(who) == 0) & (np.diff(with_whom) != 0)
    return found, who, instants[found.truth][order], switched


def _instants(comparison: Compared) -> IntArray:
    """Number the frames that hold both truth and predictions, and give each truth row its frame's number.

    TrackEval passes over the other frames: a pair is carried on, and a fragment is not counted, across them. Rows of
    such frames get the number of the last full frame before; they have no pairs.
    """
    full = np.intersect1d(comparison.truth.frames, comparison.predictions.frames)
    return np.searchsorted(full, comparison.truth.frames, side="right") - 1


def _correspond(pairs: Pairs, keys: IntArray, instants: IntArray) -> IntArray:
    """Match boxes frame by frame: pairs of the instant before go on where they can, then the largest sum of IoU.

    Args:
        pairs: those at or above the threshold.
        keys: (K,) the identities of each pair as one number.
        instants: number of the instant of each truth row.

    Returns:
        Indices of the matched pairs, rising.
    """
    carry_on = 1000.0
    free, rest = split_conflicts(pairs)
    taken = free.copy()
    when = instants[pairs.truth]
    for block in np.split(rest, np.flatnonzero(np.diff(when[rest])) + 1) if len(rest) else []:
        instant = when[block[0]]
        before = slice(*np.searchsorted(when, (instant - 1, instant)))
        goes_on = (keys[block, None] == keys[before][taken[before]]).any(axis=1)
        chosen = solve(pairs.truth[block], pairs.prediction[block], pairs.similarity[block] + carry_on * goes_on)
        taken[block[chosen]] = True
    return np.flatnonzero(taken)
