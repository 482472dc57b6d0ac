"""Truth and predictions of one sequence side by side: which boxes overlap, and which belong together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from data.formats.mot import MotTable
from data.records import DoubleArray, IntArray

EPSILON = float(np.finfo(np.float64).eps)
_PAIRS_AT_ONCE = 1 << 18


@dataclass(frozen=True, slots=True)
class Pairs:
    """Truth and predictions of one frame that lie on one another, over all frames; sorted by frame, then truth row.

    Attributes:
        truth: (K,) int64, row of the truth.
        prediction: (K,) int64, row of the predictions.
        similarity: (K,) float64, above 0: IoU of boxes; on the ground 1 - distance / limit.
    """

    truth: IntArray
    prediction: IntArray
    similarity: DoubleArray

    def __len__(self) -> int:
        return len(self.similarity)

    def select(self, rows: IntArray | NDArray[np.bool_]) -> "Pairs":
        """Keep some pairs, given as rising indices or as a mask."""
        return Pairs(self.truth[rows], self.prediction[rows], self.similarity[rows])


class Owned(Protocol):
    """Rows of a table, each owned by an id in a frame; sorted by (frame, id)."""

    @property
    def frames(self) -> IntArray:
        """(N,) int64, from 0."""
        ...

    @property
    def ids(self) -> IntArray:
        """(N,) int64."""
        ...

    def __len__(self) -> int: ...


class Compared(Protocol):
    """What tracks are scored from, boxes in pictures or places on the ground."""

    @property
    def truth(self) -> Owned:
        """Frames below ``length``."""
        ...

    @property
    def predictions(self) -> Owned:
        """Frames below ``length``."""
        ...

    @property
    def pairs(self) -> Pairs:
        """Of these rows."""
        ...

    @property
    def length(self) -> int:
        """Number of frames."""
        ...


@dataclass(frozen=True, slots=True)
class Comparison:
    """What one sequence is scored from.

    Attributes:
        truth: sorted by (frame, id); frames below ``length``.
        predictions: sorted by (frame, id); frames below ``length``.
        pairs: of these rows.
        length: number of frames.
    """

    truth: MotTable
    predictions: MotTable
    pairs: Pairs
    length: int

    @staticmethod
    def of(truth: MotTable, predictions: MotTable, length: int) -> "Comparison":
        """Find the overlapping pairs."""
        return Comparison(truth, predictions, overlapping_pairs(truth, predictions), length)

    def select(self, truth: NDArray[np.bool_], predictions: NDArray[np.bool_]) -> "Comparison":
        """Keep some rows of each side, given as masks, and the pairs among them."""
        kept = self.pairs.select(truth[self.pairs.truth] & predictions[self.pairs.prediction])
        new_truth, new_prediction = np.cumsum(truth) - 1, np.cumsum(predictions) - 1
        pairs = Pairs(new_truth[kept.truth], new_prediction[kept.prediction], kept.similarity)
        return Comparison(self.truth.select(truth), self.predictions.select(predictions), pairs, self.length)


def join(parts: Sequence[Comparison]) -> Comparison:
    """Put sequences one after the other in time; ids keep their meaning, so an identity runs through all of them.

    The multi-camera identity measures of Ristani et al. (2016) are those of the joined cameras.
    """
    starts = np.cumsum([0, *(part.length for part in parts)])
    truth = _concatenate([part.truth.shifted(int(start)) for part, start in zip(parts, starts)])
    predictions = _concatenate([part.predictions.shifted(int(start)) for part, start in zip(parts, starts)])
    truth_starts = np.cumsum([0, *(len(part.truth) for part in parts)])
    prediction_starts = np.cumsum([0, *(len(part.predictions) for part in parts)])
    pairs = Pairs(
        np.concatenate([part.pairs.truth + start for part, start in zip(parts, truth_starts)]),
        np.concatenate([part.pairs.prediction + start for part, start in zip(parts, prediction_starts)]),
        np.concatenate([part.pairs.similarity for part in parts]),
    )
    return Comparison(truth, predictions, pairs, int(starts[-1]))


def _concatenate(tables: Sequence[MotTable]) -> MotTable:
    """Rows of tables whose frames follow one another."""
    columns = [[getattr(table, column.name) for table in tables] for column in fields(MotTable)]
    return MotTable(*(np.concatenate(parts) for parts in columns))


def paired_iou(a: DoubleArray, b: DoubleArray) -> DoubleArray:
    """Intersection over union of row i of a and row i of b: (K, 4), (K, 4) xyxy px -> (K,); 0 without a union.

    The order of operations is TrackEval's, so that boxes on a threshold fall to the same side.
    """
    low, high = np.maximum(a[:, :2], b[:, :2]), np.minimum(a[:, 2:], b[:, 2:])
    sides = np.maximum(high - low, 0)
    inter = sides[:, 0] * sides[:, 1]
    area_a = (a[:, 2] - a[:, 0]) * (a[:, 3] - a[:, 1])
    area_b = (b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1])
    union = area_a + area_b - inter
    return np.divide(inter, union, out=np.zeros_like(inter), where=union > EPSILON)


def overlapping_pairs(truth: MotTable, predictions: MotTable) -> Pairs:
    """All pairs of one frame with IoU above 0."""
    left, right = truth.boxes[:, 0].copy(), truth.boxes[:, 2].copy()
    other_left, other_right = predictions.boxes[:, 0].copy(), predictions.boxes[:, 2].copy()
    chunks = []
    for truth_rows, prediction_rows in same_frame(truth.frames, predictions.frames):
        # Most boxes of a frame lie beside each other: this test is cheap and leaves few to measure.
        near = (left[truth_rows] < other_right[prediction_rows]) & (other_left[prediction_rows] < right[truth_rows])
        truth_rows, prediction_rows = truth_rows[near], prediction_rows[near]
        iou = paired_iou(truth.boxes[truth_rows], predictions.boxes[prediction_rows])
        chunks.append(Pairs(truth_rows, prediction_rows, iou).select(iou > 0))
    return gather(chunks)


def same_frame(frames: IntArray, others: IntArray) -> Iterator[tuple[IntArray, IntArray]]:
    """Rows of truth and predictions that share a frame, many pairs at a time, sorted by row of the truth.

    Args:
        frames: (N,) of the truth, rising.
        others: (M,) of the predictions, rising.
    """
    first, stops = (np.searchsorted(others, frames, side) for side in ("left", "right"))
    partners = stops - first
    ends = np.cumsum(partners)
    start = 0
    while start < len(frames):
        done = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, done + _PAIRS_AT_ONCE, side="right")))
        counts = partners[start:stop]
        rows = np.repeat(np.arange(start, stop), counts)
        yield rows, np.arange(len(rows)) + np.repeat(first[start:stop] - np.cumsum(counts) + counts, counts)
        start = stop


def gather(chunks: Sequence[Pairs]) -> Pairs:
    """Pairs of several parts, one after the other."""
    none = np.zeros(0, np.int64)
    return Pairs(
        np.concatenate([none, *(chunk.truth for chunk in chunks)]),
        np.concatenate([none, *(chunk.prediction for chunk in chunks)]),
        np.concatenate([np.zeros(0), *(chunk.similarity for chunk in chunks)]),
    )


def split_conflicts(pairs: Pairs) -> tuple[NDArray[np.bool_], IntArray]:
    """Separate the pairs whose two boxes have no other partner from those that compete.

    A pair without competitors belongs to every best assignment, so only the others need solving.

    Returns:
        (K,) mask of the free pairs; indices of the others, rising.
    """
    if not len(pairs):
        return np.zeros(0, bool), np.zeros(0, np.int64)
    alone = (np.bincount(pairs.truth)[pairs.truth] == 1) & (np.bincount(pairs.prediction)[pairs.prediction] == 1)
    return alone, np.flatnonzero(~alone)


def settle(pairs: Pairs, rows: IntArray, scores: DoubleArray) -> tuple[IntArray, IntArray]:
    """Choose the pairs that every best assignment has, as far as that is seen at a glance.

    A pair that scores more than the best other pair of its truth and the best other of its prediction together is in
    every best assignment: putting it in place of both would gain. What it rules out is dropped, and others may follow.

    Args:
        pairs: of one sequence.
        rows: indices of the pairs that compete, rising.
        scores: (K,) of all pairs, above 0.

    Returns:
        Indices of the pairs that are chosen; indices of those that are still open, rising.
    """
    chosen = [np.zeros(0, np.int64)]
    while len(rows):
        truth, prediction, mine = pairs.truth[rows], pairs.prediction[rows], scores[rows]
        certain = mine > _best_other(truth, mine) + _best_other(prediction, mine)
        if not certain.any():
            break
        chosen.append(rows[certain])
        taken_truth, taken_prediction = np.bincount(truth, certain) > 0, np.bincount(prediction, certain) > 0
        rows = rows[~(taken_truth[truth] | taken_prediction[prediction])]
    return np.concatenate(chosen), rows


def _best_other(boxes: IntArray, scores: DoubleArray) -> DoubleArray:
    """Largest score of any other pair of the same box; 0 where there is none."""
    order = np.lexsort((-scores, boxes))
    first = np.ones(len(order), bool)
    first[1:] = np.diff(boxes[order]) != 0
    starts = np.flatnonzero(first)
    group = np.cumsum(first) - 1
    best = scores[order][starts]
    several = np.diff(np.append(starts, len(order))) > 1
    second = np.where(several, scores[order][np.minimum(starts + 1, len(order) - 1)], 0.0)
    others = np.empty(len(order))
    others[order] = np.where(first, second[group], best[group])
    return others


def solve(truth: IntArray, prediction: IntArray, scores: DoubleArray) -> IntArray:
    """The one-to-one choice of pairs with the largest sum of scores, within one frame.

    Args:
        truth: (K,) rows; K > 0.
        prediction: (K,) rows.
        scores: (K,) above 0.

    Returns:
        Indices into the pairs, by truth row.
    """
    from scipy.optimize import linear_sum_assignment

    rows, columns = truth - truth.min(), prediction - prediction.min()
    matrix = np.zeros((rows.max() + 1, columns.max() + 1))
    index = np.full(matrix.shape, -1)
    matrix[rows, columns] = scores
    index[rows, columns] = np.arange(len(scores))
    chosen = index[linear_sum_assignment(matrix, maximize=True)]
    return chosen[chosen >= 0]


def assign(comparison: Compared, pairs: Pairs, scores: DoubleArray) -> IntArray:
    """The best one-to-one choice of pairs in every frame.

    Args:
        comparison: the sequence the pairs belong to.
        pairs: those that may be chosen.
        scores: (K,) above 0; their sum over the chosen pairs of a frame is largest.

    Returns:
        Indices into the pairs, rising.
    """
    free, rest = split_conflicts(pairs)
    taken = free.copy()
    chosen, rest = settle(pairs, rest, scores)
    taken[chosen] = True
    frames = comparison.truth.frames[pairs.truth[rest]]
    for block in np.split(rest, np.flatnonzero(np.diff(frames)) + 1) if len(rest) else []:
        taken[block[solve(pairs.truth[block], pairs.prediction[block], scores[block])]] = True
    return np.flatnonzero(taken)


def dense_ids(table: Owned) -> tuple[IntArray, int]:
    """Number the ids of a table from 0: (N,) int64, and how many there are."""
    unique, numbers = np.unique(table.ids, return_inverse=True)
    return numbers.astype(np.int64), len(unique)
