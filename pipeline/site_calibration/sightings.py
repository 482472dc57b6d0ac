"""What calibration looks at: whole, upright people, their feet and heads, and the instants they were seen at."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DoubleArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_EDGE = 0.006
_SLIMMEST, _WIDEST = 0.2, 0.75
_COVERED = 0.1
_FEET = 0.3


@dataclass(frozen=True, slots=True)
class Sightings:
    """People one camera saw.

    Attributes:
        size: (width, height) of the frame, pixels.
        times_s: (N,) float64, rising, seconds of the common clock.
        feet: (N, 2) float64, bottom centres of boxes, pixels.
        heads: (N, 2) float64, top centres, pixels.
    """

    size: tuple[int, int]
    times_s: DoubleArray
    feet: DoubleArray
    heads: DoubleArray

    def __len__(self) -> int:
        return len(self.times_s)

    @property
    def heights_px(self) -> DoubleArray:
        """(N,) heights of the boxes."""
        return np.asarray(self.feet[:, 1] - self.heads[:, 1], np.float64)

    def select(self, rows: NDArray[np.bool_] | IntArray) -> "Sightings":
        """Keep some rows, given as a mask or as rising indices."""
        return Sightings(self.size, self.times_s[rows], self.feet[rows], self.heads[rows])

    def thinned(self, most: int) -> "Sightings":
        """At most ``most`` rows, evenly over time."""
        if len(self) <= most:
            return self
        return self.select(np.linspace(0, len(self) - 1, most).astype(np.int64))


def whole_people(times_s: DoubleArray, boxes: DoubleArray, size: tuple[int, int]) -> Sightings:
    """Keep the boxes of people whose feet and head are likely seen.

    Left out are boxes cut by the frame, boxes too wide or slim for someone upright, and those whose lower part another
    box of the same instant covers that reaches lower (who stands nearer hides the feet).

    Args:
        times_s: (N,) seconds of the common clock, rising.
        boxes: (N, 4) xyxy px.
        size: (width, height) of the frame.
    """
    left, top, right, bottom = np.asarray(boxes, np.float64).reshape(-1, 4).T
    width, height = right - left, bottom - top
    edge = _EDGE * max(size)
    keep = (left > edge) & (top > edge) & (right < size[0] - edge) & (bottom < size[1] - edge)
    shape = width / np.maximum(height, 1e-9)
    keep &= (shape > _SLIMMEST) & (shape < _WIDEST)
    starts = np.flatnonzero(np.diff(times_s, prepend=-np.inf))
    for start, stop in zip(starts, np.append(starts[1:], len(times_s))):
        rows = slice(start, stop)
        across = np.minimum(right[rows, None], right[None, rows]) - np.maximum(left[rows, None], left[None, rows])
        feet_top = bottom[rows] - _FEET * height[rows]
        down = np.minimum(bottom[rows, None], bottom[None, rows]) - np.maximum(feet_top[:, None], top[None, rows])
        share = across.clip(0) * down.clip(0) / (_FEET * width[rows] * height[rows])[:, None]
        share[bottom[None, rows] <= bottom[rows, None]] = 0.0
        keep[rows] &= share.max(axis=1) < _COVERED
    centre = (left + right) / 2
    return Sightings(
        size, times_s[keep], np.stack([centre, bottom], axis=1)[keep], np.stack([centre, top], axis=1)[keep]
    )


@dataclass(frozen=True, slots=True)
class Instants:
    """Sightings of all cameras, brought to instants that they share.

    Attributes:
        cameras: names, in order.
        sightings: of each.
        instant: per camera (N,) int64: the number of the instant of each row; rows that belong to none were dropped.
        times_s: (T,) float64 of the instants, rising.
    """

    cameras: tuple[str, ...]
    sightings: tuple[Sightings, ...]
    instant: tuple[IntArray, ...]
    times_s: DoubleArray

    def select(self, instants: NDArray[np.bool_]) -> "Instants":
        """Keep some instants, given as a mask over ``times_s``."""
        rows = [instants[numbers] for numbers in self.instant]
        return Instants(
            self.cameras,
            tuple(seen.select(row) for seen, row in zip(self.sightings, rows)),
            tuple(numbers[row] for numbers, row in zip(self.instant, rows)),
            self.times_s,
        )

    def of(self, cameras: list[int]) -> "Instants":
        """Keep some cameras, given by number."""
        return Instants(
            tuple(self.cameras[c] for c in cameras),
            tuple(self.sightings[c] for c in cameras),
            tuple(self.instant[c] for c in cameras),
            self.times_s,
        )


def at_instants(sightings: Mapping[str, Sightings], step_s: float) -> Instants:
    """Bring cameras to the grid of one common step: of each camera the frame nearest to a grid point counts for it.

    Args:
        sightings: per camera.
        step_s: seconds between instants; a frame counts for an instant at most a quarter of a step away.
    """
    start = min(float(seen.times_s[0]) for seen in sightings.values() if len(seen))
    kept, numbers = [], []
    for seen in sightings.values():
        place = (seen.times_s - start) / step_s
        number = np.round(place).astype(np.int64)
        off = np.abs(place - number)
        # Of several frames near one grid point the nearest speaks; its rows share one time.
        best = np.full(int(number.max(initial=0)) + 1, np.inf)
        np.minimum.at(best, number, off)
        rows = (off <= best[number] + 1e-9) & (off <= 0.25 + 1e-9)
        first = np.full(len(best), np.inf)
        np.minimum.at(first, number[rows], seen.times_s[rows])
        rows &= seen.times_s == first[number]
        kept.append(seen.select(rows))
        numbers.append(number[rows])
    last = max(int(number.max(initial=0)) for number in numbers)
    return Instants(
        tuple(sightings), tuple(kept), tuple(numbers), np.asarray(start + step_s * np.arange(last + 1), np.float64)
    )
