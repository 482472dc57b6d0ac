"""Constrained clustering of tracklets into identities.

Average-linkage agglomeration, strongest linkage first, while it is positive and nothing excludes it. Then tracklets
move or change places (``refinement``), and groups split and join again, while that raises pairs x linkage, the evidence
they hold. Every decision is taken in an order that follows from the rows of the table.
"""

import heapq
from collections.abc import Sequence

import numpy as np

from data.records import IntArray
from pipeline.association.exclusions import Exclusions
from pipeline.association.linkage import Edges, Evidence, Group, Sums, between
from pipeline.association.refinement import Refinement
from pipeline.association.scoring import Scores

_NO_PAIRS = Sums()

# From smaller groups single atoms have moved away by themselves.
_SMALLEST_TO_SPLIT = 4


def cluster(
    atoms: Sequence[Sequence[int]],
    scores: Scores,
    exclusions: Exclusions,
    *,
    same_probability: float,
    sweeps: int,
) -> IntArray:
    """Decide which tracklets are one person.

    Args:
        atoms: sets of rows that are one person for certain; every row is in one.
        scores: evidence about candidate pairs.
        exclusions: pairs that cannot be one person; no group will hold one, unless an atom does.
        same_probability: groups are joined from this mean probability of their pairs on.
        sweeps: rounds of refinement at most.

    Returns:
        (N,) identity of each row, numbered from 0 by the lowest row of each.
    """
    evidence = Evidence(atoms, scores, exclusions, same_probability)
    groups = _agglomerate(evidence, evidence.atoms)
    active = set(range(len(atoms)))
    for _ in range(sweeps):
        refinement = Refinement(evidence, groups)
        refinement.sweep(sorted(active))
        changed = refinement.changed
        if not changed:
            break
        groups = []
        for group in refinement.groups:
            groups.extend(_split(evidence, group) if changed.intersection(group.atoms) else [group])
        groups = _agglomerate(evidence, groups)
        # Gains that are means times pairs need not fall for ever: a round that has no fewer atoms to try ends it.
        if len(changed) >= len(active):
            break
        active = changed
    lowest = np.zeros(len(exclusions.table), np.int64)
    for group in groups:
        lowest[list(group.rows)] = min(group.rows)
    return np.unique(lowest, return_inverse=True)[1].astype(np.int64)


def _agglomerate(evidence: Evidence, start: Sequence[Group], until: int = 0) -> list[Group]:
    """Join groups while the strongest linkage is positive; with ``until``, whatever its sign, down to that many."""
    groups = dict(enumerate(start))
    edges = _group_edges(evidence, start)
    floor = -np.inf if until else 0.0
    pairs = [(a, b) for a, found in edges.items() for b in found if a < b]
    heap: list[tuple[float, int, int]] = []
    _push(heap, evidence, groups, edges, pairs, floor)
    heapq.heapify(heap)
    number = len(start)
    while heap and len(groups) > until:
        _, a, b = heapq.heappop(heap)
        if a not in groups or b not in groups:
            continue
        if evidence.conflict(groups[a], groups[b]):
            del edges[a][b], edges[b][a]
            continue
        groups[number] = evidence.group(groups.pop(a).atoms + groups.pop(b).atoms)
        edges[number] = _joined(edges, a, b)
        for other, sums in edges[number].items():
            edges[other].pop(a, None)
            edges[other].pop(b, None)
            edges[other][number] = sums
        fresh: list[tuple[float, int, int]] = []
        _push(fresh, evidence, groups, edges, [(other, number) for other in edges[number]], floor)
        for item in fresh:
            heapq.heappush(heap, item)
        number += 1
    return list(groups.values())


def _joined(edges: dict[int, Edges], a: int, b: int) -> Edges:
    """Edges of two groups together, which are taken out."""
    result = edges.pop(a)
    result.pop(b, None)
    for other, sums in edges.pop(b).items():
        if other != a:
            before = result.get(other)
            result[other] = sums if before is None else before.plus(sums)
    return result


def _group_edges(evidence: Evidence, groups: Sequence[Group]) -> dict[int, Edges]:
    owner = [-1] * len(evidence.atoms)
    for number, group in enumerate(groups):
        for atom in group.atoms:
            owner[atom] = number
    found = {number: between(evidence.edges, group.atoms, owner) for number, group in enumerate(groups)}
    for number, edges in found.items():
        edges.pop(number, None)
        edges.pop(-1, None)
    return found


def _push(
    heap: list[tuple[float, int, int]],
    evidence: Evidence,
    groups: dict[int, Group],
    edges: dict[int, Edges],
    pairs: Sequence[tuple[int, int]],
    floor: float,
) -> None:
    for a, b in pairs:
        linkage = evidence.linkage(groups[a], groups[b], edges[a][b])
        if linkage > floor:
            heap.append((-linkage, a, b))


def _split(evidence: Evidence, group: Group) -> list[Group]:
    """Undo a group whose two most different halves do not belong together, and again its halves."""
    if len(group.atoms) < _SMALLEST_TO_SPLIT:
        return [group]
    halves = _agglomerate(evidence, [evidence.atoms[atom] for atom in group.atoms], until=2)
    if len(halves) > 2:
        return [part for half in halves for part in _split(evidence, half)]
    owner = [-1] * len(evidence.atoms)
    for atom in halves[1].atoms:
        owner[atom] = 1
    sums = between(evidence.edges, halves[0].atoms, owner).get(1, _NO_PAIRS)
    if evidence.linkage(halves[0], halves[1], sums) >= 0:
        return [group]
    return [part for half in halves for part in _split(evidence, half)]
