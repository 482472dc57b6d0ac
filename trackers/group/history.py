"""The last seconds of a group, before they are written: what can still be mended, and smoothed with what came after."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from data.records import DoubleArray, FloatArray, IntArray, PartEmbeddings
from trackers.appearance import from_tree, to_tree
from trackers.config import GroupConfig
from trackers.group.people import step


@dataclass(slots=True)
class Rows:
    """R rows of one camera at one instant.

    Attributes:
        camera: number of the camera.
        frame: of its source.
        time_s: source time.
        size: (width, height) of the frame.
        serial: (R,) the person.
        number: (R,) local id, -1 while the person is not known.
        boxes: (R, 4) float32 xyxy px.
        scores: (R,) float32; 0 where the person was not detected.
        keypoints: (R, 17, 3) float32, or None.
        looked: (L,) rows with an embedding.
        looks: L embeddings, or None.
        quality: (R,) how well each row shows its person.
    """

    camera: int
    frame: int
    time_s: float
    size: tuple[int, int]
    serial: IntArray
    number: IntArray
    boxes: FloatArray
    scores: FloatArray
    keypoints: FloatArray | None
    looked: IntArray
    looks: PartEmbeddings | None
    quality: FloatArray

    def tree(self) -> dict[str, Any]:
        """Plain values and arrays, for a checkpoint."""
        return {column.name: getattr(self, column.name) for column in fields(self)} | {"looks": to_tree(self.looks)}

    @staticmethod
    def from_tree(tree: Mapping[str, Any]) -> "Rows":
        """Inverse of ``tree``."""
        return Rows(**{**tree, "looks": from_tree(tree["looks"]), "size": tuple(tree["size"])})


@dataclass(slots=True)
class Instant:
    """One instant of a group.

    Attributes:
        time_s: common time.
        serial: (T,) people, tentative ones too.
        mean: (T, 5) filtered states.
        cov: (T, 5, 5).
        rows: per camera that was there.
    """

    time_s: float
    serial: IntArray
    mean: DoubleArray
    cov: DoubleArray
    rows: list[Rows]

    def tree(self) -> dict[str, Any]:
        """Plain values and arrays, for a checkpoint."""
        columns = {column.name: getattr(self, column.name) for column in fields(self)}
        return columns | {"rows": [rows.tree() for rows in self.rows]}

    @staticmethod
    def from_tree(tree: Mapping[str, Any]) -> "Instant":
        """Inverse of ``tree``."""
        return Instant(**{**tree, "rows": [Rows.from_tree(rows) for rows in tree["rows"]]})


def relabel(instants: Sequence[Instant], old: int, new: int, numbers: IntArray | None) -> None:
    """Give what one person did to another.

    Args:
        instants: changed in place.
        old: serial that becomes ``new``.
        new: the other serial.
        numbers: (C,) local ids the rows get, or None to leave them.
    """
    for instant in instants:
        instant.serial = np.where(instant.serial == old, new, instant.serial)
        for rows in instant.rows:
            mine = rows.serial == old
            if mine.any():
                rows.serial = np.where(mine, new, rows.serial)
                if numbers is not None:
                    rows.number = np.where(mine, numbers[rows.camera], rows.number)


def chosen(rows: Rows, kept: IntArray) -> Rows:
    """Some rows, with the looks that belong to them."""
    place = np.full(len(rows.serial), -1)
    place[kept] = np.arange(len(kept))
    stay = np.flatnonzero(place[rows.looked] >= 0)
    return Rows(
        rows.camera,
        rows.frame,
        rows.time_s,
        rows.size,
        rows.serial[kept],
        rows.number[kept],
        rows.boxes[kept],
        rows.scores[kept],
        None if rows.keypoints is None else rows.keypoints[kept],
        place[rows.looked[stay]],
        None if rows.looks is None else rows.looks.select(stay),
        rows.quality[kept],
    )


def last_real(history: Sequence[Instant]) -> dict[int, float]:
    """Common time of the last detection of each person in what is not written yet."""
    last: dict[int, float] = {}
    for instant in history:
        for rows in instant.rows:
            for serial in rows.serial[rows.scores > 0].tolist():
                last[serial] = instant.time_s
    return last


def smooth(instants: Sequence[Instant], config: GroupConfig) -> list[Instant]:
    """States of each instant given all later ones: Rauch, Tung and Striebel's backward pass (1965).

    A person who is absent from the next instant keeps the filtered state.
    """
    if not instants:
        return []
    done = [instants[-1]]
    for now in reversed(instants[:-1]):
        after = done[-1]
        mine, theirs = _both(now.serial, after.serial)
        mean, cov = now.mean.copy(), now.cov.copy()
        if len(mine):
            transition, noise = step(after.time_s - now.time_s, config)
            ahead = transition @ cov[mine] @ transition.T + noise
            gain = cov[mine] @ transition.T @ np.linalg.inv(ahead)
            mean[mine] += np.einsum("tij,tj->ti", gain, after.mean[theirs] - now.mean[mine] @ transition.T)
            cov[mine] += gain @ (after.cov[theirs] - ahead) @ gain.transpose(0, 2, 1)
        done.append(replace(now, mean=mean, cov=cov))
    return done[::-1]


def _both(a: IntArray, b: IntArray) -> tuple[IntArray, IntArray]:
    """Rows of each side that hold the same serial; serials are distinct."""
    _, left, right = np.intersect1d(a, b, return_indices=True)
    return left, right
