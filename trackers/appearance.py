"""What a tracker knows of how people look: remembered embeddings, and what a distance between them means."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.records import FloatArray, PartEmbeddings
from trackers.config import LooksConfig

_MOST_PAIRS = 2000.0
_LEAST_GAP = 0.02


def blank(count: int, like: PartEmbeddings) -> PartEmbeddings:
    """``count`` rows of "no evidence" in the shape of ``like``."""
    return replace(
        like,
        vectors=np.zeros((count, *like.vectors.shape[1:]), np.float32),
        visibility=np.zeros((count, like.visibility.shape[1]), np.float32),
    )


def join(a: PartEmbeddings, b: PartEmbeddings) -> PartEmbeddings:
    """The rows of a, then those of b.

    Raises:
        ValueError: when the two come from different models.
    """
    if a.model_id != b.model_id or a.part_names != b.part_names:
        raise ValueError(f"one track cannot hold embeddings of two models: '{a.model_id}' and '{b.model_id}'")
    return replace(
        a,
        vectors=np.concatenate([a.vectors, b.vectors]),
        visibility=np.concatenate([a.visibility, b.visibility]),
    )


def blend(old: PartEmbeddings, new: PartEmbeddings, rate: FloatArray) -> PartEmbeddings:
    """Exponential moving average, part by part.

    A part moves by ``rate`` times its visibility in the new look; a part never seen before is taken as it is; one that
    is invisible now stays. Its visibility is the best it was ever seen with.

    Args:
        old: N remembered looks.
        new: N row-aligned new looks.
        rate: (N,) 0-1.

    Returns:
        N looks, unit length per visible part.
    """
    share = np.where(old.visibility > 0, rate[:, None] * new.visibility, new.visibility > 0)[..., None]
    mixed = (1 - share) * old.vectors + share * new.vectors
    length = np.linalg.norm(mixed, axis=-1, keepdims=True)
    vectors = np.divide(mixed, length, out=np.zeros_like(mixed), where=length > 1e-9)
    return replace(
        old,
        vectors=vectors.astype(np.float32),
        visibility=np.maximum(old.visibility, new.visibility).astype(np.float32),
    )


def to_tree(embeddings: PartEmbeddings | None) -> dict[str, Any] | None:
    """Plain values and arrays, for a checkpoint."""
    if embeddings is None:
        return None
    return {
        "vectors": embeddings.vectors,
        "visibility": embeddings.visibility,
        "part_names": embeddings.part_names,
        "part_kinds": embeddings.part_kinds,
        "model_id": embeddings.model_id,
    }


def from_tree(tree: Mapping[str, Any] | None) -> PartEmbeddings | None:
    """Inverse of ``to_tree``."""
    return None if tree is None else PartEmbeddings(**tree)


class DistanceScale:
    """Learns, while tracking, which distances one person has to himself and which two people have to one another.

    Networks differ in the distances they give, and so do cameras. Two people seen in one frame are a certain "other"
    pair; a track and the only box it can be are an almost certain "same" pair. Running means and variances of both,
    started from first guesses, put any distance on one scale: towards +1 as familiar as oneself, 0 undecided, towards
    -1 as strange as somebody else. How far it goes depends on how well the two kinds are told apart at all: with the
    contrast c = (mean other - mean same) / (std same + std other), the scale ends at c^2 / (1 + c^2).
    """

    def __init__(self, config: LooksConfig) -> None:
        self._means = np.array([config.same_distance, config.other_distance], np.float64)
        self._variances = np.full(2, ((config.other_distance - config.same_distance) / 4) ** 2)
        self._pairs = np.full(2, config.guess_pairs, np.float64)

    def learn(self, same: NDArray[np.floating], other: NDArray[np.floating]) -> None:
        """Take distances of certain pairs; NaN ("no evidence") is skipped."""
        for kind, distances in enumerate((same, other)):
            known = distances[np.isfinite(distances)].astype(np.float64)
            if not len(known):
                continue
            before = min(self._pairs[kind], _MOST_PAIRS)
            self._pairs[kind] = before + len(known)
            share = len(known) / self._pairs[kind]
            shift = known.mean() - self._means[kind]
            self._means[kind] += share * shift
            self._variances[kind] += share * (known.var() - self._variances[kind]) + share * (1 - share) * shift**2

    def familiarity(self, distances: NDArray[np.floating]) -> NDArray[np.float64]:
        """Distances to -1 (a stranger) ... +1 (oneself); "no evidence" (NaN) is 0, which speaks for neither."""
        same, other = self._means
        gap = max(other - same, _LEAST_GAP)
        contrast = gap / np.sqrt(self._variances).sum()
        scaled = np.clip((same + other - 2 * distances.astype(np.float64)) / gap, -1, 1)
        return np.nan_to_num(scaled, nan=0.0) * contrast**2 / (1 + contrast**2)

    def state(self) -> dict[str, Any]:
        """Plain values, for a checkpoint."""
        return {"means": self._means.copy(), "variances": self._variances.copy(), "pairs": self._pairs.copy()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from ``state``."""
        self._means = np.array(state["means"])
        self._variances = np.array(state["variances"])
        self._pairs = np.array(state["pairs"])
