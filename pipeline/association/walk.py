"""Walks as a cue: do place and pace of leaving fit place and pace of entering, given the time between?

The lag itself is another cue's. This one is the joint density of the walk given its lag, against that of two people who
pass independently, so that nothing is counted twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data.records import DoubleArray, IntArray, Tracklet
from pipeline.association.cue import Cue, CueInput
from pipeline.association.table import TrackletTable
from st_model.background import Background
from st_model.model import TransitionModel
from st_model.passages import Passages, passage
from st_model.walks import pair_walk, walk_vectors
from st_model.ways import log_ratio

NAME = "walk"


def passages_of(tracklets: Sequence[Tracklet]) -> Passages:
    """Where each tracklet enters and leaves its view, and its pace."""
    return Passages.of([passage(item.times_s, item.boxes, item.frame_size) for item in tracklets])


@dataclass(frozen=True, slots=True, eq=False)
class WalkSource:
    """Walks under a transition model.

    Attributes:
        table: the tracklets.
        model: the transition model.
        passages: of the tracklets.
        log_enter: (N,) log density of entering there as anybody; NaN = not known.
        log_leave: (N,) of leaving there.
    """

    table: TrackletTable
    model: TransitionModel
    passages: Passages
    log_enter: DoubleArray
    log_leave: DoubleArray

    def propose(self) -> tuple[IntArray, IntArray]:
        """No pairs of its own: a walk without a fitting lag is none."""
        return np.zeros(0, np.int64), np.zeros(0, np.int64)

    def measure(self, a: IntArray, b: IntArray) -> Cue:
        """What each pair's walk says beyond its lag; no evidence where too few walked, or two visits overlap."""
        table = self.table
        a, b = table.earlier_first(a, b)
        lags = table.lags_s(a, b)
        walks = walk_vectors(lags, self.passages.select(a), self.passages.select(b))
        number = self.model.index(table.cameras)
        left, right = number[table.camera[a]], number[table.camera[b]]
        usable = (lags > 0) & np.isfinite(walks).all(axis=1) & (left >= 0) & (right >= 0) & (left != right)
        usable &= table.departs[a] & table.arrives[b]
        llr = np.full(len(a), np.nan)
        codes = left * len(self.model.cameras) + right
        for code in np.unique(codes[usable]).tolist():
            source, target = divmod(code, len(self.model.cameras))
            walk = pair_walk(self.model.evidence.walks, source, target)
            if walk is None:
                continue
            rows = np.flatnonzero(usable & (codes == code))
            given_lag = walk.log_density(walks[rows]) - walk.log_lag_density(walks[rows])
            llr[rows] = log_ratio(given_lag, self.log_leave[a[rows]] + self.log_enter[b[rows]])
        return Cue(NAME, llr, teaches=False)


def walk_source(given: CueInput) -> WalkSource | None:
    """Prepare the walks of a transition model; None without any."""
    return None if given.transition is None else walks_of(given.table, given.transition)


def walks_of(table: TrackletTable, model: TransitionModel) -> WalkSource | None:
    """Prepare the walks of a transition model for some tracklets; None without any."""
    if not model.evidence.walks.any():
        return None
    passages = passages_of(table.tracklets)
    known = passages.known
    enter, leave = np.full(len(table), np.nan), np.full(len(table), np.nan)
    for camera in np.unique(table.camera[known]).tolist():
        rows = known & (table.camera == camera)
        own = passages.select(rows)
        enter[rows] = Background.of(own.entering).log_density(own.entering)
        leave[rows] = Background.of(own.leaving).log_density(own.leaving)
    return WalkSource(table, model, passages, enter, leave)
