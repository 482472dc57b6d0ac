"""Where one camera stands in another's ground plane, from people seen by both at the same instants, nobody named.

Every pair of people seen at one instant votes for the turn and shift that would make them one person (a generalised
Hough transform, Ballard 1981). True pairs agree, false ones scatter. The same vote with one camera's time shifted tells
how many votes chance gives, so that places where people stand all day prove nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.site_calibration.sightings import Instants

DoubleArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_TURNS = 72
_BIN_M = 0.35
_REACH_M = 40.0
_MOST_PAIRS = 40_000
_SHIFTS = 4
_CANDIDATES = 6
_GATE_M = 0.35
_ROUNDS = 6


@dataclass(frozen=True, slots=True)
class Alignment:
    """A turn and shift that brings camera b's ground plane to camera a's.

    Attributes:
        turn: radians, from x towards y.
        shift: (2,) metres, after the turn.
        together: people of both cameras that fall together at the same instants.
        by_chance: the same with one camera's time shifted, mean of several shifts.
    """

    turn: float
    shift: DoubleArray
    together: int
    by_chance: float

    @property
    def evidence(self) -> float:
        """By how many standard deviations of chance more people fall together than chance gives."""
        return (self.together - self.by_chance) / float(np.sqrt(self.by_chance + 4.0))

    def inverse(self) -> "Alignment":
        """What brings a's plane to b's."""
        return Alignment(-self.turn, -_rotation(-self.turn) @ self.shift, self.together, self.by_chance)


def align(instants: Instants, cameras: tuple[int, int], ground: tuple[DoubleArray, DoubleArray]) -> Alignment | None:
    """The best turn and shift, or None where the two never see people at one instant.

    Args:
        instants: what was seen.
        cameras: numbers of a and b.
        ground: where the people of a and of b stand, (N, 2) metres in the plane of each; NaN where that is not known.
    """
    numbers = (instants.instant[cameras[0]], instants.instant[cameras[1]])
    usable = [np.isfinite(points).all(axis=1) for points in ground]
    points = [p[good] for p, good in zip(ground, usable)]
    numbers = (numbers[0][usable[0]], numbers[1][usable[1]])
    count = len(instants.times_s)
    real = pairs_at_instants(*numbers)
    if not len(real[0]):
        return None
    shifts = [count * (k + 1) // (_SHIFTS + 1) for k in range(_SHIFTS)]
    chance = [_shifted(numbers, count, shift) for shift in shifts]
    best: Alignment | None = None
    for turn, shift in _peaks(points[0], points[1], real, chance):
        found = _polish(points[0], points[1], numbers, count, shifts, turn, shift)
        if best is None or found.evidence > best.evidence:
            best = found
    return best


def mutual_nearest(a: DoubleArray, b: DoubleArray, pairs: tuple[IntArray, IntArray], gate_m: float) -> IntArray:
    """Rows of ``pairs`` whose two people are each other's nearest of their instant, and nearer than the gate.

    Args:
        a: (N, 2) metres.
        b: (M, 2) metres, in the same plane.
        pairs: rows of a and b seen at one instant, all of them.
        gate_m: largest distance.
    """
    distance = np.linalg.norm(a[pairs[0]] - b[pairs[1]], axis=1)
    nearest_a, nearest_b = np.full(len(a), np.inf), np.full(len(b), np.inf)
    np.minimum.at(nearest_a, pairs[0], distance)
    np.minimum.at(nearest_b, pairs[1], distance)
    good = (distance < gate_m) & (distance <= nearest_a[pairs[0]]) & (distance <= nearest_b[pairs[1]])
    return np.flatnonzero(good)


def pairs_at_instants(a: IntArray, b: IntArray) -> tuple[IntArray, IntArray]:
    """All pairs of rows of one instant.

    Args:
        a: (N,) instants of camera a's rows.
        b: (M,) of b's.

    Returns:
        Rows of a and of b, both (P,).
    """
    order = np.argsort(b, kind="stable")
    first = np.searchsorted(b[order], a, "left")
    many = np.searchsorted(b[order], a, "right") - first
    rows = np.repeat(np.arange(len(a)), many)
    within = np.arange(len(rows)) - np.repeat(np.cumsum(many) - many, many)
    return rows, order[np.repeat(first, many) + within]


def _shifted(numbers: tuple[IntArray, IntArray], count: int, shift: int) -> tuple[IntArray, IntArray]:
    """The same where b's time is moved on by ``shift`` of ``count`` instants, around the recording."""
    return pairs_at_instants(numbers[0], (numbers[1] + shift) % count)


def _peaks(
    a: DoubleArray, b: DoubleArray, real: tuple[IntArray, IntArray], chance: Sequence[tuple[IntArray, IntArray]]
) -> list[tuple[float, DoubleArray]]:
    """Turns and shifts with the most votes over chance."""
    cells = int(2 * _REACH_M / _BIN_M)
    together = (np.concatenate([pairs[0] for pairs in chance]), np.concatenate([pairs[1] for pairs in chance]))
    found: list[tuple[float, float, DoubleArray]] = []
    for number in range(_TURNS):
        turn = 2 * np.pi * number / _TURNS
        turned = b @ _rotation(turn).T
        votes = _votes(a, turned, _thin(real), cells) * (len(real[0]) / len(_thin(real)[0]))
        expected = _votes(a, turned, _thin(together), cells) * (
            len(together[0]) / max(len(_thin(together)[0]), 1) / len(chance)
        )
        score = (votes - expected) / np.sqrt(expected + 4.0)
        for cell in np.argsort(-score, axis=None, kind="stable")[:2]:
            row, column = divmod(int(cell), cells)
            place = (np.array([row, column]) + 0.5) * _BIN_M - _REACH_M
            found.append((float(score.flat[cell]), turn, place))
    found.sort(key=lambda one: -one[0])
    return [(turn, place) for _, turn, place in found[:_CANDIDATES]]


def _votes(a: DoubleArray, b: DoubleArray, pairs: tuple[IntArray, IntArray], cells: int) -> DoubleArray:
    place = np.floor((a[pairs[0]] - b[pairs[1]] + _REACH_M) / _BIN_M).astype(np.int64)
    place = place[((place >= 0) & (place < cells)).all(axis=1)]
    votes = np.bincount(place[:, 0] * cells + place[:, 1], minlength=cells * cells).reshape(cells, cells)
    padded = np.pad(votes, 1).astype(np.float64)
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    return np.asarray(rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:], np.float64)


def _thin(pairs: tuple[IntArray, IntArray]) -> tuple[IntArray, IntArray]:
    if len(pairs[0]) <= _MOST_PAIRS:
        return pairs
    rows = np.linspace(0, len(pairs[0]) - 1, _MOST_PAIRS).astype(np.int64)
    return pairs[0][rows], pairs[1][rows]


def _polish(
    a: DoubleArray,
    b: DoubleArray,
    numbers: tuple[IntArray, IntArray],
    count: int,
    shifts: Sequence[int],
    turn: float,
    shift: DoubleArray,
) -> Alignment:
    """Iterated closest points over all instants, with a gate that narrows."""
    real = pairs_at_instants(*numbers)
    for gate in np.geomspace(2 * _GATE_M, _GATE_M, _ROUNDS):
        rows = mutual_nearest(a, b @ _rotation(turn).T + shift, real, gate)
        if len(rows) < 2:
            break
        turn, shift = _rigid(a[real[0][rows]], b[real[1][rows]])
    moved = b @ _rotation(turn).T + shift
    chance = [len(mutual_nearest(a, moved, _shifted(numbers, count, other), _GATE_M)) for other in shifts]
    return Alignment(turn, shift, len(mutual_nearest(a, moved, real, _GATE_M)), float(np.mean(chance)))


def _rigid(a: DoubleArray, b: DoubleArray) -> tuple[float, DoubleArray]:
    """Turn and shift that bring b nearest to a (Umeyama 1991, in the plane, without scale)."""
    centre_a, centre_b = a.mean(axis=0), b.mean(axis=0)
    p, q = a - centre_a, b - centre_b
    turn = float(np.arctan2((q[:, 0] * p[:, 1] - q[:, 1] * p[:, 0]).sum(), (p * q).sum()))
    return turn, centre_a - _rotation(turn) @ centre_b


def _rotation(turn: float) -> DoubleArray:
    cos, sin = np.cos(turn), np.sin(turn)
    return np.array([[cos, -sin], [sin, cos]])
