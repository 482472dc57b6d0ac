"""Which pictures make up a batch: P identities with K pictures each, or any."""

import numpy as np

from data.errors import UserError
from data.records import IntArray


class IdentityBatches:
    """Draws the batches of every epoch from the seed and the epoch's number alone.

    Each identity's pictures are shuffled and cut into groups of K; the rest sits the epoch out, and an identity with
    fewer than K pictures repeats some. P random identities at a time give one group each, until fewer than P have one
    left.

    Args:
        identities: (N,) int64, of each picture.
        people: P.
        pictures: K.
        seed: of the whole training.

    Raises:
        UserError: when there are fewer than P identities.
    """

    def __init__(self, identities: IntArray, people: int, pictures: int, seed: int) -> None:
        self._people, self._pictures, self._seed = people, pictures, seed
        order = np.argsort(identities, kind="stable")
        _, starts = np.unique(identities[order], return_index=True)
        self._members = np.split(order, starts[1:])
        if len(self._members) < people:
            raise UserError(
                f"the training set has {len(self._members)} identities, fewer than one batch of {people}; lower "
                "batch.people"
            )

    def epoch(self, number: int) -> IntArray:
        """Batches of one epoch: (B, P*K) int64 indices of pictures, those of one identity side by side."""
        rng = np.random.default_rng([self._seed, number])
        groups = []
        for members in self._members:
            if len(members) < self._pictures:
                members = np.concatenate([members, rng.choice(members, self._pictures - len(members))])
            shuffled = rng.permutation(members)
            count = len(shuffled) // self._pictures
            groups.append(list(shuffled[: count * self._pictures].reshape(count, self._pictures)))
        left = np.array([len(group) for group in groups])
        batches = []
        while (available := np.flatnonzero(left)).size >= self._people:
            chosen = rng.choice(available, self._people, replace=False)
            batches.append(np.concatenate([groups[row][left[row] - 1] for row in chosen]))
            left[chosen] -= 1
        return np.stack(batches).astype(np.int64)


class ShuffledBatches:
    """Every picture once an epoch, in an order drawn from the seed and the epoch's number alone; a rest sits it out.

    Args:
        pictures: how many there are.
        size: pictures per batch.
        seed: of the whole training.

    Raises:
        UserError: when there are fewer pictures than one batch takes.
    """

    def __init__(self, pictures: int, size: int, seed: int) -> None:
        self._pictures, self._size, self._seed = pictures, size, seed
        if pictures < size:
            raise UserError(f"there are {pictures} pictures, fewer than one batch of {size}; lower batch.people")

    def epoch(self, number: int) -> IntArray:
        """Batches of one epoch: (B, size) int64 indices of pictures."""
        order = np.random.default_rng([self._seed, number]).permutation(self._pictures)
        count = self._pictures // self._size
        return order[: count * self._size].reshape(count, self._size)


class WholeEpochs:
    """Every picture once an epoch, the last batch as large as what is left, unless that is too small.

    Args:
        pictures: how many there are.
        size: pictures per batch.
        seed: of the whole training.
        least: pictures of the smallest batch; fewer sit the epoch out.
    """

    def __init__(self, pictures: int, size: int, seed: int, least: int = 2) -> None:
        self._pictures, self._size, self._seed, self._least = pictures, size, seed, least

    def epoch(self, number: int) -> list[IntArray]:
        """Batches of one epoch: int64 indices of pictures."""
        order = np.random.default_rng([self._seed, number]).permutation(self._pictures)
        parts = [order[first : first + self._size] for first in range(0, len(order), self._size)]
        return [part for part in parts if len(part) >= self._least]
