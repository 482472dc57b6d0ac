"""Truth with gaps: which frames were annotated, and rows numbered by them.

A truth that has people in every n-th frame only was annotated there only. What is predicted between is neither right
nor wrong, so both sides are cut to the annotated frames before anything is counted.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from data.formats.mot import MotTable
from data.records import IntArray

# Fewer frames say nothing: a person seen in frames 3 and 9 alone is no habit of the annotator.
_FEWEST_FRAMES = 4


@dataclass(frozen=True, slots=True)
class Sampling:
    """Annotated are the frames first, first + step, ...

    Attributes:
        first: from 0.
        step: 1 where every frame is annotated.
    """

    first: int
    step: int

    def count(self, length: int) -> int:
        """Annotated frames among the first ``length``."""
        return max(0, (length - 1 - self.first) // self.step + 1)

    def cut(self, table: MotTable, length: int) -> MotTable:
        """Rows of the annotated frames, which are numbered anew from 0."""
        numbers, rest = np.divmod(table.frames - self.first, self.step)
        kept = (rest == 0) & (numbers >= 0) & (numbers < self.count(length))
        return replace(table.select(kept), frames=numbers[kept])


def common_step(truths: Iterable[IntArray]) -> int:
    """The step between annotated frames that all sequences of a data set keep; 1 where they do not, or are few.

    Args:
        truths: the frames of each sequence's rows, repeats allowed.
    """
    steps = [np.diff(np.unique(frames)) for frames in truths if len(frames)]
    gaps = np.concatenate([np.zeros(0, np.int64), *steps])
    return int(np.gcd.reduce(gaps)) if len(gaps) >= _FEWEST_FRAMES - 1 else 1


def sampling(frames: IntArray, step: int) -> Sampling:
    """Where a sequence's annotated frames lie.

    Args:
        frames: of its rows of truth.
        step: from ``common_step``.
    """
    return Sampling(int(frames.min()) % step if len(frames) else 0, step)
