"""How well gaits are told apart: rank-n, nAUC and confusion of a recognition network; matching of conditions."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from data.records import DoubleArray, IntArray

Bools = NDArray[np.bool_]

_CHUNK = 1024


@dataclass(frozen=True, slots=True, eq=False)
class RecognitionScores:
    """Scores of N sequences among C people.

    Attributes:
        rank: (C,) share of sequences whose person is among the n likeliest, n from 1.
        nauc: area under the ROC curve over all (sequence, person) pairs (micro average of the raw scores).
        confusion: (C, C) sequences of each person (rows) that were taken for each (columns).
    """

    rank: DoubleArray
    nauc: float
    confusion: IntArray


def recognition_scores(scores: NDArray[np.floating], classes: IntArray) -> RecognitionScores:
    """Score a recognition network.

    Args:
        scores: (N, C), larger is likelier.
        classes: (N,) the right column of each.
    """
    from sklearn.metrics import confusion_matrix, roc_auc_score

    people = scores.shape[1]
    own = scores[np.arange(len(classes)), classes]
    place = (scores > own[:, None]).sum(axis=1)
    rank = np.cumsum(np.bincount(place, minlength=people))[:people] / len(classes)
    truth = np.zeros(scores.shape, bool)
    truth[np.arange(len(classes)), classes] = True
    nauc = float(roc_auc_score(truth.ravel(), scores.ravel())) if people > 1 else float("nan")
    confusion = confusion_matrix(classes, scores.argmax(axis=1), labels=np.arange(people))
    return RecognitionScores(rank, nauc, confusion.astype(np.int64))


def match_conditions(
    probe: Tensor, probe_people: IntArray, gallery: Tensor, gallery_people: IntArray, followed: Bools | None = None
) -> tuple[float, int]:
    """Rank-1 by the nearest gallery sequence, Euclidean (CASIA-B, CME).

    Args:
        probe: (P, F) features of sequences.
        probe_people: (P,) numbers.
        gallery: (G, F).
        gallery_people: (G,).
        followed: given where probe and gallery are the same sequences: (G - 1,), whether rows i and i + 1 follow one
            another. Each sequence and its neighbours, which share skeletons with it, are left out of its own search;
            the published rule leaves out the sequence alone.

    Returns:
        Share of probes whose nearest is the same person, and how many probes count: those that have somebody to find.
    """
    right = counted = 0
    for begin in range(0, len(probe), _CHUNK):
        rows = np.arange(begin, min(begin + _CHUNK, len(probe)))
        free = np.ones((len(rows), len(gallery)), bool)
        if followed is not None:
            local = rows - begin
            free[local, rows] = False
            after = rows[rows < len(followed)]
            after = after[followed[after]]
            free[after - begin, after + 1] = False
            before = rows[rows > 0]
            before = before[followed[before - 1]]
            free[before - begin, before - 1] = False
        own = probe_people[rows, None] == gallery_people
        findable = (own & free).any(axis=1)
        distance = torch.cdist(probe[begin : begin + len(rows)], gallery).numpy()
        nearest = np.where(free, distance, np.inf).argmin(axis=1)
        right += int((own[np.arange(len(rows)), nearest] & findable).sum())
        counted += int(findable.sum())
    return (right / counted if counted else float("nan")), counted
