"""Few looks that stand for many: an online choice of representative embeddings per tracklet."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from data.records import FloatArray, IntArray, PartEmbeddings
from trackers.appearance import from_tree, to_tree
from trackers.config import LooksConfig

_WORTH = 0.5
_UNLIKE = 2.0


class PrototypeBank:
    """Holds at most ``looks.prototypes`` embeddings for each of many tracklets, in one block of memory.

    A new look replaces the prototype it resembles if it is better, fills a free place if it resembles none, and, when
    all places are taken, drives out the worse one of the two most similar prototypes if it differs more than those do.
    Looks much worse than the best one are not taken: an occluded crop is always unlike the others. Values are kept as
    float16, the precision they are stored with.
    """

    def __init__(self, config: LooksConfig, like: PartEmbeddings) -> None:
        """Make an empty bank for embeddings in the shape of ``like``."""
        self._places = config.prototypes
        self._resemblance = config.prototype_distance
        self._like = like.select(np.zeros(0, np.int64))
        self._owner = np.zeros(0, np.int64)
        self._vectors = np.zeros((0, self._places, *like.vectors.shape[1:]), np.float16)
        self._visibility = np.zeros((0, self._places, like.visibility.shape[1]), np.float16)
        self._quality = np.zeros((0, self._places), np.float32)
        self._row = np.zeros((0, self._places), np.int64)
        self._weaker = np.zeros(0, np.int64)
        self._contrast = np.zeros(0, np.float32)

    def offer(self, owners: IntArray, looks: PartEmbeddings, quality: FloatArray, rows: IntArray) -> None:
        """Consider one new look for each of M tracklets.

        Args:
            owners: (M,) distinct numbers of the tracklets.
            looks: M embeddings.
            quality: (M,) how good each look is, > 0.
            rows: (M,) row of its tracklet each look was taken from.
        """
        seen = looks.visibility.any(axis=1)
        if not seen.any():
            return
        slots = self._slots(owners[seen])
        vectors, visibility, quality, rows = looks.vectors[seen], looks.visibility[seen], quality[seen], rows[seen]
        taken = self._quality[slots] > 0
        known = self._vectors[slots].astype(np.float32), self._visibility[slots].astype(np.float32)
        distances = _distances(vectors, visibility, *known)
        distances = np.where(taken, distances, np.inf)
        every = np.arange(len(slots))
        nearest = distances.argmin(axis=1)
        resembles = distances[every, nearest] < self._resemblance
        vacant = ~taken.all(axis=1)
        place = np.where(resembles, nearest, np.where(vacant, taken.argmin(axis=1), self._weaker[slots]))
        better = quality > self._quality[slots, nearest]
        wins = np.where(resembles, better, vacant | (distances[every, nearest] > self._contrast[slots]))
        wins &= quality >= _WORTH * self._quality[slots].max(axis=1)
        chosen, place = slots[wins], place[wins]
        self._vectors[chosen, place] = vectors[wins]
        self._visibility[chosen, place] = visibility[wins]
        self._quality[chosen, place] = quality[wins]
        self._row[chosen, place] = rows[wins]
        self._find_most_alike(chosen)

    def take(self, owner: int) -> tuple[PartEmbeddings | None, IntArray]:
        """Prototypes of a tracklet in the order of their rows, and those rows; None where it has none."""
        slot = np.flatnonzero(self._owner == owner)
        if not len(slot):
            return None, np.zeros(0, np.int64)
        places = np.flatnonzero(self._quality[slot[0]] > 0)
        places = places[np.argsort(self._row[slot[0], places], kind="stable")]
        chosen = PartEmbeddings(
            self._vectors[slot[0], places].astype(np.float32),
            self._visibility[slot[0], places].astype(np.float32),
            self._like.part_names,
            self._like.part_kinds,
            self._like.model_id,
        )
        return chosen, self._row[slot[0], places]

    def forget(self, owners: IntArray) -> None:
        """Free the places of tracklets that have ended."""
        slots = np.flatnonzero(np.isin(self._owner, owners))
        self._owner[slots] = -1
        self._quality[slots] = 0

    def merge(self, source: int, target: int, row_offset: int) -> None:
        """Offer all prototypes of one tracklet to another, whose rows come ``row_offset`` earlier, and forget them."""
        looks, rows = self.take(source)
        if looks is None:
            return
        slot = np.flatnonzero(self._owner == source)[0]
        places = np.flatnonzero(self._quality[slot] > 0)
        places = places[np.argsort(self._row[slot, places], kind="stable")]
        quality = self._quality[slot, places]
        self.forget(np.array([source]))
        for number in range(len(looks)):
            one = np.array([number])
            self.offer(np.array([target]), looks.select(one), quality[one], rows[one] + row_offset)

    def state(self) -> dict[str, Any]:
        """Plain values and arrays for a checkpoint: the places in use."""
        used = self._owner >= 0
        return {
            "like": to_tree(self._like),
            "owner": self._owner[used],
            "vectors": self._vectors[used],
            "visibility": self._visibility[used],
            "quality": self._quality[used],
            "row": self._row[used],
        }

    @staticmethod
    def from_state(config: LooksConfig, state: Mapping[str, Any]) -> "PrototypeBank":
        """The bank whose ``state`` this is."""
        like = from_tree(state["like"])
        assert like is not None
        bank = PrototypeBank(config, like)
        bank._owner, bank._row = np.array(state["owner"]), np.array(state["row"])
        bank._vectors, bank._visibility = np.array(state["vectors"]), np.array(state["visibility"])
        bank._quality = np.array(state["quality"])
        bank._weaker = np.zeros(len(bank._owner), np.int64)
        bank._contrast = np.zeros(len(bank._owner), np.float32)
        bank._find_most_alike(np.arange(len(bank._owner)))
        return bank

    def _slots(self, owners: IntArray) -> IntArray:
        """Place of each tracklet in memory; a new tracklet gets a free one."""
        new = owners[~np.isin(owners, self._owner)]
        free = np.flatnonzero(self._owner < 0)
        if len(free) < len(new):
            self._grow(max(len(new), len(self._owner), 8))
            free = np.flatnonzero(self._owner < 0)
        self._owner[free[: len(new)]] = new
        order = np.argsort(self._owner, kind="stable")
        return order[np.searchsorted(self._owner, owners, sorter=order)]

    def _grow(self, count: int) -> None:
        self._owner = np.concatenate([self._owner, np.full(count, -1)])
        for name in ("_vectors", "_visibility", "_quality", "_row", "_weaker", "_contrast"):
            old = getattr(self, name)
            setattr(self, name, np.concatenate([old, np.zeros((count, *old.shape[1:]), old.dtype)]))

    def _find_most_alike(self, slots: IntArray) -> None:
        """Note the worse one of the two most similar prototypes of each full slot, and how similar those two are."""
        full = slots[(self._quality[slots] > 0).all(axis=1)]
        if not len(full):
            return
        vectors = self._vectors[full].astype(np.float32).transpose(0, 2, 1, 3)
        seen = self._visibility[full].astype(np.float32)
        weight = np.sqrt(seen[:, :, None] * seen[:, None]).transpose(0, 3, 1, 2)
        pairs = _mean_distance(weight, np.matmul(vectors, vectors.transpose(0, 1, 3, 2)), axis=1)
        pairs[:, np.arange(self._places), np.arange(self._places)] = np.inf
        flat = pairs.reshape(len(full), -1)
        first, second = np.divmod(flat.argmin(axis=1), self._places)
        quality = self._quality[full]
        every = np.arange(len(full))
        self._weaker[full] = np.where(quality[every, first] < quality[every, second], first, second)
        self._contrast[full] = flat.min(axis=1)


def _distances(vectors: FloatArray, visibility: FloatArray, others: FloatArray, seen: FloatArray) -> FloatArray:
    """Distance of M looks to G others each: (M, P, D), (M, P), (M, G, P, D), (M, G, P) -> (M, G)."""
    weight = np.sqrt(visibility[:, None] * seen)
    return _mean_distance(weight, np.einsum("mpd,mgpd->mgp", vectors, others), axis=2)


def _mean_distance(weight: FloatArray, likeness: FloatArray, axis: int) -> FloatArray:
    """Weighted cosine distance over the parts (``axis``); without a common part, as unlike as can be."""
    total = weight.sum(axis)
    summed = (weight * (1 - likeness)).sum(axis)
    return np.divide(summed, total, out=np.full_like(total, _UNLIKE), where=total > 0)
