"""MCTA: detection, tracking within cameras and hand-over between cameras in one product.

MCTA = F1 of detection x (1 - mismatches within cameras / matches there) x (1 - mismatches of hand-overs / hand-overs).
A match goes on within a camera when the same person's match before it was there; any other is a hand-over, the first
of a person too. It is a mismatch when the person's id changed, when a person who appears first gets the id of another,
or when another person has the same id in that frame (of the same camera, where it goes on within one).

Boxes are matched frame by frame, Hungarian, IoU at least 0.5; the published script takes the best box of each truth,
which may count one box twice. Frames without any truth are not scored.

Source: Chen et al., "An Equalized Global Graph Model-Based Approach for Multi-Camera Object Tracking", TCSVT 2016,
section V-B; the Multi-Camera Object Tracking Challenge (ECCV 2014 workshop).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.records import IntArray
from pipeline.evaluation.pairs import EPSILON, Comparison, assign

_IOU = 0.5


@dataclass(frozen=True, slots=True)
class MctaScores:
    """What MCTA is made of.

    Attributes:
        truth_boxes: boxes to be found.
        predicted_boxes: boxes given in frames that have a truth.
        matches: pairs of both.
        within: matches that go on in a camera.
        within_mismatches: of these, those of a wrong id.
        handovers: matches after another camera, and first ones.
        handover_mismatches: of these, those of a wrong id.
    """

    truth_boxes: int
    predicted_boxes: int
    matches: int
    within: int
    within_mismatches: int
    handovers: int
    handover_mismatches: int

    def fractions(self) -> dict[str, float]:
        """MCTA and its factors, 0-1; a factor without any match is 0."""
        detection = 2 * self.matches / max(1, self.truth_boxes + self.predicted_boxes)
        tracking = 1 - self.within_mismatches / self.within if self.within else 0.0
        handover = 1 - self.handover_mismatches / self.handovers if self.handovers else 0.0
        return {
            "MCTA": detection * tracking * handover,
            "detection": detection,
            "tracking": tracking,
            "handover": handover,
        }


def mcta(cameras: Sequence[Comparison]) -> MctaScores:
    """Score all cameras together.

    Args:
        cameras: truth and predictions of each, on one clock: frame f is the same instant in all.
    """
    scored = np.unique(np.concatenate([np.zeros(0, np.int64), *(part.truth.frames for part in cameras)]))
    parts: list[IntArray] = [np.zeros((4, 0), np.int64)]
    for number, part in enumerate(cameras):
        pairs = part.pairs.select(part.pairs.similarity >= _IOU - EPSILON)
        found = pairs.select(assign(part, pairs, pairs.similarity))
        frames = part.truth.frames[found.truth]
        ids = part.truth.ids[found.truth], part.predictions.ids[found.prediction]
        parts.append(np.stack([frames, np.full(len(found), number), *ids]))
    frames, where, who, given = np.concatenate(parts, axis=1)
    order = np.lexsort((where, frames, who))
    frames, where, who, given = frames[order], where[order], who[order], given[order]

    goes_on = np.zeros(len(order), bool)
    goes_on[1:] = who[1:] == who[:-1]
    within, wrong = goes_on.copy(), np.zeros(len(order), bool)
    within[1:] &= where[1:] == where[:-1]
    wrong[1:] = goes_on[1:] & (given[1:] != given[:-1])
    wrong |= goes_on & _shared(frames, where, who, given, within)
    first = np.flatnonzero(~goes_on)
    wrong[first] = [_taken(int(row), first, frames, given) for row in first]
    return MctaScores(
        truth_boxes=sum(len(part.truth) for part in cameras),
        predicted_boxes=sum(int(np.isin(part.predictions.frames, scored).sum()) for part in cameras),
        matches=len(order),
        within=int(within.sum()),
        within_mismatches=int((within & wrong).sum()),
        handovers=int((~within).sum()),
        handover_mismatches=int((~within & wrong).sum()),
    )


def _shared(
    frames: IntArray, where: IntArray, who: IntArray, given: IntArray, within: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Whether another person has the id in the same frame; a box that goes on in a camera is asked there only, where an
    id has one box."""
    order = np.lexsort((who, given, frames))
    same = (np.diff(frames[order]) == 0) & (np.diff(given[order]) == 0) & (np.diff(who[order]) != 0)
    shared = np.zeros(len(order), bool)
    shared[order[1:]] |= same
    shared[order[:-1]] |= same
    return shared & ~within


def _taken(row: int, first: IntArray, frames: IntArray, given: IntArray) -> bool:
    """Whether the id of a person's first match was the latest id of somebody else before."""
    stops = np.append(first[1:], len(frames))
    for start, stop in zip(first, stops):
        if start == row:
            continue
        last = start + int(np.searchsorted(frames[start:stop], frames[row])) - 1
        if last >= start and given[last] == given[row]:
            return True
    return False
