"""Who the tracklets are, row by row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from data.records import DoubleArray, IntArray

Key = tuple[str, int]
NOBODY = -1


@dataclass(frozen=True, slots=True, eq=False)
class TrackletTruth:
    """How many rows of each tracklet are whose; a tracklet that changed person has several.

    Attributes:
        keys: (camera, local_id) of T tracklets, distinct.
        length: (T,) int64 rows of each.
        tracklet: (K,) int64 index into ``keys``.
        person: (K,) int64 who; every (tracklet, person) once.
        rows: (K,) int64 > 0 rows that are this person's. What is left of the length is nobody's: false boxes.
        truth_rows: rows there are of all people, those in no tracklet too.
    """

    keys: tuple[Key, ...]
    length: IntArray
    tracklet: IntArray
    person: IntArray
    rows: IntArray
    truth_rows: int

    def __len__(self) -> int:
        return len(self.keys)

    @staticmethod
    def of_pure(people: Mapping[Key, int], rows: Mapping[Key, int] | None = None) -> "TrackletTruth":
        """Truth of tracklets that are one person each.

        Args:
            people: who each is.
            rows: how many rows each has; None is one.
        """
        keys = tuple(sorted(people))
        length = np.array([1 if rows is None else rows[key] for key in keys], np.int64)
        person = np.array([people[key] for key in keys], np.int64)
        return TrackletTruth(keys, length, np.arange(len(keys)), person, length, int(length.sum()))

    def main(self) -> tuple[IntArray, DoubleArray]:
        """Whose most rows of each tracklet are, (T,) int64, ``NOBODY`` where none is known; and their share, (T,)."""
        main, most = np.full(len(self), NOBODY), np.zeros(len(self), np.int64)
        for row in np.lexsort((-self.person, self.rows)).tolist():
            main[self.tracklet[row]], most[self.tracklet[row]] = self.person[row], self.rows[row]
        return main, most / np.maximum(self.length, 1)

    def labels(self, found: Mapping[Key, int]) -> IntArray:
        """Identity of each tracklet, in the order of ``keys``."""
        return np.array([found[key] for key in self.keys], np.int64)


def people_of(truth: TrackletTruth, keys: Sequence[Key]) -> IntArray:
    """Main person of each of some tracklets, (len(keys),) int64."""
    main, _ = truth.main()
    place = {key: row for row, key in enumerate(truth.keys)}
    return np.array([main[place[key]] for key in keys], np.int64)
