"""How well identities over tracklets agree with the truth, and how far link probabilities can be trusted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from data.records import DoubleArray, IntArray, Link
from pipeline.evaluation.association.truth import NOBODY, Key, TrackletTruth, people_of

MIXED_BELOW = 0.8
BINS = 10
_DECIMALS = 6


@dataclass(frozen=True, slots=True)
class PairScores:
    """Of all pairs of tracklets, those of one person (true) and those in one identity (made).

    Attributes:
        right: both.
        made: in one identity.
        true: of one person.
    """

    right: int
    made: int
    true: int

    @property
    def precision(self) -> float:
        """Share of the pairs made that are right; 1 where none was made."""
        return self.right / self.made if self.made else 1.0

    @property
    def recall(self) -> float:
        """Share of the true pairs that were made; 1 where there is none."""
        return self.right / self.true if self.true else 1.0

    @property
    def f(self) -> float:
        """Harmonic mean of both."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Links of about one probability: what was claimed and what is true."""

    low: float
    high: float
    links: int
    claimed: float
    true: float


@dataclass(frozen=True, slots=True)
class Reliability:
    """How far link probabilities can be trusted.

    Attributes:
        bins: those that hold links, by probability.
        expected_error: mean distance between claim and truth over the links (expected calibration error, Naeini,
            Cooper & Hauskrecht, AAAI 2015), 0-1; 0 without links.
        joined_claimed: mean probability of the links between tracklets of one identity; 1 where there is none.
        joined_true: share of them that are right; 1 where there is none.
    """

    bins: tuple[ReliabilityBin, ...]
    expected_error: float
    joined_claimed: float
    joined_true: float


@dataclass(frozen=True, slots=True)
class AssociationScores:
    """What one association is worth.

    Attributes:
        tracklets: how many.
        mixed: those of which less than ``MIXED_BELOW`` is one person.
        people: in the truth.
        identities: found.
        pairs: precision and recall over pairs of tracklets, each by its main person.
        idf1: identity F1 over rows (Ristani et al., ECCV Workshops 2016), every identity one person, 0-1.
        reliability: of the link probabilities.
    """

    tracklets: int
    mixed: int
    people: int
    identities: int
    pairs: PairScores
    idf1: float
    reliability: Reliability

    def to_json(self) -> dict[str, Any]:
        """Plain values; shares as fractions."""
        shares = {
            "pair_precision": self.pairs.precision,
            "pair_recall": self.pairs.recall,
            "pair_f": self.pairs.f,
            "idf1": self.idf1,
            "expected_calibration_error": self.reliability.expected_error,
            "joined_links_claimed": self.reliability.joined_claimed,
            "joined_links_true": self.reliability.joined_true,
        }
        return {
            "tracklets": self.tracklets,
            "mixed_tracklets": self.mixed,
            "people": self.people,
            "identities": self.identities,
            **{name: round(value, _DECIMALS) for name, value in shares.items()},
            "reliability": [
                {
                    "from": round(item.low, _DECIMALS),
                    "to": round(item.high, _DECIMALS),
                    "links": item.links,
                    "claimed": round(item.claimed, _DECIMALS),
                    "true": round(item.true, _DECIMALS),
                }
                for item in self.reliability.bins
            ],
        }


def score(truth: TrackletTruth, labels: Mapping[Key, int], links: Sequence[Link] = ()) -> AssociationScores:
    """Judge an association.

    Args:
        truth: who the tracklets are.
        labels: identity of every tracklet.
        links: evidence with probabilities; those that a hard constraint decided say nothing of them and are left out.
    """
    found, (main, share) = truth.labels(labels), truth.main()
    return AssociationScores(
        tracklets=len(truth),
        mixed=int((share < MIXED_BELOW).sum()),
        people=len(np.unique(truth.person)),
        identities=len(np.unique(found)),
        pairs=score_pairs(main, found),
        idf1=identity_f1(truth, found),
        reliability=reliability(truth, labels, links),
    )


def score_pairs(person: IntArray, identity: IntArray) -> PairScores:
    """Pairs of tracklets that are and that were made one person.

    Args:
        person: (T,) who; tracklets of ``NOBODY`` are in no true pair.
        identity: (T,) as what they were found.
    """
    known = person != NOBODY
    both = np.stack([person, identity], axis=1)[known]
    return PairScores(
        right=_within(np.unique(both, axis=0, return_counts=True)[1]),
        made=_within(np.unique(identity, return_counts=True)[1]),
        true=_within(np.unique(person[known], return_counts=True)[1]),
    )


def _within(counts: IntArray) -> int:
    return int((counts * (counts - 1) // 2).sum())


def identity_f1(truth: TrackletTruth, identity: IntArray) -> float:
    """2 IDTP / (rows of the truth + rows found), with the one-to-one choice of identities that makes IDTP largest.

    Args:
        truth: who the tracklets are.
        identity: (T,) as what they were found.
    """
    from scipy.optimize import linear_sum_assignment
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    rows = truth.truth_rows + int(truth.length.sum())
    if not rows:
        return 1.0
    people, person = np.unique(truth.person, return_inverse=True)
    names, name = np.unique(identity, return_inverse=True)
    name = name[truth.tracklet]
    if not len(person):
        return 0.0
    count = len(people) + len(names)
    shared = coo_matrix((truth.rows, (person, len(people) + name)), (count, count)).tocsr()
    # People and identities that share no rows need not be weighed against each other.
    part = connected_components(shared, directed=False)[1]
    best = 0.0
    order = np.argsort(part, kind="stable")
    for members in np.split(order, np.flatnonzero(np.diff(part[order])) + 1):
        left, right = members[members < len(people)], members[members >= len(people)]
        if len(left) and len(right):
            block = shared[left][:, right].toarray()
            best += block[linear_sum_assignment(block, maximize=True)].sum()
    return float(2 * best / rows)


def reliability(truth: TrackletTruth, labels: Mapping[Key, int], links: Sequence[Link]) -> Reliability:
    """Claimed probabilities against the truth, in ``BINS`` equal bins."""
    known = set(truth.keys)
    judged = [link for link in links if not link.constraint and {link.a, link.b} <= known]
    a, b = people_of(truth, [link.a for link in judged]), people_of(truth, [link.b for link in judged])
    same = (a == b) & (a != NOBODY)
    claimed: DoubleArray = np.array([link.probability for link in judged], np.float64)
    number = np.minimum((claimed * BINS).astype(np.int64), BINS - 1)
    bins = []
    for place in np.unique(number).tolist():
        inside = number == place
        means = float(claimed[inside].mean()), float(same[inside].mean())
        bins.append(ReliabilityBin(place / BINS, (place + 1) / BINS, int(inside.sum()), *means))
    error = sum(item.links * abs(item.claimed - item.true) for item in bins) / max(len(judged), 1)
    joined = np.array([labels[link.a] == labels[link.b] for link in judged], bool)
    means = (float(claimed[joined].mean()), float(same[joined].mean())) if joined.any() else (1.0, 1.0)
    return Reliability(tuple(bins), error, *means)
