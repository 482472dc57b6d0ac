"""The live tracks of one camera, as one table of columns."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.records import DoubleArray, FloatArray, IntArray, PartEmbeddings, Rows
from trackers.appearance import blank, blend, from_tree, join, to_tree
from trackers.motion import MotionState

Mask = NDArray[np.bool_]
KEYPOINTS = 17


@dataclass(slots=True)
class TrackTable:
    """Row i of every column is the same track; rows are ordered by birth.

    Attributes:
        serial: (T,) int64 the tracker's own number of the track, rising; never shown, never used twice.
        state: (T,) int8 ``TENTATIVE``, ``CONFIRMED`` (seen in the last frame) or ``LOST``.
        born_s: (T,) float64 source time of the first detection.
        seen_s: (T,) float64 source time of the last detection.
        hits: (T,) int64 number of detections.
        looks: (T,) int64 number of embeddings.
        looked_s: (T,) float64 source time of the last embedding, -inf without.
        renew: (T,) bool an embedding is wanted at the next occasion, however young the last one is.
        keypoints: (T, 17, 3) float32 skeleton of the last detection, zero without.
        motion: where the tracks are and how they move.
        appearance: how they look, "no evidence" where unknown; None until the first embedding arrives.
    """

    serial: IntArray
    state: NDArray[np.int8]
    born_s: DoubleArray
    seen_s: DoubleArray
    hits: IntArray
    looks: IntArray
    looked_s: DoubleArray
    renew: Mask
    keypoints: FloatArray
    motion: MotionState
    appearance: PartEmbeddings | None

    def __len__(self) -> int:
        return len(self.serial)

    @staticmethod
    def start(
        serial: IntArray, time_s: float, motion: MotionState, keypoints: FloatArray, appearance: PartEmbeddings | None
    ) -> "TrackTable":
        """Tentative tracks that were seen once, at ``time_s``."""
        count = len(serial)
        looked: Mask = np.zeros(count, np.bool_)
        if appearance is not None:
            looked = np.any(appearance.visibility > 0, axis=1)
        return TrackTable(
            serial=serial,
            state=np.zeros(count, np.int8),
            born_s=np.full(count, time_s),
            seen_s=np.full(count, time_s),
            hits=np.ones(count, np.int64),
            looks=looked.astype(np.int64),
            looked_s=np.where(looked, time_s, -np.inf),
            renew=~looked,
            keypoints=keypoints,
            motion=motion,
            appearance=appearance,
        )

    @staticmethod
    def empty() -> "TrackTable":
        """No tracks."""
        motion = MotionState(np.zeros((0, 4, 2)), np.zeros((0, 4, 3)), np.zeros(0))
        return TrackTable.start(np.zeros(0, np.int64), 0.0, motion, np.zeros((0, KEYPOINTS, 3), np.float32), None)

    def select(self, rows: Rows) -> "TrackTable":
        """Keep some tracks."""
        columns = {name: getattr(self, name)[rows] for name in _PLAIN}
        appearance = None if self.appearance is None else self.appearance.select(rows)
        return TrackTable(**columns, motion=self.motion.select(rows), appearance=appearance)

    def append(self, other: "TrackTable") -> "TrackTable":
        """These tracks, then the others."""
        columns = {name: np.concatenate([getattr(self, name), getattr(other, name)]) for name in _PLAIN}
        mine, theirs = self.appearance, other.appearance
        like = mine if mine is not None else theirs
        appearance = None
        if like is not None:
            appearance = join(
                blank(len(self), like) if mine is None else mine, blank(len(other), like) if theirs is None else theirs
            )
        return TrackTable(**columns, motion=self.motion.append(other.motion), appearance=appearance)

    def look(self, rows: IntArray, looks: PartEmbeddings, clear: FloatArray, time_s: float, memory_s: float) -> None:
        """Remember new looks of some tracks.

        The average is a plain mean at first and forgets over ``memory_s`` later, whatever the frame rate; a person
        partly covered by others counts for little.

        Args:
            rows: (M,) the tracks.
            looks: M embeddings, "no evidence" where there is none.
            clear: (M,) share of each person that nobody covers.
            time_s: now.
            memory_s: seconds over which older looks fade.
        """
        seen: Mask = np.any(looks.visibility > 0, axis=1)
        rows = rows[seen]
        if not len(rows):
            return
        if self.appearance is None:
            self.appearance = blank(len(self), looks)
        faded = -np.expm1(-(time_s - self.looked_s[rows]) / memory_s)
        rate = np.maximum(1 / (self.looks[rows] + 1), faded) * clear[seen] ** 2
        mixed = blend(self.appearance.select(rows), looks.select(seen), rate)
        self.appearance.vectors[rows], self.appearance.visibility[rows] = mixed.vectors, mixed.visibility
        self.looks[rows] += 1
        self.looked_s[rows] = time_s
        self.renew[rows] = False

    def take_over(self, old: IntArray, new: IntArray, time_s: float, memory_s: float) -> None:
        """Let lost tracks go on as the new ones they turned out to be; the new rows are to be dropped by the caller."""
        self.motion.put(old, self.motion.select(new))
        self.state[old], self.seen_s[old], self.keypoints[old] = self.state[new], self.seen_s[new], self.keypoints[new]
        self.hits[old] += self.hits[new]
        if self.appearance is not None:
            self.look(old, self.appearance.select(new), np.ones(len(old), np.float32), time_s, memory_s)

    def tree(self) -> dict[str, Any]:
        """Plain values and arrays, for a checkpoint."""
        motion = {name: getattr(self.motion, name).copy() for name in ("mean", "cov", "scale")}
        columns = {name: getattr(self, name).copy() for name in _PLAIN}
        return {**columns, "motion": motion, "appearance": to_tree(self.appearance)}

    @staticmethod
    def from_tree(tree: Mapping[str, Any]) -> "TrackTable":
        """Inverse of ``tree``."""
        columns = {name: np.array(tree[name]) for name in _PLAIN}
        return TrackTable(
            **columns,
            motion=MotionState(**{name: np.array(value) for name, value in tree["motion"].items()}),
            appearance=from_tree(tree["appearance"]),
        )


_PLAIN = tuple(column.name for column in fields(TrackTable) if column.name not in ("motion", "appearance"))
