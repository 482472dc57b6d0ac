"""What a run expects of itself: how many of its links over cameras are right, and how many it misses, without truth."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit

from data.records import IntArray
from pipeline.association.exclusions import MustLink
from pipeline.association.scoring import Scores
from pipeline.association.table import TrackletTable


@dataclass(frozen=True, slots=True)
class Expectation:
    """Pairs of tracklets of two cameras that are one identity, and what their probabilities say of them.

    Attributes:
        made: such pairs of which something is known.
        compared: pairs of two cameras of which a cue speaks, joined or not; those that are certain do not count.
        unknown: such pairs of which no cue speaks, joined by way of others; they count nowhere here.
        right: expected number of the pairs made that are one person.
        true: expected number of all compared pairs of two cameras that are one person.
    """

    made: int
    compared: int
    unknown: int
    right: float
    true: float

    @property
    def precision(self) -> float:
        """Expected share of the pairs made that are right; 1 where none was made."""
        return self.right / self.made if self.made else 1.0

    @property
    def recall(self) -> float | None:
        """Expected share of the true pairs that were made; 1 where none is expected, None where none was compared."""
        if not self.compared:
            return None
        return self.right / self.true if self.true else 1.0

    def to_json(self) -> dict[str, Any]:
        """Plain values, for the manifest."""
        return {
            "pairs_over_cameras": self.made,
            "pairs_unknown": self.unknown,
            "expected_precision": round(self.precision, 4),
            "expected_recall": None if self.recall is None else round(self.recall, 4),
        }

    def line(self) -> str:
        """For the log."""
        if not self.made:
            return "no tracklets of two cameras were joined"
        pairs = "1 pair" if self.made == 1 else f"{self.made} pairs"
        if self.recall is None:
            return f"{pairs} of tracklets joined over cameras, for certain; no others could be compared"
        return (
            f"{pairs} of tracklets joined over cameras; the run expects {100 * self.precision:.0f} % of them to be "
            f"right, and to have found {100 * self.recall:.0f} % of those there are"
        )


NOTHING = Expectation(0, 0, 0, 0.0, 0.0)


def expect(table: TrackletTable, scores: Scores, labels: IntArray, certain: Iterable[MustLink]) -> Expectation:
    """Add up the probabilities of pairs of two cameras.

    Args:
        table: the tracklets.
        scores: evidence about candidate pairs.
        labels: (N,) identity of each row.
        certain: must-links, which are right whatever the evidence says.
    """
    pairs, probability = scores.pairs, expit(scores.stated)
    sure = np.array([(min(link.a, link.b), max(link.a, link.b)) for link in certain], np.int64).reshape(-1, 2)
    total = max(len(table), 1)
    codes, certain_codes = pairs.a * total + pairs.b, sure[:, 0] * total + sure[:, 1]
    probability = np.where(np.isin(codes, certain_codes), 1.0, probability)
    compared = table.camera[pairs.a] != table.camera[pairs.b]
    compared &= ~np.isin(codes, certain_codes)
    extra = sure[~np.isin(certain_codes, codes)]
    a, b = np.concatenate([pairs.a, extra[:, 0]]), np.concatenate([pairs.b, extra[:, 1]])
    probability = np.concatenate([probability, np.ones(len(extra))])
    across = table.camera[a] != table.camera[b]
    joined = across & (labels[a] == labels[b])
    return Expectation(
        made=int(joined.sum()),
        compared=int(compared.sum()),
        unknown=pairs_over_cameras(labels, table.camera) - int(joined.sum()),
        right=float(probability[joined].sum()),
        true=float(probability[across].sum()),
    )


def pairs_over_cameras(names: IntArray, camera: IntArray) -> int:
    """Pairs that share a name and are of two cameras.

    Args:
        names: (N,) identity or person of each tracklet.
        camera: (N,) number of its camera.
    """
    own = np.unique(np.stack([names, camera]), axis=1, return_counts=True)[1]
    return _pairs(np.unique(names, return_counts=True)[1]) - _pairs(own)


def _pairs(counts: IntArray) -> int:
    return int((counts * (counts - 1) // 2).sum())
