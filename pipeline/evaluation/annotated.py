"""Truth with gaps: which frames were annotated, and rows numbered by them.

A truth that has people in every n-th frame only was annotated there only. What is predicted between is neither right
nor wrong, so both sides are cut to the annotated frames before anything is counted.
"""

import numpy as np
from numpy.typing import NDArray

from data.records import IntArray

FEWEST_FRAMES = 4
"""Of fewer nothing is known: a person seen in frames 3 and 9 alone is no habit of the annotator."""


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
