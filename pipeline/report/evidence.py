"""Links with their evidence, ready for the table."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from data.records import Decision, Link
from pipeline.report.pictures import Album, Picture

_SCALE_MAX = 12.0
_SCALE_MIN = 3.0
_ORDER: tuple[Decision, ...] = ("uncertain", "same", "different")
# Of a full table, at least this share is kept for each decision.
_SHARES = {"uncertain": 0.5, "same": 0.35, "different": 0.15}


@dataclass(frozen=True, slots=True)
class Bar:
    """A signed bar: how far a cue speaks for (right) or against (left) one person.

    Attributes:
        name: of the cue.
        value: log-likelihood ratio, natural logarithm.
        left: where the bar begins, per cent of its track.
        width: per cent of its track.
    """

    name: str
    value: float
    left: float
    width: float


@dataclass(frozen=True, slots=True)
class Part:
    """A body part's share in the appearance."""

    name: str
    distance: float
    distance_share: float
    visibility: float


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two tracklets."""

    camera: str
    local_id: int
    label: str
    anchor: str
    picture: Picture | None


@dataclass(frozen=True, slots=True)
class LinkRow:
    """A row of the table."""

    a: Side
    b: Side
    decision: Decision
    probability: float
    lag_s: float | None
    margin: float | None
    constraint: str
    total: float
    cues: tuple[Bar, ...]
    parts: tuple[Part, ...]


def choose_links(links: Sequence[Link], count: int) -> list[Link]:
    """At most ``count`` links: uncertain ones first, the closest call first in each decision."""
    groups = {
        decision: sorted(
            (link for link in links if link.decision == decision), key=lambda link: abs(link.probability - 0.5)
        )
        for decision in _ORDER
    }
    room = {decision: min(len(groups[decision]), int(count * _SHARES[decision])) for decision in _ORDER}
    for decision in _ORDER:
        room[decision] += min(len(groups[decision]) - room[decision], count - sum(room.values()))
    return [link for decision in _ORDER for link in groups[decision][: room[decision]]]


def link_rows(links: Sequence[Link], people: Mapping[tuple[str, int], tuple[str, str]], album: Album) -> list[LinkRow]:
    """Rows of the table.

    Args:
        links: in the order of the table.
        people: label and anchor of each tracklet's person, by (camera, local_id).
        album: where pictures come from.
    """
    every = [value for link in links for value in link.llr.values()]
    farthest = max((value for link in links for value in link.part_distances.values()), default=0.0)
    return [
        LinkRow(
            a=side_of(link.a, people, album),
            b=side_of(link.b, people, album),
            decision=link.decision,
            probability=link.probability,
            lag_s=link.lag_s if math.isfinite(link.lag_s) else None,
            margin=link.margin if math.isfinite(link.margin) else None,
            constraint=link.constraint,
            total=sum(link.llr.values()),
            cues=bars(link.llr, every),
            parts=tuple(_part(link, name, farthest) for name in link.part_distances),
        )
        for link in links
    ]


def bars(llr: Mapping[str, float], every: Sequence[float]) -> tuple[Bar, ...]:
    """A bar for each cue, all on the scale that the strongest of ``every`` value sets."""
    strongest = max((abs(value) for value in every if math.isfinite(value)), default=0.0)
    scale = min(max(strongest, _SCALE_MIN), _SCALE_MAX)
    shares = {name: 50 * min(abs(value) / scale, 1.0) for name, value in llr.items()}
    return tuple(
        Bar(name, value, round(50 - shares[name] if value < 0 else 50.0, 2), round(shares[name], 2))
        for name, value in llr.items()
    )


def _part(link: Link, name: str, farthest: float) -> Part:
    distance = link.part_distances[name]
    return Part(name, distance, round(100 * distance / max(farthest, 1e-9), 1), link.part_visibility.get(name, 0.0))


def side_of(key: tuple[str, int], people: Mapping[tuple[str, int], tuple[str, str]], album: Album) -> Side:
    """One tracklet with its person and best picture."""
    label, anchor = people.get(key, ("?", ""))
    numbers = album.numbers(*key)
    return Side(key[0], key[1], label, anchor, album.get(*key, numbers[0]) if numbers else None)
