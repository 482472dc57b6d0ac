"""Visits: who was in which camera from when to when. The one input every transition model is built from."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data.errors import UserError
from data.records import DoubleArray, IntArray
from st_model.counts import natural_order
from st_model.passages import Passages, passage

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Visits:
    """One row per stay of one person in one camera, sorted by (identity, enter_s, leave_s, camera).

    Attributes:
        cameras: C names in natural order.
        identities: (V,) int64.
        camera: (V,) int64 index into ``cameras``.
        enter_s: (V,) float64 seconds on a clock that all cameras share.
        leave_s: (V,) float64, >= enter_s.
        weights: (V,) float64, 0-1: how sure it is that the visit is this identity's.
        passages: V rows; NaN where only the times are known.
        gap_s: sightings up to this apart were joined into one visit, seconds; 0 where visits came as such.
    """

    cameras: tuple[str, ...]
    identities: IntArray
    camera: IntArray
    enter_s: DoubleArray
    leave_s: DoubleArray
    weights: DoubleArray
    passages: Passages
    gap_s: float = 0.0

    def __len__(self) -> int:
        return len(self.identities)


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """Boxes of N sightings.

    Attributes:
        corners: (N, 4) float64, x1 y1 x2 y2 px.
        sizes: (N, 2) width and height of the picture, px; 0 where unknown: places in it mean nothing then.
    """

    corners: DoubleArray
    sizes: DoubleArray

    def select(self, rows: NDArray[np.bool_]) -> "Boxes":
        """Keep some rows, given as a mask."""
        return Boxes(self.corners[rows], self.sizes[rows])

    def passages(self, times_s: DoubleArray, order: IntArray, starts: IntArray, ends: IntArray) -> Passages:
        """Passages of visits, each the sightings ``order[start]`` to ``order[end]``, in order of time."""
        found = []
        for start, end in zip(starts.tolist(), ends.tolist()):
            rows = order[start : end + 1]
            width, height = self.sizes[rows[0]].tolist()
            found.append(passage(times_s[rows], self.corners[rows], (int(width), int(height))))
        return Passages.of(found)


def make_visits(
    identities: ArrayLike,
    cameras: Sequence[str] | NDArray[np.str_],
    enter_s: ArrayLike,
    leave_s: ArrayLike,
    weights: ArrayLike | None = None,
    all_cameras: Sequence[str] = (),
    passages: Passages | None = None,
) -> Visits:
    """Check, clean and sort visits.

    Rows without a time (NaN) and repeated rows are dropped, with a warning that counts them.

    Args:
        identities: (V,) integers or strings.
        cameras: (V,) camera names.
        enter_s: (V,) seconds.
        leave_s: (V,) seconds.
        weights: (V,) 0-1; None is 1 everywhere.
        all_cameras: names of cameras that exist even if nobody visited them.
        passages: V rows; None where only the times are known.

    Raises:
        UserError: when columns differ in length, a visit ends before it begins, or a weight is outside 0-1.
    """
    who = np.asarray(identities)
    where = np.asarray(cameras, dtype=np.str_)
    enter, leave = np.asarray(enter_s, np.float64), np.asarray(leave_s, np.float64)
    weight = np.ones(len(enter)) if weights is None else np.asarray(weights, np.float64)
    lengths = {"identity": len(who), "camera": len(where), "enter_s": len(enter), "leave_s": len(leave)}
    if len({*lengths.values(), len(weight)}) > 1:
        raise UserError(f"the columns of a visit table must have one length, got {lengths}, weight {len(weight)}")
    ways = Passages.unknown(len(who)) if passages is None else passages
    timed = np.isfinite(enter) & np.isfinite(leave)
    if not timed.all():
        logger.warning("%d of %d visits have no time and are left out", int((~timed).sum()), len(timed))
        who, where, enter, leave, weight = who[timed], where[timed], enter[timed], leave[timed], weight[timed]
        ways = ways.select(timed)
    backwards = np.flatnonzero(leave < enter)
    if len(backwards):
        row = backwards[0]
        raise UserError(
            f"{len(backwards)} visits end before they begin, first identity {who[row]} in camera {where[row]}: "
            f"{enter[row]:g} s to {leave[row]:g} s; swap or correct the times"
        )
    if not ((weight >= 0) & (weight <= 1)).all():
        raise UserError("visit weights must lie between 0 and 1")
    names = natural_order([*where.tolist(), *all_cameras])
    numbers = {name: number for number, name in enumerate(names)}
    camera = np.array([numbers[name] for name in where.tolist()], np.int64)
    identity = np.unique(who, return_inverse=True)[1].astype(np.int64)
    order = np.lexsort((camera, leave, enter, identity))
    identity, camera = identity[order], camera[order]
    enter, leave, weight = enter[order], leave[order], weight[order]
    columns = np.stack([identity, camera, enter, leave])
    first = np.ones(len(identity), bool)
    first[1:] = (columns[:, 1:] != columns[:, :-1]).any(axis=0)
    if not first.all():
        logger.warning("%d repeated visits are left out", int((~first).sum()))
    kept = order[first]
    return Visits(names, identity[first], camera[first], enter[first], leave[first], weight[first], ways.select(kept))


def visits_from_rows(
    identities: ArrayLike,
    cameras: Sequence[str] | NDArray[np.str_],
    times_s: ArrayLike,
    gap_s: float,
    row_s: float = 0.0,
    all_cameras: Sequence[str] = (),
    boxes: Boxes | None = None,
) -> Visits:
    """Join single sightings into visits.

    Sightings of one person in one camera belong to one visit as long as neighbours are at most ``gap_s`` apart. Their
    order in the input does not matter. With boxes, a visit knows where it begins and ends, and its pace.

    Args:
        identities: (N,) integers or strings.
        cameras: (N,) camera names.
        times_s: (N,) seconds; NaN = unknown, left out with a warning.
        gap_s: longest gap inside a visit, seconds, >= 0.
        row_s: how long one sighting lasts (a frame), added to the end of each visit.
        all_cameras: names of cameras that exist even if nobody visited them.
        boxes: of the sightings; None where only the times are known.

    Raises:
        UserError: when columns differ in length, or a gap or the length of a sighting is negative.
    """
    if not (gap_s >= 0 and row_s >= 0):
        raise UserError(f"gap_s {gap_s} and row_s {row_s} are seconds, 0 or more")
    who, where, when = np.asarray(identities), np.asarray(cameras, dtype=np.str_), np.asarray(times_s, np.float64)
    if not len(who) == len(where) == len(when):
        raise UserError(f"columns differ in length: {len(who)} identities, {len(where)} cameras, {len(when)} times")
    known = [*np.unique(where).tolist(), *all_cameras]
    timed = np.isfinite(when)
    if not timed.all():
        logger.warning("%d of %d sightings have no time and are left out", int((~timed).sum()), len(timed))
        who, where, when = who[timed], where[timed], when[timed]
        boxes = None if boxes is None else boxes.select(timed)
    identity = np.unique(who, return_inverse=True)[1]
    camera = np.unique(where, return_inverse=True)[1]
    order = np.lexsort((when, camera, identity))
    new = np.ones(len(order), bool)
    new[1:] = (
        (np.diff(identity[order]) != 0) | (np.diff(camera[order]) != 0) | (np.diff(when[order]) > gap_s * (1 + 1e-9))
    )
    starts = np.flatnonzero(new)
    ends = np.append(starts[1:], len(order))[: len(starts)] - 1
    visits = make_visits(
        who[order[starts]],
        where[order[starts]],
        when[order[starts]],
        when[order[ends]] + row_s,
        all_cameras=known,
        passages=None if boxes is None else boxes.passages(when, order, starts, ends),
    )
    return replace(visits, gap_s=float(gap_s))
