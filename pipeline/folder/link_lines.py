"""Links between tracklets as lines of JSON; an unknown lag (NaN) and a margin without rival (infinite) are null."""

import math
from typing import Any

from data.records import Link
from pipeline.folder.schema import LinkModel


def link_to_json(link: Link) -> dict[str, Any]:
    """Plain values of a link, rounded."""
    return {
        "a": list(link.a),
        "b": list(link.b),
        "llr": {name: round(value, 6) for name, value in link.llr.items()},
        "part_distances": {name: round(value, 6) for name, value in link.part_distances.items()},
        "part_visibility": {name: round(value, 6) for name, value in link.part_visibility.items()},
        "lag_s": _finite(round(link.lag_s, 6)),
        "probability": round(link.probability, 6),
        "decision": link.decision,
        "margin": _finite(round(link.margin, 6)),
        "constraint": link.constraint,
    }


def link_of(line: LinkModel) -> Link:
    """The link that a checked line tells of."""
    return Link(
        a=line.a,
        b=line.b,
        llr=line.llr,
        part_distances=line.part_distances,
        part_visibility=line.part_visibility,
        lag_s=math.nan if line.lag_s is None else line.lag_s,
        probability=line.probability,
        decision=line.decision,
        margin=math.inf if line.margin is None else line.margin,
        constraint=line.constraint,
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
