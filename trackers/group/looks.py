"""How people of a group look: which box looks like whom, and who comes back."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from data.kernels.parts import embedding_distance
from data.records import FloatArray, IntArray, PartEmbeddings
from trackers.appearance import DistanceScale, blank, blend
from trackers.assignment import assign
from trackers.config import GroupConfig
from trackers.group.fusion import Fusion
from trackers.group.people import People, moved


def distances(mine: PartEmbeddings | None, looks: Sequence[PartEmbeddings | None]) -> list[FloatArray | None]:
    """Per camera, (T, N) how unlike people and boxes look, NaN without evidence; None without looks."""
    return [None if mine is None or seen is None else embedding_distance(mine, seen)[0] for seen in looks]


def learn(scale: DistanceScale, between_all: Sequence[FloatArray | None], fusion: Fusion) -> None:
    """Teach the distance scale this instant's pairs: a person and its box, and a person and another's box."""
    for found, between in zip(fusion.box, between_all, strict=True):
        people = np.flatnonzero(found >= 0)
        if between is None or not len(people):
            continue
        pairs = between[np.ix_(people, found[people])]
        scale.learn(np.diagonal(pairs), pairs[~np.eye(len(people), dtype=bool)])


def remember(
    people: People, looks: Sequence[PartEmbeddings | None], box: IntArray, elapsed_s: float, memory_s: float
) -> None:
    """Remember how people look now."""
    share = 1 - np.exp(-elapsed_s / memory_s)
    for seen, found in zip(looks, box, strict=True):
        rows = np.flatnonzero(found >= 0)
        if seen is None or not len(rows):
            continue
        old = people.appearance if people.appearance is not None else blank(len(people), seen)
        new = blend(old.select(rows), seen.select(found[rows]), np.full(len(rows), share, np.float32))
        vectors, visibility = old.vectors.copy(), old.visibility.copy()
        vectors[rows], visibility[rows] = new.vectors, new.visibility
        people.appearance = replace(old, vectors=vectors, visibility=visibility)


def recognise(
    people: People, lost: People, ready: IntArray, scale: DistanceScale, config: GroupConfig
) -> tuple[IntArray, IntArray]:
    """Pairs of a lost person and a new one who may well be the same.

    The place of the new one must be likely where motion would have taken the lost one, against new people who may
    appear anywhere; looks add their share.

    Returns:
        rows of ``lost`` and of ``people``.
    """
    cost = np.full((len(lost), len(ready)), np.inf)
    for row in range(len(lost)):
        for column, who in enumerate(ready.tolist()):
            gap = people.born_s[who] - lost.seen_s[row]
            if gap <= 0:
                continue
            there = moved(lost.select(np.array([row])), float(people.seen_s[who] - lost.seen_s[row]), config)
            offset = people.mean[who, :2] - there.mean[0, :2]
            spread = there.cov[0, :2, :2] + people.cov[who, :2, :2]
            distance = float(offset @ np.linalg.solve(spread, offset))
            density = -0.5 * distance - 0.5 * np.log(np.linalg.det(spread)) - np.log(2 * np.pi)
            if distance < config.gate:
                cost[row, column] = -(density - np.log(config.newcomers_per_m2))
    if people.appearance is not None and lost.appearance is not None and cost.size:
        unlike = embedding_distance(lost.appearance, people.appearance.select(ready))[0]
        cost -= config.looks * scale.familiarity(unlike)
    rows, columns = assign(cost, 0.0)
    return rows, ready[columns]
