"""How strongly two groups of tracklets belong together.

linkage(A, B) = mean log odds of the pairs between them + support log(number of pairs)
                + what the order in time of the joined group gains on that of its parts - logit(same_probability)

A mean, not a sum: what one person's pairs show depends on one another, so ten pairs are not ten times the evidence
(measured on Market-1501, where sums lost 5 to 30 points of precision).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from data.records import DoubleArray, IntArray
from pipeline.association.exclusions import Exclusions
from pipeline.association.scoring import Scores


class Sums(NamedTuple):
    """Of the candidate pairs between two groups: log odds and number of those with evidence, and of those without."""

    evident: float = 0.0
    number: int = 0
    rest: float = 0.0
    others: int = 0

    def plus(self, other: "Sums") -> "Sums":
        """The sums over both."""
        return Sums(
            self.evident + other.evident, self.number + other.number, self.rest + other.rest, self.others + other.others
        )


@dataclass(frozen=True, slots=True)
class Group:
    """Atoms held to be one person.

    Attributes:
        atoms: their numbers, rising.
        rows: their rows of the table.
        crowd: how many of the rows are in each family too large for all its pairs to be candidates.
        order: evidence of its order in time.
    """

    atoms: tuple[int, ...]
    rows: tuple[int, ...]
    crowd: dict[int, int]
    order: float


Edges = dict[int, Sums]


class Evidence:
    """Scores as seen by groups of atoms. An atom is a set of tracklets that are one person for certain.

    Attributes:
        atoms: every atom as a group of its own.
        edges: per atom, the atoms it has candidate pairs with.
    """

    def __init__(
        self,
        atoms: Sequence[Sequence[int]],
        scores: Scores,
        exclusions: Exclusions,
        same_probability: float,
        support: float,
    ) -> None:
        """Sum the scores over the pairs of atoms."""
        self._exclusions, self._support = exclusions, support
        self._steps = scores.orders
        self._threshold = float(np.log(same_probability / (1 - same_probability)))
        self._missing = scores.missing
        self.atoms = [
            Group((number,), tuple(rows), _count(scores.crowd[list(rows)]), order)
            for number, (rows, order) in enumerate(zip(atoms, self._orders(atoms)))
        ]
        self.edges = _atom_edges(atoms, scores)

    def conflict(self, a: Group, b: Group) -> bool:
        """Whether a member of one excludes a member of the other."""
        return self._exclusions.conflict(a.rows, b.rows)

    def group(self, atoms: Sequence[int]) -> Group:
        """Atoms as one group."""
        members = sorted(atoms)
        rows = tuple(row for atom in members for row in self.atoms[atom].rows)
        crowd: dict[int, int] = {}
        for atom in members:
            _add(crowd, self.atoms[atom].crowd)
        return Group(tuple(members), rows, crowd, float(self._orders([rows])[0]))

    def linkages(
        self, a: Sequence[Group], b: Sequence[Group], sums: Sequence[Sums], only_positive: bool = False
    ) -> list[float]:
        """Linkage of pairs of groups, row by row; with ``only_positive`` negative ones need only be negative."""
        found = [self._mean(x, y, between) - self._threshold for x, y, between in zip(a, b, sums)]
        if not self._steps:
            return found
        timed = list(range(len(found)))
        if only_positive:
            timed = [row for row in timed if found[row] + self._most_gain(a[row], b[row]) > 0]
        orders = self._orders([a[row].rows + b[row].rows for row in timed])
        for row, order in zip(timed, orders.tolist()):
            found[row] += order - a[row].order - b[row].order
        return found

    def _most_gain(self, a: Group, b: Group) -> float:
        """What the order in time can gain at most: each row put between two others opens one link and closes two."""
        fewer = min(len(a.rows), len(b.rows))
        links = 1 if len(a.rows) + len(b.rows) == 2 else 3 * fewer
        return links * sum(step.bound for step in self._steps)

    def _mean(self, a: Group, b: Group, sums: Sums) -> float:
        evident, number, rest, others = sums
        pairs = 0
        for name, count in a.crowd.items():
            pairs += count * b.crowd.get(name, 0)
        if pairs > number:
            evident += (pairs - number) * self._missing
        else:
            pairs = number
        if pairs:
            return evident / pairs + self._support * math.log(pairs)
        return rest / others if others else 0.0

    def _orders(self, groups: Sequence[Sequence[int]]) -> DoubleArray:
        total = np.zeros(len(groups))
        for step in self._steps if len(groups) else []:
            total += step.orders(groups)
        return total


def between(edges: Sequence[Edges], atoms: Sequence[int], owner: Sequence[int]) -> Edges:
    """Sums of the pairs between some atoms and each group, their own included, by the group that owns each atom."""
    result: Edges = {}
    for atom in atoms:
        for other, sums in edges[atom].items():
            group = owner[other]
            before = result.get(group)
            result[group] = sums if before is None else before.plus(sums)
    return result


def _atom_edges(atoms: Sequence[Sequence[int]], scores: Scores) -> list[Edges]:
    """Per atom, sums over the candidate pairs with each other atom, by rising number."""
    owner = np.zeros(len(scores.crowd), np.int64)
    for number, rows in enumerate(atoms):
        owner[list(rows)] = number
    a, b = owner[scores.pairs.a], owner[scores.pairs.b]
    apart = a != b
    a, b, base, evident = a[apart], b[apart], scores.base[apart], scores.evident[apart]
    codes = np.minimum(a, b) * max(len(atoms), 1) + np.maximum(a, b)
    pairs, place = np.unique(codes, return_inverse=True)
    columns = (
        np.bincount(place, np.where(evident, base, 0.0), len(pairs)),
        np.bincount(place, evident, len(pairs)).astype(np.int64),
        np.bincount(place, np.where(evident, 0.0, base), len(pairs)),
        np.bincount(place, ~evident, len(pairs)).astype(np.int64),
    )
    edges: list[Edges] = [{} for _ in atoms]
    low, high = (pairs // max(len(atoms), 1)).tolist(), (pairs % max(len(atoms), 1)).tolist()
    for x, y, evident_sum, number, rest, others in zip(low, high, *(column.tolist() for column in columns)):
        edges[x][y] = edges[y][x] = Sums(evident_sum, number, rest, others)
    return edges


def _count(names: IntArray) -> dict[int, int]:
    kinds, numbers = np.unique(names[names >= 0], return_counts=True)
    return dict(zip(kinds.tolist(), numbers.tolist()))


def _add(total: dict[int, int], more: dict[int, int]) -> None:
    for name, number in more.items():
        total[name] = total.get(name, 0) + number
