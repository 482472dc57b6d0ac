"""What is known of all pairs before anybody is joined: constraints, must-links, evidence.

Association decides by it; ``pipeline.review`` looks at it afterwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from data.records import IntArray
from data.site import Site
from pipeline.association.clustering import cluster
from pipeline.association.config import AssociateConfig
from pipeline.association.corrections import Correction, Resolved, resolve
from pipeline.association.cue import CueInput, SourceBuilder
from pipeline.association.exclusions import Exclusions, MustLink, build_exclusions, join, must_links
from pipeline.association.registry import SOURCES
from pipeline.association.scoring import Scores, score_pairs
from pipeline.association.table import TrackletTable
from st_model.model import TransitionModel


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """The case of one set of tracklets.

    Attributes:
        table: the tracklets.
        config: settings.
        declared: what a person declared, as rows.
        exclusions: pairs that cannot be one person.
        atoms: rows that are one person for certain; every row is in one.
        certain: must-links that hold.
        dropped: those that do not, with the reason.
        scores: evidence about candidate pairs.
    """

    table: TrackletTable
    config: AssociateConfig
    declared: Resolved
    exclusions: Exclusions
    atoms: list[list[int]]
    certain: list[MustLink]
    dropped: list[tuple[MustLink, str]]
    scores: Scores

    @property
    def warnings(self) -> list[str]:
        """Lines for the user."""
        lines = [_dropped_line(self.table, link, reason) for link, reason in self.dropped]
        return [*self.declared.warnings, *lines, *self.scores.warnings]

    def decide(self) -> IntArray:
        """Identity of each row, (N,), numbered from 0 by the lowest row of each."""
        config = self.config
        return cluster(
            self.atoms,
            self.scores,
            self.exclusions,
            same_probability=config.same_probability,
            sweeps=config.sweeps,
        )


def judge(
    table: TrackletTable,
    site: Site,
    config: AssociateConfig,
    *,
    transition: TransitionModel | None = None,
    corrections: Sequence[Correction] = (),
    seed: int = 0,
    cues: Sequence[SourceBuilder] = SOURCES,
    valued: bool = True,
) -> Judgement:
    """Collect constraints and evidence.

    Args:
        table: the tracklets.
        site: cameras, clocks, overlap.
        config: settings.
        transition: when people go from camera to camera, or None.
        corrections: pairs a person declared the same or different.
        seed: of the sample that calibration draws from large sets.
        cues: the kinds of evidence.
        valued: learn what the sum of the cues is worth; else it is taken at face value.
    """
    declared = resolve(corrections, table, config.corrections)
    exclusions = build_exclusions(table, config.constraints, declared.different)
    atoms, certain, dropped = join(must_links(table, declared.same), exclusions)
    scores = score_pairs(CueInput(table, exclusions, config, transition, seed, site), cues, valued=valued)
    return Judgement(table, config, declared, exclusions, atoms, certain, dropped, scores)


def _dropped_line(table: TrackletTable, link: MustLink, reason: str) -> str:
    a, b = table.tracklets[link.a], table.tracklets[link.b]
    return (
        f"{a.camera} {a.local_id} and {b.camera} {b.local_id} stay apart although they are linked ({link.reason}): "
        f"tracklets they would bring together are {reason}"
    )
