"""What of a person a camera can see: the share of its box that nobody nearer covers."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.records import DoubleArray
from trackers.group.bodies import Shapes

# A box is looked at in columns x rows points; a body is narrower than its box.
_COLUMNS, _ROWS = 5, 8
_BODY_WIDTH = 0.8
_END_ROWS = 2
_AT_ONCE = 1 << 15


@dataclass(frozen=True, slots=True)
class Visibility:
    """Of T people in one camera.

    Attributes:
        share: (T,) share of the box inside the frame that nobody nearer covers, 0-1.
        feet: (T,) the same of its lowest quarter.
        head: (T,) the same of its highest quarter.
    """

    share: DoubleArray
    feet: DoubleArray
    head: DoubleArray

    @staticmethod
    def full(count: int) -> "Visibility":
        """Nobody stands before anybody."""
        return Visibility(np.ones(count), np.ones(count), np.ones(count))


def visibility(people: Shapes, before: Shapes, solid: NDArray[np.bool_], same: bool) -> Visibility:
    """How much of each person a camera sees past others.

    Args:
        people: T people.
        before: B people who may stand before them.
        solid: (B,) which of those surely exist.
        same: ``before`` are the same people, row by row: nobody hides himself.
    """
    count = len(people)
    covered = np.zeros((count, _ROWS, _COLUMNS), bool)
    for start in range(0, count, max(1, _AT_ONCE * 32 // max(len(before), 1))):
        stop = min(count, start + max(1, _AT_ONCE * 32 // max(len(before), 1)))
        _cover(covered, people, before, solid, same, start, stop)
    open_share = 1.0 - covered
    return Visibility(
        share=open_share.mean(axis=(1, 2)),
        feet=open_share[:, -_END_ROWS:].mean(axis=(1, 2)),
        head=open_share[:, :_END_ROWS].mean(axis=(1, 2)),
    )


def _cover(
    covered: NDArray[np.bool_],
    people: Shapes,
    before: Shapes,
    solid: NDArray[np.bool_],
    same: bool,
    start: int,
    stop: int,
) -> None:
    box, other = people.seen[start:stop], _bodies(before.seen)
    hides = (before.depth[None] < people.depth[start:stop, None]) & (before.valid & solid)[None]
    hides &= (other[None, :, 0] < box[:, None, 2]) & (other[None, :, 2] > box[:, None, 0])
    hides &= (other[None, :, 1] < box[:, None, 3]) & (other[None, :, 3] > box[:, None, 1])
    if same:
        rows = np.arange(start, stop)
        hides[rows - start, rows] = False
    behind, front = np.nonzero(hides)
    across = box[:, :1] + (box[:, 2:3] - box[:, :1]) * (np.arange(_COLUMNS) + 0.5) / _COLUMNS
    down = box[:, 1:2] + (box[:, 3:] - box[:, 1:2]) * (np.arange(_ROWS) + 0.5) / _ROWS
    for first in range(0, len(behind), _AT_ONCE):
        i, j = behind[first : first + _AT_ONCE], front[first : first + _AT_ONCE]
        in_x = (across[i] > other[j, :1]) & (across[i] < other[j, 2:3])
        in_y = (down[i] > other[j, 1:2]) & (down[i] < other[j, 3:])
        # Rows of ``behind`` rise, so each person's pairs are one run.
        heads = np.flatnonzero(np.diff(i, prepend=-1))
        covered[start + i[heads]] |= np.logical_or.reduceat(in_y[:, :, None] & in_x[:, None, :], heads, axis=0)


def _bodies(boxes: DoubleArray) -> DoubleArray:
    """Boxes made as narrow as the bodies in them."""
    trim = (1 - _BODY_WIDTH) / 2 * (boxes[:, 2] - boxes[:, 0])
    narrow = boxes.copy()
    narrow[:, 0] += trim
    narrow[:, 2] -= trim
    return narrow
