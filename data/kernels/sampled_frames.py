"""Files that have people in every n-th frame only: nobody looked at the frames between."""

from collections.abc import Iterable

import numpy as np

from data.records import IntArray


def common_step(columns: Iterable[IntArray], fewest: int) -> int:
    """The step between frames that all sequences keep; 1 where they do not, or where frames are too few to tell.

    Args:
        columns: the frames of each sequence's rows, repeats allowed.
        fewest: frames of one sequence from which on a habit is believed; those of several count together.
    """
    steps = [np.diff(np.unique(frames)) for frames in columns if len(frames)]
    gaps = np.concatenate([np.zeros(0, np.int64), *steps])
    return int(np.gcd.reduce(gaps)) if len(gaps) >= fewest - 1 else 1


def stepped(frames: IntArray, step: int, length: int) -> range:
    """The frames of a sequence at which somebody looked.

    Args:
        frames: of its rows.
        step: from ``common_step``.
        length: number of frames.
    """
    return range(int(frames.min()) % step if len(frames) else 0, length, step)
