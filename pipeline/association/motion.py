"""Motion as a cue: does one tracklet of a camera go on where another ended?"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.records import DoubleArray, IntArray, Tracklet, foot_points
from pipeline.association.config import MotionConfig
from pipeline.association.cue import Cue, CueInput, Explanation
from pipeline.association.pair_codes import pair_codes
from pipeline.association.table import TrackletTable

NAME = "motion"

_OTHER_HEIGHT_SPREAD = 0.5
_BORDER = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class Fragments:
    """Pairs of one camera of which the second starts within ``max_gap_s`` after the first ends.

    Attributes:
        a: (E,) row of the earlier tracklet.
        b: (E,) row of the later.
        llr: (E,) log-likelihood ratio of straight motion, bounded.
        prior: (E,) log prior odds: a track that ends goes on as one of those that start, rarely so at
            the edge of the picture.
    """

    a: IntArray
    b: IntArray
    llr: DoubleArray
    prior: DoubleArray


@dataclass(frozen=True, slots=True, eq=False)
class MotionSource:
    """Fragments of one track among ``total`` tracklets."""

    fragments: Fragments
    total: int

    def propose(self) -> tuple[IntArray, IntArray]:
        """Every pair with a short gap."""
        return self.fragments.a, self.fragments.b

    def measure(self, a: IntArray, b: IntArray) -> Cue:
        """Motion and prior of the sorted pairs; no evidence where a pair is no fragment."""
        llr, prior = np.full(len(a), np.nan), np.full(len(a), np.nan)
        codes = pair_codes(a, b, self.total)
        wanted = pair_codes(self.fragments.a, self.fragments.b, self.total)
        place = np.searchsorted(codes, wanted)
        inside = np.flatnonzero(place < len(codes))
        inside = inside[codes[place[inside]] == wanted[inside]]
        llr[place[inside]], prior[place[inside]] = self.fragments.llr[inside], self.fragments.prior[inside]

        def explain(row: int) -> Explanation:
            if np.isnan(llr[row]):
                return Explanation()
            return Explanation(saw=f"a short gap in one camera; prior odds of a track that goes on {prior[row]:+.2f}")

        return Cue(NAME, llr, evident=True, prior_odds=prior, one_visit=~np.isnan(llr), explain=explain)


def motion_source(given: CueInput) -> MotionSource:
    """Find the fragments."""
    return MotionSource(find_fragments(given.table, given.config.motion), len(given.table))


def find_fragments(table: TrackletTable, config: MotionConfig) -> Fragments:
    """Judge every pair with a short gap.

    Under "same" the later tracklet starts where the mean velocity of both ends leads, with normal errors that grow with
    the gap, in box heights, and has the same box height; under "different" it starts anywhere people are seen in that
    camera, at any height. Sources without picture size take the region that boxes cover.
    """
    found_a, found_b, starts = [], [], []
    for camera in range(len(table.cameras)):
        rows = np.flatnonzero(table.camera == camera)
        rows = rows[np.argsort(table.start_s[rows], kind="stable")]
        first = np.searchsorted(table.start_s[rows], table.end_s[rows], "right")
        last = np.searchsorted(table.start_s[rows], table.end_s[rows] + config.max_gap_s, "right")
        number = np.maximum(last - first, 0)
        found_a.append(np.repeat(rows, number))
        steps = np.arange(number.sum()) - np.repeat(np.cumsum(number) - number, number)
        found_b.append(rows[np.repeat(first, number) + steps])
        starts.append(np.repeat(number, number))
    a, b = (np.concatenate(found) if found else np.zeros(0, np.int64) for found in (found_a, found_b))
    if config.max_gap_s <= 0 or not len(a):
        none = np.zeros(0, np.int64)
        return Fragments(none, none, np.zeros(0), np.zeros(0))
    ends = np.array([_end(item, config.window_s, at_start=False) for item in table.tracklets])
    begins = np.array([_end(item, config.window_s, at_start=True) for item in table.tracklets])
    regions = _regions(table)
    gap = (table.start_s[b] - table.end_s[a])[:, None]
    left, right = ends[a], begins[b]
    height = np.sqrt(left[:, 4] * right[:, 4])
    velocity = 0.5 * (left[:, 2:4] + right[:, 2:4])
    error = (right[:, :2] - left[:, :2] - velocity * gap) / height[:, None]
    sigma = config.position_noise + config.position_drift * gap[:, 0]
    same = -0.5 * (error**2).sum(axis=1) / sigma**2 - np.log(2 * np.pi * sigma**2)
    other = -np.log(np.maximum(regions[table.camera[a]] / height**2, 1.0))
    ratio = np.log(right[:, 4] / left[:, 4])
    spread = np.hypot(config.height_noise, 0.5 * sigma)
    same += -0.5 * (ratio / spread) ** 2 - np.log(spread)
    other += -0.5 * (ratio / _OTHER_HEIGHT_SPREAD) ** 2 - np.log(_OTHER_HEIGHT_SPREAD)
    q = np.where(_at_border(table, a, -1) | _at_border(table, b, 0), config.border_prior, config.fragment_prior)
    prior = np.log(q / (1 - q) / np.concatenate(starts))
    return Fragments(a, b, np.clip(same - other, -config.bound, config.bound), prior)


def _at_border(table: TrackletTable, rows: IntArray, which: int) -> NDArray[np.bool_]:
    """Whether the first (0) or last (-1) box of each row touches the edge of the picture; never of unknown size."""
    boxes = np.array([tracklet.boxes[which] for tracklet in table.tracklets])[rows]
    sizes = np.array([tracklet.frame_size for tracklet in table.tracklets], np.float64)[rows]
    low = boxes[:, :2] <= _BORDER * sizes
    high = boxes[:, 2:] >= (1 - _BORDER) * sizes
    return np.logical_and((low | high).any(axis=1), (sizes > 0).all(axis=1))


def _end(tracklet: Tracklet, window_s: float, at_start: bool) -> list[float]:
    """Foot point x, y px, its velocity px/s and the box height px at one end, by a line through the window."""
    times = tracklet.times_s
    near = times <= times[0] + window_s if at_start else times >= times[-1] - window_s
    rows = np.flatnonzero(near)
    feet = foot_points(tracklet.boxes[rows]).astype(np.float64)
    height = max(float(np.median(tracklet.boxes[rows, 3] - tracklet.boxes[rows, 1])), 1.0)
    at = times[0] if at_start else times[-1]
    shifted = times[rows] - at
    if len(rows) < 3 or shifted.std() <= 0:
        return [*feet[0 if at_start else -1], 0.0, 0.0, height]
    centred = shifted - shifted.mean()
    velocity = (centred[:, None] * feet).sum(axis=0) / (centred**2).sum()
    return [*(feet.mean(axis=0) - velocity * shifted.mean()), *velocity, height]


def _regions(table: TrackletTable) -> DoubleArray:
    """Area people may stand in, square pixels, per camera: the picture, else the region that boxes cover; (C,)."""
    result = np.zeros(len(table.cameras))
    for camera in range(len(table.cameras)):
        own = [table.tracklets[row] for row in np.flatnonzero(table.camera == camera)]
        width, height = own[0].frame_size
        if width > 0 and height > 0:
            result[camera] = float(width) * height
        else:
            boxes = np.concatenate([item.boxes for item in own])
            result[camera] = float(np.prod(boxes[:, 2:].max(axis=0) - boxes[:, :2].min(axis=0)))
    return result
