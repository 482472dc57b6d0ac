"""One vector of a recording: how somebody walks, to be compared by a ``GaitMatcher``."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from data.errors import UserError
from data.records import DoubleArray, FloatArray, IntArray
from data.skeleton_sequences import Recording, SkeletonSequences, cut

if TYPE_CHECKING:
    from reid.gait.encoder import GaitEncoder


def describe(
    recordings: Sequence[Recording], frames: int, encoder: "GaitEncoder | None" = None
) -> tuple[DoubleArray, IntArray]:
    """Features of recordings, means over their sequences.

    Args:
        recordings: N of them.
        frames: of a sequence.
        encoder: its CAGE features, averaged over frames; None: mean and deviation of each joint's coordinates over a
            sequence.

    Returns:
        (N, F) float64, NaN where a recording holds no whole sequence; and (N,) how many sequences each holds.
    """
    counts = np.zeros(len(recordings), np.int64)
    rows: list[int] = []
    parts: list[SkeletonSequences] = []
    for row, recording in enumerate(recordings):
        try:
            part = cut([recording], frames, recording.name)
        except UserError:
            continue
        counts[row] = len(part)
        rows.append(row)
        parts.append(part)
    if not parts:
        return np.full((len(recordings), 0), np.nan), counts
    points = np.concatenate([part.points for part in parts])
    features = _joint_statistics(points) if encoder is None else _cage(points, encoder)
    made = np.full((len(recordings), features.shape[1]), np.nan)
    ends = np.cumsum(counts[rows])
    for row, end in zip(rows, ends.tolist(), strict=True):
        made[row] = features[end - counts[row] : end].mean(axis=0)
    return made, counts


def _joint_statistics(points: FloatArray) -> DoubleArray:
    """(N, f, J, 3) -> (N, 6 J)."""
    flat = points.reshape(*points.shape[:2], -1).astype(np.float64)
    return np.concatenate([flat.mean(axis=1), flat.std(axis=1)], axis=1)


def _cage(points: FloatArray, encoder: "GaitEncoder") -> DoubleArray:
    from reid.gait.features import extract

    none = np.zeros(len(points), np.int64)
    found = extract([encoder], SkeletonSequences(points, none, none))
    return np.asarray(found.mean(1).numpy(), np.float64)
