"""Cross-camera association: from tracklets to identities with evidence (DESIGN.md section 5).

Needs tracklets only, no video and no GPU.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from data.records import GlobalTrack, Link, Tracklet
from data.site import Site
from pipeline.association.absence import split_absences
from pipeline.association.clustering import cluster
from pipeline.association.config import AssociateConfig
from pipeline.association.corrections import Correction, resolve
from pipeline.association.evidence import confidences, global_tracks, make_links
from pipeline.association.exclusions import MustLink, build_exclusions, join, must_links
from pipeline.association.inherit import inherit_ids
from pipeline.association.scoring import score_pairs
from pipeline.association.space_time import space_time
from pipeline.association.table import TrackletTable, build_table
from st_model.model import TransitionModel


@dataclass(frozen=True, slots=True)
class Association:
    """Who is who.

    Attributes:
        global_tracks: every tracklet is a visit of exactly one, by global id.
        links: evidence: the links that hold identities together and the best candidates of every tracklet.
        labels: global id of each (camera, local_id).
        calibration: what the associator learnt of this site, plain values; empty without appearance.
        warnings: lines for the user.
    """

    global_tracks: tuple[GlobalTrack, ...]
    links: tuple[Link, ...]
    labels: dict[tuple[str, int], int]
    calibration: dict[str, Any]
    warnings: list[str]


def associate(
    tracklets: Sequence[Tracklet],
    site: Site,
    config: AssociateConfig,
    *,
    transition: TransitionModel | None = None,
    previous: Sequence[GlobalTrack] | None = None,
    corrections: Sequence[Correction] = (),
    seed: int = 0,
) -> Association:
    """Decide which tracklets are one person.

    The result does not depend on the order of the tracklets.

    Args:
        tracklets: closed tracklets of all cameras.
        site: clocks and overlap of the cameras.
        config: settings.
        transition: when people go from camera to camera, or None: then time only excludes.
        previous: an earlier association of the same run, whose global ids are taken over.
        corrections: pairs a person declared the same or different.
        seed: of the sample that calibration draws from large sets.

    Raises:
        UserError: when two tracklets have one (camera, local_id), or one has no rows.
    """
    table = build_table(tracklets, site)
    declared = resolve(corrections, table, config.corrections)
    exclusions = build_exclusions(table, config.constraints, declared.different)
    atoms, certain, dropped = join(must_links(table, declared.same), exclusions)
    warnings = [*declared.warnings, *(_dropped_line(table, link, reason) for link, reason in dropped)]
    lags = None
    if transition is not None:
        lags = space_time(table, transition, config.space_time_bound, config.motion.max_gap_s)
    scores = score_pairs(table, exclusions, lags, config, seed)
    warnings.extend(scores.warnings)
    labels = cluster(
        atoms,
        scores,
        exclusions,
        lags,
        same_probability=config.same_probability,
        support=config.support,
        sweeps=config.sweeps,
    )
    labels = split_absences(table, labels, config.forget_after_s)
    ids = inherit_ids(table, labels, previous)
    return Association(
        global_tracks=tuple(global_tracks(table, labels, ids, confidences(scores, labels, certain))),
        links=tuple(make_links(table, scores, labels, exclusions, certain, config)),
        labels={key: ids[name] for key, name in zip(table.keys, labels.tolist())},
        calibration=scores.calibration,
        warnings=warnings,
    )


def _dropped_line(table: TrackletTable, link: MustLink, reason: str) -> str:
    a, b = table.tracklets[link.a], table.tracklets[link.b]
    return (
        f"{a.camera} {a.local_id} and {b.camera} {b.local_id} stay apart although they are linked ({link.reason}): "
        f"tracklets they would bring together are {reason}"
    )
