"""Cuts of tracklets that passed from one person to another, and the pieces they leave."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from data.records import Tracklet

_ALONG = ("times_s", "frames", "boxes", "scores", "keypoints", "world_xy", "world_cov", "world_height")


@dataclass(frozen=True, slots=True)
class Split:
    """One cut of a tracklet.

    Attributes:
        camera: of the tracklet.
        local_id: of the tracklet that was cut.
        new_id: local id of the piece that begins here.
        row: first row of the new piece, in the tracklet as it was tracked.
        time_s: of that row, source seconds.
        llr: natural-log likelihood ratio of "somebody took over".
        probability: of the same, with the share of crossings that go wrong in this run.
        taken_from: local id of the tracklet whose person took over, as far as looks tell, or -1.
    """

    camera: str
    local_id: int
    new_id: int
    row: int
    time_s: float
    llr: float
    probability: float
    taken_from: int


@dataclass(frozen=True, slots=True)
class Span:
    """The part of a tracklet that a piece is.

    Attributes:
        local_id: of the tracklet as it was tracked.
        start_s: first instant, source seconds.
        end_s: first instant that is not the piece's any more.
    """

    local_id: int
    start_s: float
    end_s: float


def apply_splits(tracklets: Sequence[Tracklet], splits: Iterable[Split]) -> list[Tracklet]:
    """Cut tracklets; a tracklet that continued a cut one goes on from that one's last piece.

    Args:
        tracklets: as tracked.
        splits: cuts; those of tracklets that are not given, or that are stored as pieces already, are passed over.

    Returns:
        Pieces and untouched tracklets, by camera and local id.
    """
    cuts = _by_tracklet(splits)
    last = {key: found[-1].new_id for key, found in cuts.items()}
    pieces: list[Tracklet] = []
    for tracklet in tracklets:
        before = last.get((tracklet.camera, tracklet.continues), tracklet.continues)
        whole = tracklet if before == tracklet.continues else replace(tracklet, continues=before)
        found = [split for split in cuts.get(tracklet.key, []) if split.row < len(tracklet)]
        edges = [0, *(split.row for split in found), len(tracklet)]
        names = [tracklet.local_id, *(split.new_id for split in found)]
        pieces.extend(_piece(whole, *where) for where in zip(edges, edges[1:], names))
    return sorted(pieces, key=lambda item: item.key)


def piece_spans(splits: Iterable[Split]) -> dict[tuple[str, int], Span]:
    """For each piece of a cut tracklet, by (camera, local_id): which part of which tracklet it is."""
    spans: dict[tuple[str, int], Span] = {}
    for (camera, local_id), found in _by_tracklet(splits).items():
        edges = [-np.inf, *(split.time_s for split in found), np.inf]
        names = [local_id, *(split.new_id for split in found)]
        for start_s, end_s, name in zip(edges, edges[1:], names):
            spans[camera, name] = Span(local_id, start_s, end_s)
    return spans


def _by_tracklet(splits: Iterable[Split]) -> dict[tuple[str, int], list[Split]]:
    cuts: dict[tuple[str, int], list[Split]] = {}
    for split in sorted(splits, key=lambda item: (item.camera, item.local_id, item.row)):
        cuts.setdefault((split.camera, split.local_id), []).append(split)
    return cuts


def _piece(tracklet: Tracklet, start: int, end: int, name: int) -> Tracklet:
    if end - start == len(tracklet):
        return tracklet
    columns = {column: getattr(tracklet, column) for column in _ALONG}
    along: dict[str, Any] = {
        column: None if values is None else values[start:end] for column, values in columns.items()
    }
    kept = (tracklet.prototype_rows >= start) & (tracklet.prototype_rows < end)
    return replace(
        tracklet,
        local_id=name,
        continues=tracklet.continues if start == 0 else -1,
        prototypes=None if tracklet.prototypes is None or not kept.any() else tracklet.prototypes.select(kept),
        prototype_rows=tracklet.prototype_rows[kept] - start,
        **along,
    )
