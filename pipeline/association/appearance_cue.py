"""Appearance as a cue: which tracklets are near one another, and what their distance means on this site."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.records import DoubleArray, IntArray
from pipeline.association import appearance
from pipeline.association.appearance import Family, PairDistances, gather_families, nearest_pairs
from pipeline.association.calibration import Calibration, CalibrationSample, Fit, fit, prior_for
from pipeline.association.competition import Competition, Meeting
from pipeline.association.cue import Bools, Cue, CueInput, Explanation, added

NAME = "appearance"

_NEGATIVE_NEIGHBOURS = 16
_MOST_NEGATIVES = 20000
_UNLABELLED_PAIRS = 4000


@dataclass(frozen=True, slots=True, eq=False)
class AppearanceSource:
    """Families of tracklets that were described by one model each.

    Attributes:
        given: what sources may draw on.
        families: the tracklets each model described.
    """

    given: CueInput
    families: tuple[Family, ...]

    def propose(self) -> tuple[IntArray, IntArray]:
        """Each tracklet with the nearest of its family."""
        found_a, found_b = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for family in self.families:
            a, b = nearest_pairs(family, self.given.config.appearance.candidates)
            found_a.append(family.rows[a])
            found_b.append(family.rows[b])
        return np.concatenate(found_a), np.concatenate(found_b)

    def measure(self, a: IntArray, b: IntArray) -> "Distances":
        """Distances of the pairs within a family."""
        owner, place_of = np.full(len(self.given.table), -1), np.zeros(len(self.given.table), np.int64)
        for number, family in enumerate(self.families):
            owner[family.rows], place_of[family.rows] = number, np.arange(len(family))
        number_of = np.where(owner[a] == owner[b], owner[a], -1)
        compared = []
        for number, family in enumerate(self.families):
            mine = np.flatnonzero(number_of == number)
            share = self.given.config.appearance.best_share
            compared.append(appearance.compare(family, place_of[a[mine]], place_of[b[mine]], share))
        return Distances(self.given, self.families, number_of, tuple(compared))


@dataclass(frozen=True, slots=True, eq=False)
class Distances:
    """Appearance distances of E pairs.

    Attributes:
        given: what sources may draw on.
        families: the tracklets each model described.
        family: (E,) which of them compared the pair, -1 = none.
        compared: per family, distances of its pairs, in their order.
    """

    given: CueInput
    families: tuple[Family, ...]
    family: IntArray
    compared: tuple[PairDistances, ...]

    @property
    def distance(self) -> DoubleArray:
        """(E,) distance; NaN = no evidence."""
        result = np.full(len(self.family), np.nan)
        for number, pairs in enumerate(self.compared):
            result[self.family == number] = pairs.distance
        return result

    @property
    def speaks(self) -> Bools:
        """Whether any part was seen in both of each pair, (E,)."""
        found: Bools = ~np.isnan(self.distance)
        return found

    def select(self, rows: Bools) -> "Distances":
        """The same of some pairs."""
        compared = [pairs.select(rows[self.family == number]) for number, pairs in enumerate(self.compared)]
        return replace(self, family=self.family[rows], compared=tuple(compared))

    def calibrate(self, others: Sequence[Cue], competition: Competition) -> Cue:
        """Learn per family what distances mean on this site."""
        settings, count = self.given.config.appearance, len(self.family)
        evidence = added(others, count)
        one_visit = np.zeros(count, bool)
        for cue in others:
            if cue.one_visit is not None:
                one_visit |= cue.one_visit
        llr, facts = np.full(count, np.nan), {}
        warnings = list(_warnings(self.families))
        meetings: list[tuple[Meeting, int]] = []
        calibrations: list[Calibration] = []
        for number, family in enumerate(self.families):
            mine = np.flatnonzero(self.family == number)
            pairs = self.compared[number]
            sample = _sample(self.given, family, pairs, evidence[mine], ~one_visit[mine], competition.of(mine))
            found = fit(sample, prior_for(family.model_id, settings), settings)
            learnt, meeting = found.calibration, found.meeting
            calibrations.append(learnt)
            measured = ~np.isnan(sample.distance)
            llr[mine] = np.where(measured, learnt.llr(sample.distance, sample.visibility), np.nan)
            meetings.append((meeting, len(family)))
            facts[family.model_id] = _facts(found, sample)
            if not found.learnt:
                warnings.append(_uncalibrated(family, found))
        return Cue(
            name=NAME,
            llr=llr,
            evident=True,
            crowd=self._crowd(),
            meetings=tuple(meetings),
            of_pairs=self._ratios(calibrations),
            explain=self._explanations(calibrations),
            facts=facts,
            warnings=tuple(warnings),
        )

    def _crowd(self) -> IntArray:
        crowd = np.full(len(self.given.table), -1)
        for number, family in enumerate(self.families):
            if len(family) - 1 > self.given.config.appearance.candidates:
                crowd[family.rows] = number
        return crowd

    def _ratios(self, calibrations: Sequence[Calibration]) -> Callable[[IntArray, IntArray], DoubleArray]:
        source = AppearanceSource(self.given, self.families)

        def of_pairs(a: IntArray, b: IntArray) -> DoubleArray:
            found = source.measure(a, b)
            llr = np.full(len(a), np.nan)
            for number, learnt in enumerate(calibrations):
                pairs, mine = found.compared[number], np.flatnonzero(found.family == number)
                measured = ~np.isnan(pairs.distance)
                llr[mine[measured]] = learnt.llr(pairs.distance[measured], pairs.visibility[measured])
            return llr

        return of_pairs

    def _explanations(self, calibrations: Sequence[Calibration]) -> Callable[[int], Explanation]:
        place_of = np.zeros(len(self.family), np.int64)
        for number in range(len(self.families)):
            place_of[self.family == number] = np.arange((self.family == number).sum())

        def explain(row: int) -> Explanation:
            number, place = int(self.family[row]), int(place_of[row])
            if number < 0:
                return Explanation()
            pairs, names = self.compared[number], self.families[number].part_names
            seen = [part for part in range(len(names)) if not np.isnan(pairs.parts[place, part])]
            return Explanation(
                {names[part]: float(pairs.parts[place, part]) for part in seen},
                {names[part]: float(pairs.part_weights[place, part]) for part in seen},
                _seen(float(pairs.distance[place]), float(pairs.visibility[place]), calibrations[number]),
            )

        return explain


def appearance_source(given: CueInput) -> AppearanceSource | None:
    """Put the tracklets' embeddings together; None where no tracklet has any."""
    families = tuple(gather_families(given.table, given.config.appearance))
    return AppearanceSource(given, families) if families else None


def _sample(
    given: CueInput,
    family: Family,
    compared: PairDistances,
    evidence: DoubleArray,
    between_visits: NDArray[np.bool_],
    competition: Competition,
) -> CalibrationSample:
    """What the site offers to learn one model's distances from."""
    settings, exclusions = given.config.appearance, given.exclusions
    place = np.full(len(given.table), -1)
    place[family.rows] = np.arange(len(family))
    apart_a, apart_b = exclusions.seen_together(_NEGATIVE_NEIGHBOURS)
    both = (place[apart_a] >= 0) & (place[apart_b] >= 0)
    apart_a, apart_b = place[apart_a[both]], place[apart_b[both]]
    every = np.linspace(0, len(apart_a) - 1, min(len(apart_a), _MOST_NEGATIVES)).astype(np.int64)
    negatives = appearance.compare(family, apart_a[every], apart_b[every], settings.best_share).distance
    unlabelled = None
    if len(family) - 1 > settings.candidates:
        drawn = np.random.default_rng(given.seed).integers(0, len(family), (2, _UNLABELLED_PAIRS))
        rows = family.rows[drawn]
        free = (drawn[0] != drawn[1]) & (exclusions.reasons(rows[0], rows[1]) == 0)
        distance = appearance.compare(family, drawn[0][free], drawn[1][free], settings.best_share).distance
        unlabelled = distance[~np.isnan(distance)].astype(np.float64)
    return CalibrationSample(
        distance=compared.distance.astype(np.float64),
        visibility=compared.visibility.astype(np.float64),
        evidence=evidence,
        between_visits=between_visits,
        competition=competition,
        negatives=negatives[~np.isnan(negatives)].astype(np.float64),
        unlabelled=unlabelled,
        all_pairs=len(family) * (len(family) - 1) // 2,
        tracklets=len(family),
        halves=appearance.halves(family, given.table, settings.half_gap_s, settings.best_share).astype(np.float64),
        share_removed=family.share_removed,
    )


def _facts(found: Fit, sample: CalibrationSample) -> dict[str, Any]:
    return {
        **found.calibration.summary(),
        "match": round(found.meeting.match, 4),
        "comes_back": round(found.meeting.comes_back, 4),
        "calibrated": found.learnt,
        "pairs": int((~np.isnan(sample.distance)).sum()),
        "certain_negatives": len(sample.negatives),
        "halves": len(sample.halves),
        "camera_mean_removed": round(sample.share_removed, 4),
    }


def _seen(distance: float, visibility: float, learnt: Calibration) -> str:
    same, different = learnt.same, learnt.different
    return (
        f"distance {distance:.3f} at a joint visibility of {visibility:.2f}; "
        f"one person {same.mean:.3f} ± {same.std:.3f}, two people {different.mean:.3f} ± {different.std:.3f}"
    )


def _uncalibrated(family: Family, found: Fit) -> str:
    return (
        f"appearance ({family.model_id}) could not be calibrated on this site: among {len(family)} tracklets only "
        f"{found.recognised:.1f} pairs stand out as one person; what was expected beforehand is used: look at its "
        "links with care"
    )


def _warnings(families: tuple[Family, ...]) -> tuple[str, ...]:
    if len(families) < 2:
        return ()
    names = ", ".join(f"{family.model_id} ({len(family)} tracklets)" for family in families)
    return (
        f"tracklets were described by different models, whose appearance cannot be compared: {names}; "
        "run all cameras with one reid model",
    )
