"""Visits of a finished run in numbers: how many people, not tracks, were where, and when."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data.dates import date_of
from data.errors import UserError
from data.records import DoubleArray, GlobalTrack, IntArray

_MOST_BINS = 100_000


@dataclass(frozen=True, slots=True)
class Visits:
    """All visits of a run, by start time.

    Attributes:
        cameras: names.
        person: (V,) global id.
        camera: (V,) number of the camera.
        local_id: (V,) id of the tracklet in its camera.
        start_s: (V,) on the common clock where there is one, else on the camera's own, seconds.
        end_s: (V,) likewise.
    """

    cameras: tuple[str, ...]
    person: IntArray
    camera: IntArray
    local_id: IntArray
    start_s: DoubleArray
    end_s: DoubleArray

    def __len__(self) -> int:
        return len(self.person)


@dataclass(frozen=True, slots=True)
class Presence:
    """How many different people were seen in stretches of time.

    Attributes:
        start_s: (B,) start of each stretch, seconds.
        by_camera: (B, C) people in each camera.
        in_all: (B,) people over all cameras; somebody in two cameras counts once.
    """

    start_s: DoubleArray
    by_camera: IntArray
    in_all: IntArray


def visits_of(people: Sequence[GlobalTrack], cameras: Sequence[str]) -> Visits:
    """Visits of identities.

    Args:
        people: identities of a run.
        cameras: all cameras of the run, those that saw nobody too.

    Raises:
        UserError: for a visit to a camera that is none of them.
    """
    number = {camera: index for index, camera in enumerate(cameras)}
    strange = sorted({visit.camera for person in people for visit in person.visits} - number.keys())
    if strange:
        raise UserError(f"camera '{strange[0]}' has visits and is no input of the run; run tools.associate again")
    rows = sorted(
        (visit.start_s, number[visit.camera], visit.local_id, visit.end_s, person.global_id)
        for person in people
        for visit in person.visits
    )
    table = np.array(rows, np.float64).reshape(-1, 5)
    whole = np.array([(row[4], row[1], row[2]) for row in rows], np.int64).reshape(-1, 3)
    return Visits(tuple(cameras), whole[:, 0], whole[:, 1], whole[:, 2], table[:, 0], table[:, 3])


def presence(visits: Visits, every_s: float) -> Presence:
    """Count people in stretches of equal length, which begin at whole multiples of it.

    Args:
        visits: of a run.
        every_s: length of a stretch, seconds.

    Raises:
        UserError: for a length that is not above 0, or makes more stretches than a table can be of use with.
    """
    if not 0 < every_s < np.inf:
        raise UserError(f"--every must be a number of seconds above 0, not {every_s:g}")
    first = np.floor(visits.start_s / every_s)
    last = np.floor(visits.end_s / every_s)
    if not len(visits):
        none = np.zeros((0, len(visits.cameras)), np.int64)
        return Presence(np.zeros(0), none, none.sum(axis=1))
    begin, count = first.min(), last.max() - first.min() + 1
    if count > _MOST_BINS:
        raise UserError(f"--every {every_s:g} makes {count:.0f} stretches of time; choose a longer one")
    lengths = (last - first + 1).astype(np.int64)
    number = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    number += np.repeat((first - begin).astype(np.int64), lengths)
    seen = np.unique(np.stack([number, np.repeat(visits.camera, lengths), np.repeat(visits.person, lengths)]), axis=1)
    by_camera = np.zeros((int(count), len(visits.cameras)), np.int64)
    np.add.at(by_camera, (seen[0], seen[1]), 1)
    in_all = np.bincount(np.unique(seen[[0, 2]], axis=1)[0], minlength=int(count))
    return Presence((begin + np.arange(int(count))) * every_s, by_camera, in_all)


def visits_csv(visits: Visits) -> str:
    """One row a visit; times in seconds, and as a date where they count from 1970."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("global_id", "camera", "local_id", "start_s", "end_s", "start_utc"))
    for row in range(len(visits)):
        start_s, end_s = float(visits.start_s[row]), float(visits.end_s[row])
        camera = visits.cameras[visits.camera[row]]
        who = (visits.person[row], camera, visits.local_id[row])
        table.writerow((*who, f"{start_s:.3f}", f"{end_s:.3f}", date_text(start_s)))
    return text.getvalue()


def date_text(seconds: float) -> str:
    """ISO 8601 of a Unix time, UTC; empty for a time that counts from something else."""
    date = date_of(seconds)
    return "" if date is None else date.isoformat(timespec="milliseconds")
