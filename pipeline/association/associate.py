"""Cross-camera association: from tracklets to identities with evidence.

Needs tracklets only, no video and no GPU.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from data.records import GlobalTrack, Link, Tracklet
from data.site import Site
from pipeline.association.absence import split_absences
from pipeline.association.config import AssociateConfig
from pipeline.association.corrections import Correction
from pipeline.association.cue import SourceBuilder
from pipeline.association.evidence import confidences, global_tracks, make_links
from pipeline.association.expectation import NOTHING, Expectation, expect
from pipeline.association.inherit import inherit_ids
from pipeline.association.judgement import judge
from pipeline.association.registry import SOURCES
from pipeline.association.table import TrackletTable, build_table
from pipeline.association.transitions import NO_TRANSITIONS, Transitions, find_transitions
from pipeline.association.worth import FACE_VALUE, Worth
from st_model.config import SpaceTimeConfig
from st_model.model import TransitionModel


@dataclass(frozen=True, slots=True)
class Association:
    """Who is who.

    Attributes:
        global_tracks: every tracklet is a visit of exactly one, by global id.
        links: evidence: the links that hold identities together and the best candidates of every tracklet.
        teaching: log odds of each link by the cues that may teach transit times.
        labels: global id of each (camera, local_id).
        calibration: what the associator learnt of this site, plain values; empty without appearance.
        worth: what the sum of the cues is worth here.
        warnings: lines for the user.
        expectation: how far its links over cameras are right, by their own probabilities.
        transitions: transit times that were used, and how they were come by.
    """

    global_tracks: tuple[GlobalTrack, ...]
    links: tuple[Link, ...]
    teaching: tuple[float, ...]
    labels: dict[tuple[str, int], int]
    calibration: dict[str, Any]
    warnings: list[str]
    worth: Worth = FACE_VALUE
    expectation: Expectation = NOTHING
    transitions: Transitions = NO_TRANSITIONS


def associate(
    tracklets: Sequence[Tracklet],
    site: Site,
    config: AssociateConfig,
    *,
    transition: TransitionModel | None = None,
    transit: SpaceTimeConfig | None = None,
    given: TransitionModel | None = None,
    previous: Sequence[GlobalTrack] | None = None,
    corrections: Sequence[Correction] = (),
    seed: int = 0,
    cues: Sequence[SourceBuilder] = SOURCES,
) -> Association:
    """Decide which tracklets are one person.

    The result does not depend on the order of the tracklets.

    Args:
        tracklets: closed tracklets of all cameras.
        site: clocks and overlap of the cameras.
        config: settings.
        transition: when people go from camera to camera, or None: then time only excludes.
        transit: how to come by such a model, if need be from these tracklets themselves; None takes ``transition``.
        given: in place of the file that ``transit`` names.
        previous: an earlier association of the same run, whose global ids are taken over.
        corrections: pairs a person declared the same or different.
        seed: of the sample that calibration draws from large sets.
        cues: the kinds of evidence.

    Raises:
        UserError: when two tracklets have one (camera, local_id), or one has no rows; when ``transit`` names a model
            that cannot be read.
        ValueError: when both ``transition`` and ``transit`` are given.
    """
    table = build_table(tracklets, site)

    def under(model: TransitionModel | None, valued: bool = True) -> Association:
        return _associate_under(model, table, site, config, previous, corrections, seed, cues, valued)

    def teacher(model: TransitionModel | None) -> Association:
        # Transit times are learnt from what forms groups.
        return under(model, valued=False)

    if transit is None:
        return under(transition)
    if transition is not None:
        raise ValueError("give transition or transit, not both")
    found = find_transitions(tracklets, site, transit, teacher, config, given)
    result = under(found.model)
    return replace(result, transitions=found, warnings=[*found.warnings, *result.warnings])


def _associate_under(
    transition: TransitionModel | None,
    table: TrackletTable,
    site: Site,
    config: AssociateConfig,
    previous: Sequence[GlobalTrack] | None,
    corrections: Sequence[Correction],
    seed: int,
    cues: Sequence[SourceBuilder],
    valued: bool,
) -> Association:
    found = judge(
        table, site, config, transition=transition, corrections=corrections, seed=seed, cues=cues, valued=valued
    )
    scores, certain = found.scores, found.certain
    labels = split_absences(table, found.decide(), config.forget_after_s)
    ids = inherit_ids(table, labels, previous)
    links, teaching = make_links(table, scores, labels, found.exclusions, certain, config)
    return Association(
        global_tracks=tuple(global_tracks(table, labels, ids, confidences(scores, labels, certain))),
        links=tuple(links),
        teaching=tuple(teaching.tolist()),
        labels={key: ids[name] for key, name in zip(table.keys, labels.tolist())},
        calibration=scores.calibration,
        warnings=found.warnings,
        worth=scores.worth,
        expectation=expect(table, scores, labels, certain),
    )
