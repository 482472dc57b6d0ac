"""Which answers of a person would change most: links to ask about.

The value of a question is the number of pairs of tracklets that its answers are expected to bring together or part:
each answer by its probability. What an answer does is found by deciding anew, among the identities it can reach. So a
link of .5 between two tracklets is worth less than one of .2 between two identities of ten.

The probability of an answer is that of the two sides it joins or parts, the mean over their pairs of what the evidence
is worth: a pair of one identity may look unlike and still be one person, as all others say.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit

from data.records import IntArray
from pipeline.association.cue import Bools, CandidatePairs
from pipeline.association.exclusions import DECLARED
from pipeline.association.judgement import Judgement
from pipeline.association.pair_codes import pair_codes

_SHORTLIST = 4
_MOST_REACHED = 20
_LEAST_VALUE = 0.05


@dataclass(frozen=True, slots=True)
class Question:
    """Are these two one person?

    Attributes:
        a: row of the earlier tracklet.
        b: row of the later.
        joined: they are one identity now.
        probability: that they are one person, as their two sides say.
        if_same: pairs of tracklets that the answer "same" brings together or parts.
        if_different: the same of "different".
    """

    a: int
    b: int
    joined: bool
    probability: float
    if_same: int
    if_different: int

    @property
    def value(self) -> float:
        """Expected number of pairs that the answer changes."""
        return self.probability * self.if_same + (1 - self.probability) * self.if_different


def find_questions(judgement: Judgement, labels: IntArray, count: int) -> list[Question]:
    """The questions of the greatest value, greatest first; at most one about any two identities, or within one.

    Questions whose answers are expected to change next to nothing are left out.

    Args:
        judgement: the case, corrections so far included: what they settle is not asked.
        labels: (N,) identity of each row, as was decided.
        count: how many at most.
    """
    found = [
        _question(judgement, labels, a, b, joined) for a, b, joined in _shortlist(judgement, labels, _SHORTLIST * count)
    ]
    worth = [question for question in found if question.value >= _LEAST_VALUE]
    return sorted(worth, key=lambda question: (-question.value, question.a, question.b))[:count]


def _shortlist(judgement: Judgement, labels: IntArray, most: int) -> Iterator[tuple[int, int, bool]]:
    """Of any two identities the likeliest pair, of each the unlikeliest one, by a bound of what the answer changes."""
    pairs, probability = judgement.scores.pairs, expit(judgement.scores.stated)
    open_pairs = np.flatnonzero(_unsettled(judgement, pairs))
    a, b, chance = pairs.a[open_pairs], pairs.b[open_pairs], probability[open_pairs]
    size = np.bincount(labels, minlength=1)
    low, high = np.minimum(labels[a], labels[b]), np.maximum(labels[a], labels[b])
    joined = low == high
    # Who is taken out of an identity of n is one against n - 1, or all of one half against the other.
    change = np.where(joined, (size[low] ** 2) // 4, size[low] * size[high])
    bound = np.where(joined, 1 - chance, chance) * change
    # Of one pair of identities, the first in this order; then by the bound.
    order = np.lexsort((b, a, np.where(joined, chance, -chance), high, low))
    _, first = np.unique(low[order] * len(size) + high[order], return_index=True)
    kept = order[first]
    for place in kept[np.lexsort((b[kept], a[kept], -bound[kept]))][:most].tolist():
        yield int(a[place]), int(b[place]), bool(joined[place])


def _unsettled(judgement: Judgement, pairs: CandidatePairs) -> Bools:
    """Mask of the pairs that neither a must-link nor a person's answer decides."""
    atom = np.zeros(len(judgement.table), np.int64)
    for number, rows in enumerate(judgement.atoms):
        atom[rows] = number
    declared = judgement.exclusions.reasons(pairs.a, pairs.b) == DECLARED
    return (atom[pairs.a] != atom[pairs.b]) & ~declared


def _question(judgement: Judgement, labels: IntArray, a: int, b: int, joined: bool) -> Question:
    reached = _reached(judgement, labels, a, b)
    now = _decide(reached)
    same = 0 if joined else _changed(now, _decide(_declared_same(reached, a, b)))
    parted = _decide(_declared_different(reached, a, b)) if joined else now
    different = _changed(now, parted) if joined else 0
    left, right = np.flatnonzero(parted == parted[a]), np.flatnonzero(parted == parted[b])
    (first,), (second,) = judgement.table.earlier_first(np.array([a]), np.array([b]))
    return Question(int(first), int(second), joined, _mean_probability(judgement, left, right), same, different)


def _mean_probability(judgement: Judgement, left: IntArray, right: IntArray) -> float:
    """Of the candidate pairs between two sides."""
    pairs = judgement.scores.pairs
    between = np.isin(pairs.a, left) & np.isin(pairs.b, right) | np.isin(pairs.a, right) & np.isin(pairs.b, left)
    return float(expit(judgement.scores.stated[between]).mean()) if between.any() else 0.0


def _reached(judgement: Judgement, labels: IntArray, a: int, b: int) -> Judgement:
    """The case of the two identities and of those that are likeliest drawn in; all others stay as they are."""
    pairs, odds = judgement.scores.pairs, judgement.scores.stated
    own = {int(labels[a]), int(labels[b])}
    best: dict[int, float] = {}
    near = np.isin(labels[pairs.a], list(own)) | np.isin(labels[pairs.b], list(own))
    floor = judgement.config.different_probability
    for x, y, value in zip(labels[pairs.a[near]].tolist(), labels[pairs.b[near]].tolist(), expit(odds[near]).tolist()):
        for name in {x, y} - own:
            if value >= floor:
                best[name] = max(best.get(name, 0.0), value)
    names = own | set(sorted(best, key=lambda name: (-best[name], name))[:_MOST_REACHED])
    return _among(judgement, np.isin(labels, sorted(names)))


def _among(judgement: Judgement, rows: Bools) -> Judgement:
    """The same case with these rows only, in the same table."""
    pairs, scores = judgement.scores.pairs, judgement.scores
    inside = rows[pairs.a] & rows[pairs.b]
    few = replace(
        scores,
        pairs=CandidatePairs(pairs.a[inside], pairs.b[inside]),
        cues=tuple(cue.select(inside) for cue in scores.cues),
    )
    return replace(judgement, atoms=[atom for atom in judgement.atoms if rows[atom[0]]], scores=few)


def _decide(judgement: Judgement) -> IntArray:
    """Identity of each row, (N,), named by its lowest row; rows outside the case are -1."""
    found = judgement.decide()
    result = np.full(len(found), -1)
    rows = sorted(row for atom in judgement.atoms for row in atom)
    _, first, place = np.unique(found[rows], return_index=True, return_inverse=True)
    result[rows] = np.array(rows, np.int64)[first][place]
    return result


def _declared_same(judgement: Judgement, a: int, b: int) -> Judgement:
    together = [row for atom in judgement.atoms if a in atom or b in atom for row in atom]
    others = [atom for atom in judgement.atoms if a not in atom and b not in atom]
    return replace(judgement, atoms=sorted([*others, sorted(together)]))


def _declared_different(judgement: Judgement, a: int, b: int) -> Judgement:
    exclusions = judgement.exclusions
    code = pair_codes(np.array([a]), np.array([b]), len(judgement.table))
    declared = np.union1d(exclusions.declared, code)
    return replace(judgement, exclusions=replace(exclusions, declared=declared))


def _changed(before: IntArray, after: IntArray) -> int:
    """Pairs of rows that are together in one partition and not in the other; -1 is nobody's."""
    rows = before >= 0
    _, whole = np.unique(np.stack([before[rows], after[rows]]), axis=1, return_counts=True)
    return (
        _pairs(np.unique(before[rows], return_counts=True)[1])
        + _pairs(np.unique(after[rows], return_counts=True)[1])
        - 2 * _pairs(whole)
    )


def _pairs(counts: IntArray) -> int:
    return int((counts * (counts - 1) // 2).sum())
