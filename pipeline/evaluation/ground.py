"""Places on the ground against true ones: the measures of tracks in metres, and how smooth the paths are.

Two places of one frame may be one person when they are less than ``limit_m`` apart; their similarity is
1 - distance / limit_m, as in TrackEval for points. HOTA, CLEAR and identity measures are those of boxes with this
similarity in place of the IoU. MODA and MODP match every frame by itself, most pairs first, then nearest ones, below a
limit of their own.

Sources: Kasturi et al., "Framework for Performance Evaluation of Face, Text, and Vehicle Detection and Tracking in
Video" (2009), MODA and MODP; Chavdarova et al., "WILDTRACK: A Multi-Camera HD Dataset for Dense Unscripted Pedestrian
Detection" (2018), section 5.1: distance in place of overlap.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.formats.world import WorldTable
from data.records import DoubleArray
from pipeline.evaluation.pairs import Pairs, assign
from pipeline.evaluation.result import Tally


@dataclass(frozen=True, slots=True)
class GroundComparison:
    """What one group is scored from.

    Attributes:
        truth: sorted by (frame, id); frames below ``length``.
        predictions: sorted by (frame, id); frames below ``length``.
        pairs: of these rows.
        length: number of frames.
    """

    truth: WorldTable
    predictions: WorldTable
    pairs: Pairs
    length: int

    @staticmethod
    def of(truth: WorldTable, predictions: WorldTable, length: int, limit_m: float) -> "GroundComparison":
        """Find the pairs that are near enough, and take back predictions that lie on don't-care truth."""
        whole = GroundComparison(truth, predictions, near_pairs(truth, predictions, limit_m), length)
        if truth.flags.all():
            return whole
        matched = whole.pairs.select(assign(whole, whole.pairs, whole.pairs.similarity))
        judged = np.ones(len(predictions), bool)
        judged[matched.prediction[~truth.flags[matched.truth]]] = False
        kept, rest = truth.select(truth.flags), predictions.select(judged)
        return GroundComparison(kept, rest, near_pairs(kept, rest, limit_m), length)


def near_pairs(truth: WorldTable, predictions: WorldTable, limit_m: float) -> Pairs:
    """All pairs of one frame that are less than ``limit_m`` metres apart."""
    full = np.intersect1d(truth.frames, predictions.frames)
    edges = [np.searchsorted(one.frames, full, side) for one in (truth, predictions) for side in ("left", "right")]
    rows: list[NDArray[np.int64]] = [np.zeros((2, 0), np.int64)]
    for first, last, second, end in np.stack(edges, axis=1).tolist():
        offset = truth.xy[first:last, None] - predictions.xy[None, second:end]
        near = np.stack(np.nonzero((offset**2).sum(axis=2) < limit_m**2))
        rows.append(near + np.array([[first], [second]]))
    a, b = np.concatenate(rows, axis=1)
    similarity = 1 - np.linalg.norm(truth.xy[a] - predictions.xy[b], axis=1) / limit_m
    return Pairs(a, b, similarity).select(similarity > 0)


def within(pairs: Pairs, limit_m: float, nearer_m: float) -> Pairs:
    """The pairs of one limit that are also below a smaller one, with its similarity."""
    if nearer_m == limit_m:
        return pairs
    similarity = 1 - (1 - pairs.similarity) * limit_m / nearer_m
    return Pairs(pairs.truth, pairs.prediction, similarity).select(similarity > 0)


@dataclass(frozen=True, slots=True)
class GroundTally:
    """Everything counted in one group; tallies of several groups add.

    Attributes:
        limit_m: distance below which two places may be one person.
        tracks: HOTA, CLEAR and identity measures.
        matches: pairs of the frame-by-frame matching.
        closeness: sum of their similarities.
        squared_accelerations: of predicted and true paths, sum over rows, (m/s^2)^2.
        accelerations: number of these rows.
    """

    limit_m: float
    tracks: Tally
    matches: int
    closeness: float
    squared_accelerations: tuple[float, float]
    accelerations: tuple[int, int]

    @staticmethod
    def of(
        comparison: GroundComparison, limit_m: float, frame_s: float | None, detection_limit_m: float | None = None
    ) -> "GroundTally":
        """Count one group.

        Args:
            comparison: truth and predictions, frame by frame.
            limit_m: as it was made with.
            detection_limit_m: that of MODA and MODP, at most ``limit_m``; None: the same.
            frame_s: seconds between two frames, or None where nobody says: then accelerations are left out.
        """
        pairs = within(comparison.pairs, limit_m, detection_limit_m or limit_m)
        # A large constant for every pair: as many as possible, then the nearest.
        found = pairs.select(assign(comparison, pairs, pairs.similarity + 1000.0))
        squares, counts = zip(
            *(squared_accelerations(rows, frame_s) for rows in (comparison.predictions, comparison.truth))
        )
        return GroundTally(
            limit_m,
            Tally.of(comparison, 0.0),
            len(found),
            float(found.similarity.sum()),
            (squares[0], squares[1]),
            (counts[0], counts[1]),
        )

    def __add__(self, other: "GroundTally") -> "GroundTally":
        (mine, mine_true), (theirs, theirs_true) = self.squared_accelerations, other.squared_accelerations
        (rows, rows_true), (more, more_true) = self.accelerations, other.accelerations
        return GroundTally(
            self.limit_m,
            self.tracks + other.tracks,
            self.matches + other.matches,
            self.closeness + other.closeness,
            (mine + theirs, mine_true + theirs_true),
            (rows + more, rows_true + more_true),
        )

    def fractions(self) -> dict[str, float]:
        """Shares 0-1 (MOTA and MODA may be negative); MOTP is in ``metres``."""
        tracks = self.tracks
        truth = tracks.truth_boxes
        wrong = truth - self.matches + tracks.predicted_boxes - self.matches
        shares = {name: value for name, value in tracks.fractions().items() if name != "MOTP"}
        return {
            **shares,
            "MODA": 1 - wrong / truth if truth else 0.0,
            "MODP": self.closeness / self.matches if self.matches else 0.0,
        }

    def metres(self) -> dict[str, float | None]:
        """MOTP, the mean distance of matched pairs in metres, and root-mean-square accelerations in m/s^2.

        None where there is nothing to measure.
        """
        clear = self.tracks.clear
        found = clear.matches + clear.switches
        accelerations = [
            float(np.sqrt(total / rows)) if rows else None
            for total, rows in zip(self.squared_accelerations, self.accelerations)
        ]
        return {
            "MOTP": self.limit_m * (1 - clear.overlap / found) if found else None,
            "acceleration": accelerations[0],
            "acceleration_truth": accelerations[1],
        }


def squared_accelerations(rows: WorldTable, frame_s: float | None) -> tuple[float, int]:
    """Second differences of the paths over three frames in a row.

    Returns:
        Sum of their squares, (m/s^2)^2, and how many there are.
    """
    if frame_s is None:
        return 0.0, 0
    order = np.lexsort((rows.frames, rows.ids))
    frames, ids, xy = rows.frames[order], rows.ids[order], rows.xy[order]
    in_a_row = (np.diff(frames) == 1) & (np.diff(ids) == 0)
    middle = np.flatnonzero(in_a_row[:-1] & in_a_row[1:]) + 1
    bend: DoubleArray = (xy[middle + 1] - 2 * xy[middle] + xy[middle - 1]) / frame_s**2
    return float((bend**2).sum()), len(middle)
