"""What a cue is: one kind of evidence about pairs of tracklets, as a value.

A module that knows a kind of evidence offers a ``CueSource``. It may propose pairs, it measures the pairs that all
sources propose, and what it measured becomes a ``Cue``. Totals, links, calibration and the learning of transit times go
over cues and know none of them by name. A new kind of evidence is one module, its section of the configuration and one
line in ``registry``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from data.records import DoubleArray, IntArray
from data.site import Site
from pipeline.association.competition import Competition, Meeting
from pipeline.association.config import AssociateConfig
from pipeline.association.exclusions import Exclusions
from pipeline.association.table import TrackletTable
from st_model.model import TransitionModel

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class CueInput:
    """What every source may draw on.

    Attributes:
        table: the tracklets.
        exclusions: pairs that cannot be one person.
        config: settings of the associator.
        transition: when people go from camera to camera, or None.
        seed: for samples of large sets.
        site: cameras and their calibrations, or None: nothing is known of them.
    """

    table: TrackletTable
    exclusions: Exclusions
    config: AssociateConfig
    transition: TransitionModel | None = None
    seed: int = 0
    site: Site | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a cue's evidence about one pair rests on, for the report.

    Attributes:
        part_distances: distance per mutually visible part, by name.
        part_visibility: joint visibility per part, by name.
        saw: what the cue measured of the pair, in words; "" where the lag says it all.
    """

    part_distances: dict[str, float] = field(default_factory=dict)
    part_visibility: dict[str, float] = field(default_factory=dict)
    saw: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Cue:
    """What one kind of evidence says of E candidate pairs.

    Attributes:
        name: as the report prints it.
        llr: (E,) float64 natural-log likelihood ratio of "one person"; NaN = no evidence. The report prints it.
        evident: a group of pairs is judged by the mean of those this cue (or another such) speaks of.
        teaches: counts as evidence when transit times are learnt; false for what already rests on them.
        prior_odds: (E,) log prior odds where this cue settles them; NaN elsewhere. None settles none.
        one_visit: (E,) pairs that are pieces of one visit, if they are one person; None = none is.
        crowd: (N,) number of a set of tracklets so large that not all its pairs are candidates, else -1.
        meetings: how often people are seen again, as learnt with this cue, and the tracklets that rests on.
        of_pairs: says the same of any other pairs of rows a < b, (D,); None = it cannot be asked.
        explain: what the evidence of a pair, given by its row, rests on.
        facts: what was learnt, plain values by name, for the manifest.
        warnings: lines for the user.
    """

    name: str
    llr: DoubleArray
    evident: bool = False
    teaches: bool = True
    prior_odds: DoubleArray | None = None
    one_visit: Bools | None = None
    crowd: IntArray | None = None
    meetings: tuple[tuple[Meeting, int], ...] = ()
    of_pairs: Callable[[IntArray, IntArray], DoubleArray] | None = None
    explain: Callable[[int], Explanation] | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def speaks(self) -> Bools:
        """Whether there is evidence about each pair, (E,)."""
        found: Bools = ~np.isnan(self.llr)
        return found

    def select(self, rows: Bools) -> "Cue":
        """The same about some of the pairs; only for cues that are measured at once."""
        return replace(
            self,
            llr=self.llr[rows],
            prior_odds=None if self.prior_odds is None else self.prior_odds[rows],
            one_visit=None if self.one_visit is None else self.one_visit[rows],
        )


class Uncalibrated(Protocol):
    """Measurements of E pairs that become evidence once the other cues and the competition are known."""

    @property
    def speaks(self) -> Bools:
        """Whether there will be evidence about each pair, (E,)."""

    def select(self, rows: Bools) -> "Uncalibrated":
        """The same about some of the pairs."""

    def calibrate(self, others: Sequence[Cue], competition: Competition) -> Cue:
        """Learn from this site what the measurements mean."""


class CueSource(Protocol):
    """One kind of evidence, ready for these tracklets."""

    def propose(self) -> tuple[IntArray, IntArray]:
        """Pairs of rows worth looking at, in any order; may be none."""

    def measure(self, a: IntArray, b: IntArray) -> Cue | Uncalibrated:
        """What is known of each pair of rows, a < b."""


SourceBuilder = Callable[[CueInput], CueSource | None]
"""Prepares a source; None where it has nothing to say about these tracklets."""


@dataclass(frozen=True, slots=True, eq=False)
class CandidatePairs:
    """E pairs of rows that nothing excludes and of which some cue speaks, a < b, sorted.

    Attributes:
        a: (E,) row of the table.
        b: (E,) row of the table.
    """

    a: IntArray
    b: IntArray

    def __len__(self) -> int:
        return len(self.a)


DerivedCue = Callable[[CueInput, CandidatePairs, Sequence[Cue], DoubleArray], Cue | None]
"""A cue that follows from the others: of the pairs, the cues so far and their total; None where it is not used."""


def added(cues: Sequence[Cue], count: int) -> DoubleArray:
    """Sum of the log-likelihood ratios of each pair, no evidence counting nothing, (count,)."""
    total = np.zeros(count)
    for cue in cues:
        total += np.nan_to_num(cue.llr)
    return total
