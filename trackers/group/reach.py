"""Where each camera was found to detect the people it ought to see: walls, glare and distance are in no calibration."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from data.records import DoubleArray
from trackers.group.bodies import Mask

_CELL_M = 2.0
_FIRST_GUESS = 2.0


class Reach:
    """Detections against what was expected, by camera and patch of ground."""

    def __init__(self) -> None:
        # (camera, column, row) of a cell -> [detections, expected detections].
        self._cells: dict[tuple[int, int, int], list[float]] = {}

    def learn(self, camera: int, xy: DoubleArray, chance: DoubleArray, hit: Mask, weight: float) -> None:
        """Take one instant of a camera.

        Args:
            camera: its number.
            xy: (T, 2) where people stand, metres.
            chance: (T,) of being detected, were nothing in the way but other people.
            hit: (T,) who was.
            weight: of the instant, 0-1: instants that follow fast say the same.
        """
        for (column, row), expected, found in zip(_cells(xy), chance.tolist(), hit.tolist(), strict=True):
            counts = self._cells.setdefault((camera, column, row), [0.0, 0.0])
            counts[0] += weight * found
            counts[1] += weight * expected

    def share(self, camera: int, xy: DoubleArray) -> DoubleArray:
        """(T,) share of the expected detections that came, about 1 where nothing is known yet."""
        counts = np.array([self._cells.get((camera, column, row), (0.0, 0.0)) for column, row in _cells(xy)])
        found, expected = counts.reshape(-1, 2).T
        return np.asarray((found + _FIRST_GUESS) / (expected + _FIRST_GUESS))

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"cells": dict(self._cells)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from ``state``."""
        self._cells = {tuple(cell): list(counts) for cell, counts in state["cells"].items()}


def _cells(xy: DoubleArray) -> list[list[int]]:
    """Column and row of the cell of each place."""
    return [list(cell) for cell in np.floor(xy / _CELL_M).astype(np.int64).tolist()]
