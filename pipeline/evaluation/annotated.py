"""Truth with gaps: which frames were annotated, and rows numbered by them.

A truth that has people in every n-th frame only was annotated there only. What is predicted between is neither right
nor wrong, so both sides are cut to the annotated frames before anything is counted.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from data.records import IntArray

# Fewer frames say nothing: a person seen in frames 3 and 9 alone is no habit of the annotator.
_FEWEST_FRAMES = 4


def common_step(truths: Iterable[IntArray]) -> int:
    """The step between annotated frames that all sequences of a data set keep; 1 where they do not, or are few.

    Args:
        truths: the frames of each sequence's rows, repeats allowed.
    """
    steps = [np.diff(np.unique(frames)) for frames in truths if len(frames)]
    gaps = np.concatenate([np.zeros(0, np.int64), *steps])
    return int(np.gcd.reduce(gaps)) if len(gaps) >= _FEWEST_FRAMES - 1 else 1


def stepped(frames: IntArray, step: int, length: int) -> range:
    """The annotated frames of a sequence of which every n-th was annotated.

    Args:
        frames: of its rows of truth.
        step: from ``common_step``.
        length: number of frames.
    """
    return range(int(frames.min()) % step if len(frames) else 0, length, step)


def only(frames: IntArray, annotated: IntArray | range) -> tuple[NDArray[np.bool_], IntArray]:
    """Rows of the annotated frames, numbered anew from 0.

    Args:
        frames: (N,) of rows.
        annotated: (A,) rising; a range costs nothing, however long.

    Returns:
        (N,) mask of the rows that are kept; their new frames.
    """
    if not len(annotated):
        return np.zeros(len(frames), bool), np.zeros(0, np.int64)
    if isinstance(annotated, range):
        numbers, rest = np.divmod(frames - annotated.start, annotated.step)
        kept = (rest == 0) & (numbers >= 0) & (numbers < len(annotated))
        return kept, numbers[kept]
    places = np.minimum(np.searchsorted(annotated, frames), len(annotated) - 1)
    kept = annotated[places] == frames
    return kept, places[kept]
