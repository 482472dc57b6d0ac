"""Hard constraints: pairs that cannot be one person, and pairs that are."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.kernels.boxes import row_ious
from data.records import IntArray, Tracklet
from pipeline.association.config import ConstraintConfig
from pipeline.association.pair_codes import pair_codes
from pipeline.association.places import strangers
from pipeline.association.table import TrackletTable

Bools = NDArray[np.bool_]

NONE, SAME_CAMERA, OTHER_CAMERA, OTHER_PLACE, DECLARED = 0, 1, 2, 3, 4
REASONS = (
    "",
    "seen at once in one camera",
    "seen at once in cameras without common view",
    "seen at once in different places of one group",
    "declared different",
)


@dataclass(frozen=True, slots=True, eq=False)
class Exclusions:
    """Answers, for any pair, whether and why it cannot be one person. Nothing of size N x N is stored.

    Attributes:
        table: the tracklets.
        slack_s: overlap in time that two cameras without common view may have.
        duplicates: pairs (lower, higher row) that overlap in one camera because one person got two boxes.
        declared: pairs (lower, higher row) that a person declared different.
        strangers: pairs of people of one group (see ``TrackletTable.person``) who stood at different places at once.
    """

    table: TrackletTable
    slack_s: float
    duplicates: IntArray
    declared: IntArray
    strangers: IntArray

    def reasons(self, a: IntArray, b: IntArray) -> NDArray[np.int8]:
        """Why each pair cannot be one person, (E,) index into ``REASONS``; 0 = it can."""
        table = self.table
        shared = np.minimum(table.end_s[a], table.end_s[b]) - np.maximum(table.start_s[a], table.start_s[b])
        one_camera = table.camera[a] == table.camera[b]
        result = np.zeros(len(a), np.int8)
        apart = table.apart[table.camera[a], table.camera[b]] & table.comparable(a, b)
        result[apart & (shared > self.slack_s)] = OTHER_CAMERA
        codes = self._codes(a, b)
        first, second = table.person[a], table.person[b]
        of_groups = (first >= 0) & (second >= 0)
        people = pair_codes(first[of_groups], second[of_groups], len(table))
        result[np.flatnonzero(of_groups)[np.isin(people, self.strangers)]] = OTHER_PLACE
        result[one_camera & (shared >= 0) & ~np.isin(codes, self.duplicates)] = SAME_CAMERA
        result[np.isin(codes, self.declared)] = DECLARED
        return result

    def conflict(self, a: Sequence[int], b: Sequence[int]) -> bool:
        """Whether any member of one set excludes any member of the other."""
        left, right = np.asarray(a, np.int64), np.asarray(b, np.int64)
        return bool(self.reasons(np.repeat(left, len(right)), np.tile(right, len(left))).any())

    def possible(self) -> IntArray:
        """How many tracklets of each camera could be the person of each tracklet: (N, C), declarations aside."""
        table = self.table
        count, cameras = len(table), len(table.cameras)
        result = np.zeros((count, cameras), np.int64)
        for camera in range(cameras):
            members = table.camera == camera
            starts, ends = np.sort(table.start_s[members]), np.sort(table.end_s[members])
            at_once = np.searchsorted(starts, table.end_s, "right") - np.searchsorted(ends, table.start_s, "left")
            briefly = np.searchsorted(starts, table.end_s - self.slack_s, "left") - np.searchsorted(
                ends, table.start_s + self.slack_s, "right"
            )
            blocked = np.where(
                members,
                at_once,
                np.where(table.apart[table.camera, camera] & table.common[table.camera, camera], briefly, 0),
            )
            result[:, camera] = members.sum() - np.clip(blocked, 0, None)
        return np.clip(result, 0, None)

    def seen_together(self, most: int) -> tuple[IntArray, IntArray]:
        """Pairs of different people for certain: alive at once in one camera.

        Args:
            most: neighbours by start time that are paired with each tracklet.
        """
        table = self.table
        order = np.lexsort((table.start_s, table.camera))
        found_a, found_b = [], []
        for step in range(1, most + 1):
            a, b = order[:-step], order[step:]
            kept = self.reasons(a, b) == SAME_CAMERA
            found_a.append(a[kept])
            found_b.append(b[kept])
        if not found_a:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        return np.concatenate(found_a), np.concatenate(found_b)

    def at_once(self, neighbours: int, most: int) -> tuple[IntArray, IntArray]:
        """Pairs of different people for certain, in one camera or in two without common view, by nearness in time.

        Args:
            neighbours: by start time, that are looked at of each tracklet.
            most: pairs to find; a few more may come.

        Returns:
            Rows a < b, sorted.
        """
        table = self.table
        order = np.lexsort((table.start_s, table.domain))
        codes: list[IntArray] = [np.zeros(0, np.int64)]
        found = 0
        for step in range(1, min(neighbours, len(table) - 1) + 1):
            a, b = order[:-step], order[step:]
            kept = np.isin(self.reasons(a, b), (SAME_CAMERA, OTHER_CAMERA))
            codes.append(self._codes(a[kept], b[kept]))
            found += int(kept.sum())
            if found >= most:
                break
        every = np.unique(np.concatenate(codes))
        return every // max(len(table), 1), every % max(len(table), 1)

    def _codes(self, a: IntArray, b: IntArray) -> IntArray:
        return pair_codes(a, b, len(self.table))


def build_exclusions(
    table: TrackletTable, config: ConstraintConfig, declared: Iterable[tuple[int, int]] = ()
) -> Exclusions:
    """Find the duplicates among the overlaps, and take up what a person declared different."""
    pairs = np.array(sorted(declared), np.int64).reshape(-1, 2)
    return Exclusions(
        table,
        config.sync_slack_s,
        _duplicates(table, config),
        np.unique(pair_codes(pairs[:, 0], pairs[:, 1], len(table))),
        strangers(table, config.apart_m),
    )


def _duplicates(table: TrackletTable, config: ConstraintConfig) -> IntArray:
    """Codes of the pairs of one camera that overlap briefly and lie on one another."""
    found = []
    for camera in range(len(table.cameras)):
        rows = np.flatnonzero(table.camera == camera)
        rows = rows[np.argsort(table.start_s[rows], kind="stable")]
        last = np.searchsorted(table.start_s[rows], table.end_s[rows], "right")
        for place, row in enumerate(rows):
            others = rows[place + 1 : last[place]]
            shared = np.minimum(table.end_s[others], table.end_s[row]) - table.start_s[others]
            for other in others[shared <= config.dup_s]:
                if _mean_iou(table.tracklets[row], table.tracklets[other]) > config.dup_iou:
                    found.append((row, other))
    pairs = np.array(found, np.int64).reshape(-1, 2)
    return np.unique(pair_codes(pairs[:, 0], pairs[:, 1], len(table)))


def _mean_iou(a: Tracklet, b: Tracklet) -> float:
    """Mean overlap of the boxes of two tracklets over the frames both have; 0 where they share none."""
    _, rows_a, rows_b = np.intersect1d(a.frames, b.frames, assume_unique=True, return_indices=True)
    if not len(rows_a):
        return 0.0
    return float(row_ious(a.boxes[rows_a], b.boxes[rows_b]).mean())


@dataclass(frozen=True, slots=True)
class MustLink:
    """Two rows that are one person, and who says so: "declared", "continues" or "group"."""

    a: int
    b: int
    reason: str


def must_links(table: TrackletTable, declared: Iterable[tuple[int, int]] = ()) -> list[MustLink]:
    """Declared pairs first, then cut tracklets and their continuations, then views of groups; each in order of rows.

    Group ids count where the site still has the group.
    """
    index = table.index()
    links = [MustLink(a, b, "declared") for a, b in sorted(declared)]
    first_of_group: dict[int, int] = {}
    groups = []
    for row, tracklet in enumerate(table.tracklets):
        before = index.get((tracklet.camera, tracklet.continues)) if tracklet.continues >= 0 else None
        if before is not None and before != row:
            links.append(MustLink(min(before, row), max(before, row), "continues"))
        person = int(table.person[row])
        if person >= 0:
            first = first_of_group.setdefault(person, row)
            if first != row:
                groups.append(MustLink(first, row, "group"))
    return links + groups


def join(
    links: Sequence[MustLink], exclusions: Exclusions
) -> tuple[list[list[int]], list[MustLink], list[tuple[MustLink, str]]]:
    """Rows that are one person for certain.

    What a person declared the same holds even against time; a continuation or group link that would bring together
    rows that exclude each other is dropped.

    Returns:
        Sets of rows (every row is in one), the links that hold, and those dropped with the reason.
    """
    owner = list(range(len(exclusions.table)))
    members = [[row] for row in owner]
    kept: list[MustLink] = []
    dropped: list[tuple[MustLink, str]] = []
    for link in links:
        a, b = owner[link.a], owner[link.b]
        if a != b:
            left, right = np.array(members[a]), np.array(members[b])
            reasons = exclusions.reasons(np.repeat(left, len(right)), np.tile(right, len(left)))
            against = reasons[reasons == DECLARED] if link.reason == "declared" else reasons[reasons != NONE]
            if len(against):
                dropped.append((link, REASONS[against.max()]))
                continue
            low, high = min(a, b), max(a, b)
            for row in members[high]:
                owner[row] = low
            members[low] = sorted(members[low] + members[high])
            members[high] = []
        kept.append(link)
    return [rows for rows in members if rows], kept, dropped
