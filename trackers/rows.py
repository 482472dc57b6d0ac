"""Growing columns of track rows: what the live tracks of a camera have been through."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from data.records import FloatArray, IntArray

_NOBODY = -1
_LEAST_ROWS = 256


class RowLog:
    """Rows of all live tracks in order of time, in one block of memory that doubles when full.

    Rows of tracks that have ended are reclaimed, so memory follows what is alive, not the length of the video.
    """

    def __init__(self) -> None:
        self._count = 0
        self._columns: dict[str, Any] = {
            "owner": np.zeros(0, np.int64),
            "time_s": np.zeros(0, np.float64),
            "frame": np.zeros(0, np.int64),
            "box": np.zeros((0, 4), np.float32),
            "score": np.zeros(0, np.float32),
        }

    @property
    def capacity(self) -> int:
        """Rows there is memory for."""
        return len(self._columns["owner"])

    def add(
        self,
        owners: IntArray,
        time_s: float,
        frame: int,
        boxes: FloatArray,
        scores: FloatArray,
        keypoints: FloatArray | None,
        extra: Mapping[str, FloatArray] | None = None,
    ) -> None:
        """Append one row for each owner, all of one frame; skeletons and extra columns are kept once there are any."""
        end = self._count + len(owners)
        if end > self.capacity:
            self._make_room(len(owners))
            end = self._count + len(owners)
        new: dict[str, Any] = {"owner": owners, "time_s": time_s, "frame": frame, "box": boxes, "score": scores}
        optional = dict(extra or {})
        if keypoints is not None:
            optional["keypoints"] = keypoints
        for name, values in optional.items():
            self._columns.setdefault(name, np.zeros((self.capacity, *values.shape[1:]), np.float32))
        new |= optional
        for name, values in new.items():
            self._columns[name][self._count : end] = values
        self._count = end

    def read(self, owner: int) -> dict[str, Any]:
        """Copies of an owner's columns, by time; "keypoints" only where there ever were any."""
        rows = np.flatnonzero(self._columns["owner"][: self._count] == owner)
        return {name: column[rows] for name, column in self._columns.items() if name != "owner"}

    def forget(self, owners: IntArray) -> None:
        """Drop the rows of owners that have ended."""
        owner = self._columns["owner"][: self._count]
        owner[np.isin(owner, owners)] = _NOBODY

    def hand_over(self, source: int, target: int) -> None:
        """Give the rows of one owner to another."""
        owner = self._columns["owner"][: self._count]
        owner[owner == source] = target

    def state(self) -> dict[str, Any]:
        """Arrays for a checkpoint."""
        alive = self._columns["owner"][: self._count] != _NOBODY
        return {name: column[: self._count][alive] for name, column in self._columns.items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from ``state``."""
        self._columns = {name: np.array(column) for name, column in state.items()}
        self._count = len(self._columns["owner"])

    def _make_room(self, count: int) -> None:
        alive = self._columns["owner"][: self._count] != _NOBODY
        self._count = int(alive.sum())
        capacity = max(_LEAST_ROWS, 2 * (self._count + count))
        for name, column in self._columns.items():
            grown = np.zeros((capacity, *column.shape[1:]), column.dtype)
            grown[: self._count] = column[: len(alive)][alive]
            self._columns[name] = grown
