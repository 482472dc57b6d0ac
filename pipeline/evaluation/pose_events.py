"""What MOTA of a joint is made of, by the correspondence of motmetrics, with which PoseTrack's published script counts.

A true joint keeps the prediction it was last matched to, after however many frames, where that is still near enough.
Of what is left as many as possible are matched, then the nearest. A switch is a match to another id than the last.
(``clear`` has TrackEval's correspondence, which drops a pair after one frame and prefers good matches to many.)

Sources: Andriluka et al., "PoseTrack: A Benchmark for Human Pose Estimation and Tracking", CVPR 2018, section 4;
Bernardin and Stiefelhagen, "Evaluating Multiple Object Tracking Performance: The CLEAR MOT Metrics" (2008), section 2.
"""

from dataclasses import astuple, dataclass

import numpy as np

from pipeline.evaluation.pairs import EPSILON, Compared, solve, split_conflicts

# More than any sum of similarities of a frame: one match more is always worth it.
_ONE_MORE = 1000.0


@dataclass(frozen=True, slots=True)
class EventCounts:
    """Counts of one sequence; those of several sequences add.

    Attributes:
        truth: rows of the truth.
        predicted: rows of the predictions.
        found: matched pairs.
        switches: of these, those of another id than before.
    """

    truth: int
    predicted: int
    found: int
    switches: int

    def __add__(self, other: "EventCounts") -> "EventCounts":
        return EventCounts(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))

    @property
    def mota(self) -> float:
        """1 - (misses + false ones + switches) / truth; 0 without any truth."""
        return (2 * self.found - self.switches - self.predicted) / self.truth if self.truth else 0.0


def event_counts(comparison: Compared, similarity: float) -> EventCounts:
    """Count one sequence.

    Args:
        comparison: rows sorted by frame.
        similarity: from which two rows may be the same person.
    """
    pairs = comparison.pairs.select(comparison.pairs.similarity >= similarity - EPSILON)
    who, whom = comparison.truth.ids[pairs.truth], comparison.predictions.ids[pairs.prediction]
    free, _ = split_conflicts(pairs)
    frames = comparison.truth.frames[pairs.truth]
    last: dict[int, int] = {}
    found, switches = 0, 0
    for block in np.split(np.arange(len(pairs)), np.flatnonzero(np.diff(frames)) + 1) if len(pairs) else []:
        matched = block[free[block]]
        rest = block[~free[block]]
        if len(rest):
            kept = _kept(pairs.truth[rest], pairs.prediction[rest], who[rest].tolist(), whom[rest].tolist(), last)
            taken_truth = np.isin(pairs.truth[rest], pairs.truth[rest[kept]])
            taken = taken_truth | np.isin(pairs.prediction[rest], pairs.prediction[rest[kept]])
            left = rest[~taken]
            if len(left):
                worth = pairs.similarity[left] + _ONE_MORE
                left = left[solve(pairs.truth[left], pairs.prediction[left], worth)]
            matched = np.concatenate([matched, rest[kept], left])
        for one, other in zip(who[matched].tolist(), whom[matched].tolist(), strict=True):
            switches += last.get(one, other) != other
            last[one] = other
        found += len(matched)
    return EventCounts(len(comparison.truth), len(comparison.predictions), found, switches)


def _kept(
    truth: np.ndarray, prediction: np.ndarray, who: list[int], whom: list[int], last: dict[int, int]
) -> list[int]:
    """Which pairs of a frame go on from before, in the order of the true ids; nobody is given away twice."""
    kept: list[int] = []
    used: list[int] = []
    for row in np.argsort(truth, kind="stable").tolist():
        if last.get(who[row]) == whom[row] and prediction[row] not in used:
            kept.append(row)
            used.append(int(prediction[row]))
    return kept
