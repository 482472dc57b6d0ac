"""Which pairs are looked at, and what is known of each before calibration."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.records import DoubleArray, IntArray
from pipeline.association import appearance
from pipeline.association.appearance import Looks, PairLooks
from pipeline.association.config import AssociateConfig
from pipeline.association.exclusions import Exclusions, pair_codes
from pipeline.association.motion import Fragments, find_fragments
from pipeline.association.space_time import SpaceTime
from pipeline.association.table import TrackletTable

_LIKELY_LAGS = 16


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """E pairs that nothing excludes and of which some cue speaks, a < b, sorted.

    Attributes:
        a: (E,) row of the table.
        b: (E,) row of the table.
        motion: (E,) log-likelihood ratio of straight motion; NaN = no fragments of one track.
        fragment_prior: (E,) log prior odds of such pairs; NaN elsewhere.
        space_time: (E,) log-likelihood ratio of the lag; NaN where it means nothing or motion speaks.
        families: the tracklets each model described.
        family: (E,) which of them compared the pair, -1 = none.
        place: (E,) row of the pair in that family's ``compared``.
        compared: per family, distances of its pairs.
    """

    a: IntArray
    b: IntArray
    motion: DoubleArray
    fragment_prior: DoubleArray
    space_time: DoubleArray
    families: tuple[Looks, ...]
    family: IntArray
    place: IntArray
    compared: tuple[PairLooks, ...]

    def __len__(self) -> int:
        return len(self.a)

    @property
    def distance(self) -> DoubleArray:
        """(E,) appearance distance; NaN = no evidence."""
        return self._spread([pair.distance for pair in self.compared], np.nan)

    @property
    def visibility(self) -> DoubleArray:
        """(E,) joint visibility; 0 without appearance."""
        return self._spread([pair.visibility for pair in self.compared], 0.0)

    def _spread(self, columns: "list[NDArray[np.float32]]", otherwise: float) -> DoubleArray:
        result = np.full(len(self), otherwise)
        for number, column in enumerate(columns):
            result[self.family == number] = column
        return result


def find_candidates(
    table: TrackletTable, exclusions: Exclusions, lags: SpaceTime | None, config: AssociateConfig
) -> Candidates:
    """Nearest by appearance, likeliest by lag, and all fragments with a short gap; their distances and motion."""
    families = tuple(appearance.gather_looks(table, config.appearance))
    fragments = find_fragments(table, config.motion)
    total = len(table)
    codes = [pair_codes(fragments.a, fragments.b, total)]
    if lags is not None:
        codes.append(pair_codes(*lags.likely(_LIKELY_LAGS), total))
    for looks in families:
        near_a, near_b = appearance.nearest_pairs(looks, config.appearance.candidates)
        codes.append(pair_codes(looks.rows[near_a], looks.rows[near_b], total))
    every = np.unique(np.concatenate(codes))
    a, b = every // max(total, 1), every % max(total, 1)
    free = exclusions.reasons(a, b) == 0
    a, b = a[free], b[free]
    motion, fragment_prior = _of_pairs(fragments, a, b, total)
    space_time = np.full(len(a), np.nan)
    if lags is not None:
        space_time = lags.llr(*table.earlier_first(a, b))
    owner, place_of = np.full(total, -1), np.zeros(total, np.int64)
    for number, looks in enumerate(families):
        owner[looks.rows], place_of[looks.rows] = number, np.arange(len(looks))
    family = np.where(owner[a] == owner[b], owner[a], -1)
    known, compared = ~np.isnan(motion) | ~np.isnan(space_time), []
    for number, looks in enumerate(families):
        mine = np.flatnonzero(family == number)
        pairs = appearance.compare(looks, place_of[a[mine]], place_of[b[mine]], config.appearance.best_share)
        known[mine] |= ~np.isnan(pairs.distance)
        compared.append(pairs.select(known[mine]))
    # Where no cue speaks, the prior alone must not make two tracklets one person.
    a, b, family = a[known], b[known], family[known]
    place = np.zeros(len(a), np.int64)
    for number in range(len(families)):
        place[family == number] = np.arange((family == number).sum())
    return Candidates(
        a, b, motion[known], fragment_prior[known], space_time[known], families, family, place, tuple(compared)
    )


def _of_pairs(fragments: Fragments, a: IntArray, b: IntArray, total: int) -> tuple[DoubleArray, DoubleArray]:
    """Motion and prior of the sorted pairs; NaN where a pair is no fragment."""
    motion, prior = np.full(len(a), np.nan), np.full(len(a), np.nan)
    codes, wanted = pair_codes(a, b, total), pair_codes(fragments.a, fragments.b, total)
    place = np.searchsorted(codes, wanted)
    inside = np.flatnonzero(place < len(codes))
    inside = inside[codes[place[inside]] == wanted[inside]]
    motion[place[inside]], prior[place[inside]] = fragments.llr[inside], fragments.prior[inside]
    return motion, prior
