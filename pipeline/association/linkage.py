"""How strongly two groups of tracklets belong together.

linkage(A, B) = mean probability, over the pairs between them, of being one person - same_probability

So pairs x linkage is what joining the groups gains in (expected right pairs) - same_probability x (pairs made), and the
partition that holds most of it is the best answer in expected pairs. A mean of probabilities, not a sum of log odds:
what one person's pairs show depends on one another, so ten pairs are not ten times the evidence, and one pair that is
all but impossible (a tracklet that changed person) does not outweigh nine good ones. On the tracklets of Market-1501 it
was as good as the best bound on the log odds.

Pairs that are no candidates of one another have probability 0 where all the near ones are candidates (a crowd), and do
not count where nothing is known of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import expit

from data.records import IntArray
from pipeline.association.exclusions import Exclusions
from pipeline.association.scoring import Scores

# Pairs of a crowd below this are like pairs that are no candidates.
_NEGLIGIBLE = 0.01


class Sums(NamedTuple):
    """Of the candidate pairs between two groups: sum of probabilities and number, with evidence and without."""

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
        crowd: how many of the rows are in each set too large for all its pairs to be candidates.
    """

    atoms: tuple[int, ...]
    rows: tuple[int, ...]
    crowd: dict[int, int]


Edges = dict[int, Sums]


class Evidence:
    """Scores as seen by groups of atoms. An atom is a set of tracklets that are one person for certain.

    Attributes:
        atoms: every atom as a group of its own.
        edges: per atom, the atoms it has candidate pairs with.
    """

    def __init__(
        self, atoms: Sequence[Sequence[int]], scores: Scores, exclusions: Exclusions, same_probability: float
    ) -> None:
        """Sum the scores over the pairs of atoms."""
        self._exclusions, self._threshold = exclusions, same_probability
        self.atoms = [
            Group((number,), tuple(rows), _count(scores.crowd[list(rows)])) for number, rows in enumerate(atoms)
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
        return Group(tuple(members), rows, crowd)

    def linkage(self, a: Group, b: Group, sums: Sums) -> float:
        """Mean probability of the pairs between two groups above the threshold; its negative where none is known."""
        evident, pairs, rest, others = sums
        crowded = 0
        for name, count in a.crowd.items():
            crowded += count * b.crowd.get(name, 0)
        pairs = max(pairs, crowded)
        if pairs:
            return evident / pairs - self._threshold
        return rest / others - self._threshold if others else -self._threshold


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
    first, second, probability = scores.pairs.a, scores.pairs.b, expit(scores.total)
    a, b = owner[first], owner[second]
    one_crowd = (scores.crowd[first] >= 0) & (scores.crowd[first] == scores.crowd[second])
    kept = (a != b) & ~(one_crowd & (probability < _NEGLIGIBLE))
    a, b, probability, evident = a[kept], b[kept], probability[kept], scores.evident[kept]
    codes = np.minimum(a, b) * max(len(atoms), 1) + np.maximum(a, b)
    pairs, place = np.unique(codes, return_inverse=True)
    columns = (
        np.bincount(place, np.where(evident, probability, 0.0), len(pairs)),
        np.bincount(place, evident, len(pairs)).astype(np.int64),
        np.bincount(place, np.where(evident, 0.0, probability), len(pairs)),
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
