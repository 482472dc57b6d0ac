"""Why two tracklets were or were not joined: evidence, rivals, constraints and the decision on their groups."""

from dataclasses import dataclass, field

import numpy as np
from scipy.special import expit

from data.records import DoubleArray, IntArray
from pipeline.association.consequences import PRIOR, RIVALS
from pipeline.association.cue import Explanation
from pipeline.association.evidence import spanning
from pipeline.association.exclusions import REASONS
from pipeline.association.judgement import Judgement
from pipeline.association.linkage import Evidence, Group, Sums, between
from pipeline.association.table import TrackletTable
from pipeline.association.worth import NAME as WORTH

Key = tuple[str, int]

_MOST_RIVALS = 3


@dataclass(frozen=True, slots=True)
class Saying:
    """What one cue says of the pair: a natural-log likelihood ratio, and what it saw."""

    name: str
    llr: float
    saw: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """Another tracklet that one side could be, with the probability of the pair, and whether it was joined with it."""

    key: Key
    probability: float
    joined: bool


@dataclass(frozen=True, slots=True)
class Inspection:
    """Two tracklets under the glass.

    Attributes:
        a: (camera, local_id) of the earlier one.
        b: of the later one.
        joined: they are one person, as the run decided.
        lag_s: seconds from leaving a to entering b, negative while both are seen; NaN without common clocks.
        must_link: why they are one person whatever the evidence says, or "".
        excluded: why the two cannot be one person, or "".
        sayings: of every cue that spoke; they add up to the log odds.
        probability: of the pair; NaN where no cue speaks of it.
        added: the same if its cues were worth what they add up to, as when groups are formed.
        looked_at: whether the run compared them at all.
        parts: distances and visibility of parts.
        group_sizes: tracklets of the two sides: of a's identity and b's, or of a joined identity without either.
        group_pairs: pairs between the two sides of which something is known.
        group_added: their mean probability, likewise.
        threshold: what it has to reach.
        blocked: two tracklets of the identities that cannot be one person, and the reason; None where there are none.
        chain: of a joined pair, the strongest links that lead from a to b.
        rivals: of each side, the best candidates besides the other side, best first.
    """

    a: Key
    b: Key
    joined: bool
    lag_s: float
    must_link: str
    excluded: str
    sayings: tuple[Saying, ...]
    probability: float
    added: float
    looked_at: bool
    parts: Explanation
    group_sizes: tuple[int, int]
    group_pairs: int
    group_added: float
    threshold: float
    blocked: tuple[Key, Key, str] | None
    chain: tuple[tuple[Key, Key, float], ...]
    rivals: tuple[tuple[Candidate, ...], tuple[Candidate, ...]] = field(default=((), ()))

    @property
    def log_odds(self) -> float:
        """Sum of what the cues say."""
        return sum(saying.llr for saying in self.sayings)

    @property
    def verdict(self) -> str:
        """What decided, in one sentence."""
        if self.must_link:
            return f"one person for certain: {self.must_link}"
        if self.joined:
            return _why_joined(self)
        if self.excluded:
            return f"two people for certain: {self.excluded}"
        if self.blocked is not None:
            return (
                f"not joined: {name_of(self.blocked[0])} and {name_of(self.blocked[1])}, one of each side, are "
                f"{self.blocked[2]}"
            )
        if not self.group_pairs:
            return "not joined: nothing is known of any pair between the two"
        if self.group_added < self.threshold:
            return (
                f"not joined: the evidence of the pairs between the two, as it adds up, comes to a mean of "
                f"{self.group_added:.3f}, and {self.threshold:g} is asked for"
            )
        return "not joined: what each is joined with now holds more expected right pairs than the two together would"


def name_of(key: Key) -> str:
    """A tracklet as command lines name it."""
    return f"{key[0]}:{key[1]}"


def _why_joined(found: Inspection) -> str:
    if found.added >= found.threshold:
        return f"joined: by themselves with a probability of {found.probability:.3f}"
    if found.chain:
        weakest = min(probability for _, _, probability in found.chain)
        return f"joined by way of others, over {len(found.chain)} links, the weakest of {weakest:.3f}"
    return "joined by what holds their identity together"


def strongest_pair(judgement: Judgement, left: IntArray, right: IntArray) -> tuple[int, int]:
    """Of two sets of rows, one of each: the most likely pair; the first of each where nothing is known."""
    pairs, odds = judgement.scores.pairs, judgement.scores.stated
    forth = np.isin(pairs.a, left) & np.isin(pairs.b, right)
    back = np.isin(pairs.a, right) & np.isin(pairs.b, left)
    rows = np.flatnonzero(forth | back)
    if not len(rows):
        return int(left[0]), int(next((row for row in right if row != left[0]), right[0]))
    best = rows[np.argmax(odds[rows])]
    a, b = int(pairs.a[best]), int(pairs.b[best])
    return (a, b) if forth[best] else (b, a)


def candidate_row(judgement: Judgement, a: int, b: int) -> int | None:
    """Which candidate pair two rows are; None where they are none."""
    pairs = judgement.scores.pairs
    found = np.flatnonzero((pairs.a == min(a, b)) & (pairs.b == max(a, b)))
    return int(found[0]) if len(found) else None


def inspect(judgement: Judgement, labels: IntArray, a: int, b: int, looked_at: bool = True) -> Inspection:
    """Look at one pair of rows.

    Args:
        judgement: the case; with the pair among its candidates, if anything can be said of it.
        labels: (N,) identity of each row, as was decided.
        a: row of one.
        b: row of the other, not a.
        looked_at: whether the run compared them; false where ``judgement`` was made to.
    """
    table, scores = judgement.table, judgement.scores
    (first,), (second,) = table.earlier_first(np.array([a]), np.array([b]))
    a, b = int(first), int(second)
    row, probability = candidate_row(judgement, a, b), expit(scores.stated)
    joined = bool(labels[a] == labels[b])
    sides = _sides(labels, a, b)
    pairs, mean = _group(judgement, *sides)
    return Inspection(
        a=table.tracklets[a].key,
        b=table.tracklets[b].key,
        joined=joined,
        lag_s=float(table.lags_s(np.array([a]), np.array([b]))[0]),
        must_link=next((link.reason for link in judgement.certain if {link.a, link.b} == {a, b}), ""),
        excluded=REASONS[int(judgement.exclusions.reasons(np.array([a]), np.array([b]))[0])],
        sayings=() if row is None else tuple(_sayings(judgement, row, a, b)),
        probability=float("nan") if row is None else float(probability[row]),
        added=float("nan") if row is None else float(expit(scores.total[row])),
        looked_at=looked_at and row is not None,
        parts=Explanation() if row is None else _parts(judgement, row),
        group_sizes=(len(sides[0]), len(sides[1])),
        group_pairs=pairs,
        group_added=mean,
        threshold=judgement.config.same_probability,
        blocked=None if joined else _blocked(judgement, *sides),
        chain=tuple(_chain(judgement, labels, a, b)) if joined else (),
        rivals=(_rivals(judgement, labels, probability, a, b), _rivals(judgement, labels, probability, b, a)),
    )


def _sayings(judgement: Judgement, row: int, a: int, b: int) -> list[Saying]:
    saw = {
        RIVALS: _rivals_seen(judgement, row, a, b),
        PRIOR: _choices_seen(judgement, a, b),
        WORTH: judgement.scores.worth.line(),
    }
    found = []
    for cue in judgement.scores.printed:
        if not np.isnan(cue.llr[row]):
            seen = cue.explain(row).saw if cue.explain is not None else ""
            found.append(Saying(cue.name, float(cue.llr[row]), seen or saw.get(cue.name, "")))
    return found


def _parts(judgement: Judgement, row: int) -> Explanation:
    found = Explanation()
    for cue in judgement.scores.cues:
        if cue.explain is not None and cue.explain(row).part_distances:
            found = cue.explain(row)
    return found


def _choices_seen(judgement: Judgement, a: int, b: int) -> str:
    table = judgement.table
    possible = judgement.exclusions.possible()
    texts = []
    for one, other in ((a, b), (b, a)):
        camera = int(table.camera[other])
        number, name = int(possible[one, camera]), name_of(table.tracklets[one].key)
        texts.append(f"{name} could be {number} of {table.cameras[camera]}")
    return ", ".join(texts)


def _rivals_seen(judgement: Judgement, row: int, a: int, b: int) -> str:
    """The strongest candidate for the place of either, in the other's camera."""
    table, pairs, odds = judgement.table, judgement.scores.pairs, judgement.scores.stated
    texts = []
    for one, other in ((a, b), (b, a)):
        partner = np.where(pairs.a == one, pairs.b, np.where(pairs.b == one, pairs.a, -1))
        rows = np.flatnonzero((partner >= 0) & (partner != other) & (table.camera[partner] == table.camera[other]))
        if len(rows):
            best = rows[np.argmax(odds[rows])]
            key = table.tracklets[int(partner[best])].key
            texts.append(f"for {name_of(table.tracklets[one].key)} also {name_of(key)} ({expit(odds[best]):.2f})")
    return ", ".join(texts) or "nobody else"


def _sides(labels: IntArray, a: int, b: int) -> tuple[IntArray, IntArray]:
    """The two identities; of one identity, each of the two against the rest would say little: a against all others."""
    if labels[a] != labels[b]:
        return np.flatnonzero(labels == labels[a]), np.flatnonzero(labels == labels[b])
    others = np.flatnonzero(labels == labels[a])
    return np.array([a], np.int64), others[others != a]


def _group(judgement: Judgement, left: IntArray, right: IntArray) -> tuple[int, float]:
    """Pairs between two sides of which something is known, and their mean probability as clustering counts it."""
    evidence, first, second, sums = _linked(judgement, left, right)
    known = sums.number or sums.others
    if not known:
        return 0, 0.0
    return known, evidence.linkage(first, second, sums) + judgement.config.same_probability


def _linked(judgement: Judgement, left: IntArray, right: IntArray) -> tuple[Evidence, Group, Group, Sums]:
    atoms = [[int(row)] for row in range(len(judgement.table))]
    evidence = Evidence(atoms, judgement.scores, judgement.exclusions, judgement.config.same_probability)
    owner = [-1] * len(atoms)
    for row in right.tolist():
        owner[row] = 1
    sums = between(evidence.edges, left.tolist(), owner).get(1, Sums())
    return evidence, evidence.group(left.tolist()), evidence.group(right.tolist()), sums


def _blocked(judgement: Judgement, left: IntArray, right: IntArray) -> tuple[Key, Key, str] | None:
    a, b = np.repeat(left, len(right)), np.tile(right, len(left))
    reasons = judgement.exclusions.reasons(a, b)
    found = np.flatnonzero(reasons)
    if not len(found):
        return None
    table, first = judgement.table, found[0]
    return table.tracklets[int(a[first])].key, table.tracklets[int(b[first])].key, REASONS[int(reasons[first])]


def _rivals(
    judgement: Judgement, labels: IntArray, probability: DoubleArray, one: int, other: int
) -> tuple[Candidate, ...]:
    pairs, table = judgement.scores.pairs, judgement.table
    rows = np.flatnonzero(((pairs.a == one) & (pairs.b != other)) | ((pairs.b == one) & (pairs.a != other)))
    best = rows[np.argsort(-probability[rows], kind="stable")][:_MOST_RIVALS]
    partners = np.where(pairs.a[best] == one, pairs.b[best], pairs.a[best]).tolist()
    return tuple(
        Candidate(table.tracklets[partner].key, float(value), bool(labels[partner] == labels[one]))
        for partner, value in zip(partners, probability[best].tolist())
    )


def _chain(judgement: Judgement, labels: IntArray, a: int, b: int) -> list[tuple[Key, Key, float]]:
    """The way from a to b in the tree of strongest links of their identity."""
    pairs, table, stated = judgement.scores.pairs, judgement.table, judgement.scores.stated
    inside = (labels[pairs.a] == labels[a]) & (labels[pairs.b] == labels[a])
    members = np.flatnonzero(inside).tolist()
    certain = [link for link in judgement.certain if labels[link.a] == labels[a] == labels[link.b]]
    left = np.array([*pairs.a[members].tolist(), *(link.a for link in certain)], np.int64)
    right = np.array([*pairs.b[members].tolist(), *(link.b for link in certain)], np.int64)
    odds = np.array([*stated[members].tolist(), *(np.inf for _ in certain)])
    steps: dict[int, list[tuple[int, float]]] = {}
    for edge in spanning(left, right, odds, np.ones(len(odds), bool), len(table)).tolist():
        x, y, value = int(left[edge]), int(right[edge]), float(expit(odds[edge]))
        steps.setdefault(x, []).append((y, value))
        steps.setdefault(y, []).append((x, value))
    came: dict[int, tuple[int, float]] = {a: (a, 1.0)}
    queue = [a]
    for row in queue:
        for following, value in steps.get(row, []):
            if following not in came:
                came[following] = (row, value)
                queue.append(following)
    chain = []
    while b in came and b != a:
        before, value = came[b]
        chain.append((table.tracklets[before].key, table.tracklets[b].key, value))
        b = before
    return chain[::-1]


def place_text(table: TrackletTable, row: int) -> str:
    """Where and when a tracklet was seen."""
    item = table.tracklets[row]
    return f"{item.camera}, {item.times_s[0]:.2f} to {item.times_s[-1]:.2f} s of its own clock, {len(item)} boxes"
