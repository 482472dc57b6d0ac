"""How far a run was right about itself: links over cameras as it expected them, and by the truth."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.association.expectation import pairs_over_cameras
from pipeline.evaluation.association.scores import PairScores
from pipeline.evaluation.association.truth import NOBODY, Key, TrackletTruth


@dataclass(frozen=True, slots=True)
class LinkCheck:
    """Pairs of tracklets of two cameras.

    Attributes:
        found: by the truth, each tracklet its main person.
        expected_precision: as the run expected it.
        expected_recall: likewise; None where it expected nothing.
    """

    found: PairScores
    expected_precision: float
    expected_recall: float | None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "expected_precision": round(self.expected_precision, 4),
            "precision": round(self.found.precision, 4),
            "expected_recall": None if self.expected_recall is None else round(self.expected_recall, 4),
            "recall": round(self.found.recall, 4),
        }

    def line(self) -> str:
        """For the log."""
        recall = "unknown" if self.expected_recall is None else f"{100 * self.expected_recall:.0f} %"
        return (
            f"pairs over cameras: {100 * self.found.precision:.0f} % of those made are right "
            f"({100 * self.expected_precision:.0f} % were expected), {100 * self.found.recall:.0f} % of all there are "
            f"were made ({recall})"
        )


def check_links(truth: TrackletTruth, labels: Mapping[Key, int], precision: float, recall: float | None) -> LinkCheck:
    """Compare.

    Args:
        truth: who the tracklets are.
        labels: identity of each.
        precision: expected of pairs over cameras, 0-1.
        recall: likewise; None where nothing is expected.
    """
    person, identity = truth.main()[0], truth.labels(labels)
    names = sorted({camera for camera, _ in truth.keys})
    camera = np.array([names.index(key[0]) for key in truth.keys], np.int64)
    known = person != NOBODY
    _, both = np.unique(np.stack([person[known], identity[known]]), axis=1, return_inverse=True)
    found = PairScores(
        right=pairs_over_cameras(both.ravel(), camera[known]),
        made=pairs_over_cameras(identity, camera),
        true=pairs_over_cameras(person[known], camera[known]),
    )
    return LinkCheck(found, precision, recall)
