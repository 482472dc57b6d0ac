"""Where the figures come from: scores of the queries of each degree of occlusion, with and without other people."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reid.evaluation.extract import Features
from reid.ranking.metrics import RetrievalScores

# Upper edges, each in its own bin; the last bin has none.
_EDGES = (0.0, 0.25, 0.5, 0.75)
_NAMES = ("none", "up to 0.25", "0.25 to 0.5", "0.5 to 0.75", "above 0.75", "unknown")


@dataclass(frozen=True, slots=True)
class GroupScores:
    """Queries that have something in common.

    Attributes:
        by: what they are grouped by: "occlusion" (keypoints of others per keypoint of the person's own, as the data set
            tells), "hidden keypoints" (share of the person's that are not seen), or "people".
        name: of the group.
        queries: how many there are.
        mean_ap: over those with a match, 0-1; NaN where none has one.
        rank1: 0-1; NaN where none has a match.
    """

    by: str
    name: str
    queries: int
    mean_ap: float
    rank1: float


def breakdown(query: Features, scores: RetrievalScores) -> list[GroupScores]:
    """Scores by how much of the query's person is in the way or hidden, and by whether other people are in the crop.

    Groups without queries are left out, and kinds of groups of which nothing is known of any query.

    Args:
        query: crops searched for.
        scores: of all of them.
    """
    occlusion = np.array([np.nan if sample.occlusion is None else sample.occlusion for sample in query.samples])
    groups: list[tuple[str, str, NDArray[np.bool_]]] = []
    for by, levels in (("occlusion", occlusion), ("hidden keypoints", query.hidden)):
        if not np.isnan(levels).all():
            bins = np.where(np.isnan(levels), len(_EDGES) + 1, np.searchsorted(_EDGES, levels, side="left"))
            groups += [(by, name, bins == number) for number, name in enumerate(_NAMES)]
    known = np.array([sample.keypoints is not None for sample in query.samples])
    if known.any():
        groups.append(("people", "alone", known & (query.others == 0)))
        groups.append(("people", "with others", known & (query.others > 0)))
        groups.append(("people", "unknown", ~known))
    return [_group(*group, scores) for group in groups if group[2].any()]


def _group(by: str, name: str, chosen: NDArray[np.bool_], scores: RetrievalScores) -> GroupScores:
    precision, first = scores.average_precision[chosen], scores.first_match[chosen]
    matched = first >= 0
    if not matched.any():
        return GroupScores(by, name, int(chosen.sum()), float("nan"), float("nan"))
    mean_ap, rank1 = float(precision[matched].mean()), float((first[matched] == 0).mean())
    return GroupScores(by, name, int(chosen.sum()), mean_ap, rank1)
