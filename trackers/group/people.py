"""The people of a group, as one table of columns, and how they move between instants."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.records import DoubleArray, IntArray, PartEmbeddings, Rows
from trackers.appearance import blank, from_tree, join, to_tree
from trackers.config import GroupConfig

_AT = np.array([0, 1, 4])
_HEIGHT_DRIFT = 0.01
_MOST_ODDS = 8.0

LIKELY = 0.5
"""Probability from which a known person counts: hides others, is expected, is told."""


@dataclass(slots=True)
class People:
    """Row i of every column is the same person; rows are ordered by birth.

    Attributes:
        serial: (T,) int64 the tracker's own number of the person, rising; never shown, never used twice.
        group_id: (T,) int64 the number it is shown with, -1 before it is known.
        number: (T, C) int64 local id of its tracklet in each camera, -1 before it is known.
        piece_s: (T,) float64 common time at which its present tracklets began.
        seen_in_s: (T, C) float64 common time of the last box in each camera, -inf without.
        mean: (T, 5) x, y, vx, vy (metres, seconds), log of the height in metres.
        cov: (T, 5, 5).
        odds: (T,) log-odds that the person exists and is here.
        born_s, seen_s: (T,) float64 common time of the first and last box.
        appearance: how they look, "no evidence" where unknown; None until the first embedding arrives.
    """

    serial: IntArray
    group_id: IntArray
    number: IntArray
    piece_s: DoubleArray
    seen_in_s: DoubleArray
    mean: DoubleArray
    cov: DoubleArray
    odds: DoubleArray
    born_s: DoubleArray
    seen_s: DoubleArray
    appearance: PartEmbeddings | None

    def __len__(self) -> int:
        return len(self.serial)

    @staticmethod
    def empty(cameras: int) -> "People":
        """Nobody."""
        none = np.zeros(0, np.int64)
        return born(none, cameras, np.zeros((0, 3)), np.zeros((0, 3, 3)), np.zeros(0), 0.0, 1.0)

    @property
    def known(self) -> NDArray[np.bool_]:
        """(T,) whether the person was ever sure enough to be reported."""
        return self.group_id >= 0

    @property
    def place(self) -> DoubleArray:
        """(T, 3) x, y, log height."""
        return self.mean[:, _AT]

    @property
    def place_cov(self) -> DoubleArray:
        """(T, 3, 3)."""
        return self.cov[:, _AT[:, None], _AT]

    @property
    def probability(self) -> DoubleArray:
        """(T,) of existence."""
        return 1 / (1 + np.exp(-self.odds))

    def select(self, rows: Rows) -> "People":
        """Some of them."""
        columns = {column.name: getattr(self, column.name) for column in fields(self)}
        looks = columns.pop("appearance")
        return People(
            **{name: column[rows] for name, column in columns.items()},
            appearance=None if looks is None else looks.select(rows),
        )

    def append(self, other: "People") -> "People":
        """These, then those."""
        looks = None
        if self.appearance is not None or other.appearance is not None:
            like = self.appearance if self.appearance is not None else other.appearance
            assert like is not None
            mine = self.appearance if self.appearance is not None else blank(len(self), like)
            theirs = other.appearance if other.appearance is not None else blank(len(other), like)
            looks = join(mine, theirs)
        names = [column.name for column in fields(self) if column.name != "appearance"]
        return People(
            **{name: np.concatenate([getattr(self, name), getattr(other, name)]) for name in names}, appearance=looks
        )

    def tree(self) -> dict[str, Any]:
        """Plain values and arrays, for a checkpoint."""
        columns = {column.name: getattr(self, column.name) for column in fields(self)}
        return columns | {"appearance": to_tree(self.appearance)}

    @staticmethod
    def from_tree(tree: Mapping[str, Any]) -> "People":
        """Inverse of ``tree``."""
        return People(**{**tree, "appearance": from_tree(tree["appearance"])})

    def settle(self, place: DoubleArray, cov: DoubleArray) -> None:
        """Take new places; velocities follow by what they have in common with them."""
        prior = self.place_cov
        share = self.cov[:, :, _AT] @ np.linalg.inv(prior)
        self.mean = self.mean + np.einsum("tij,tj->ti", share, place - self.place)
        new = self.cov - share @ (prior - cov) @ share.transpose(0, 2, 1)
        self.cov = (new + new.transpose(0, 2, 1)) / 2

    def weigh(self, change: DoubleArray) -> None:
        """Add to the log-odds of existence."""
        self.odds = np.clip(self.odds + change, -2 * _MOST_ODDS, _MOST_ODDS)


def moved(people: People, elapsed_s: float, config: GroupConfig) -> People:
    """People after a while.

    Velocity is an Ornstein-Uhlenbeck process: it fades towards standing within ``speed_memory_s`` while chance keeps it
    at the usual speed, exactly for any step (Rong Li and Jilkov, "Survey of maneuvering target tracking, part I"
    (2003), section IV-A: the Singer model of one order less).
    """
    if elapsed_s <= 0 or not len(people):
        return people.select(np.arange(len(people)))
    transition, noise = step(elapsed_s, config)
    columns = people.select(np.arange(len(people)))
    columns.mean = people.mean @ transition.T
    columns.cov = transition @ people.cov @ transition.T + noise
    return columns


def step(elapsed_s: float, config: GroupConfig) -> tuple[DoubleArray, DoubleArray]:
    """Transition matrix and noise of one step, (5, 5) each."""
    memory, power = config.speed_memory_s, config.speed**2
    fade = np.exp(-elapsed_s / memory)
    reach = memory * (1 - fade)
    speed_noise = power * (1 - fade**2)
    mixed = power * memory * (1 - fade) ** 2
    place_noise = power * memory**2 * (2 * elapsed_s / memory - 3 + 4 * fade - fade**2)
    transition, noise = np.eye(5), np.zeros((5, 5))
    for axis in (0, 1):
        transition[axis, 2 + axis] = reach
        transition[2 + axis, 2 + axis] = fade
        noise[axis, axis] = place_noise
        noise[axis, 2 + axis] = noise[2 + axis, axis] = mixed
        noise[2 + axis, 2 + axis] = speed_noise
    noise[4, 4] = _HEIGHT_DRIFT**2 * elapsed_s
    return transition, noise


def born(
    serial: IntArray,
    cameras: int,
    place: DoubleArray,
    cov: DoubleArray,
    odds: DoubleArray,
    time_s: float,
    speed: float,
) -> People:
    """People who are seen for the first time, of a velocity of 0 +- ``speed``."""
    count = len(serial)
    mean, full = np.zeros((count, 5)), np.zeros((count, 5, 5))
    mean[:, _AT] = place
    full[:, _AT[:, None], _AT] = cov
    full[:, 2, 2] = full[:, 3, 3] = speed**2
    return People(
        serial=serial,
        group_id=np.full(count, -1, np.int64),
        number=np.full((count, cameras), -1, np.int64),
        piece_s=np.full(count, time_s),
        seen_in_s=np.full((count, cameras), -np.inf),
        mean=mean,
        cov=full,
        odds=odds,
        born_s=np.full(count, time_s),
        seen_s=np.full(count, time_s),
        appearance=None,
    )
