"""The bank of people that BIPO pastes: a few crops of every person, drawn once (the code of KPR, ECCV 2024)."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from data.records import IntArray
from reid.training.dataset import LoadedCrop
from reid.training.occlusion import Occluders

PER_PERSON = 5


class OccluderBank:
    """Crops to paste, read when they are first needed and then kept: 0.2 MB each at 384 x 128 px.

    Args:
        read: gives the crop of a row of the training set.
        identities: (N,) int64, of every row.
        seed: of the whole training; which crops are kept depends on nothing else.
        per_person: crops kept of a person.
    """

    def __init__(
        self, read: Callable[[int], LoadedCrop], identities: IntArray, seed: int, per_person: int = PER_PERSON
    ) -> None:
        self._read = read
        rng = np.random.default_rng([seed, per_person])
        order = np.argsort(identities, kind="stable")
        known, starts = np.unique(identities[order], return_index=True)
        self._rows = {
            int(identity): rng.permutation(rows)[:per_person].tolist()
            for identity, rows in zip(known, np.split(order, starts[1:]), strict=True)
        }
        self._kept: dict[int, list[LoadedCrop]] = {}

    def draw(self, identities: Tensor, probability: float, generator: torch.Generator) -> Occluders | None:
        """Choose people for some of the crops of a batch: of the batch's other people, in random order, the first of
        whom there is a crop with a silhouette, in a random one of these crops.

        Args:
            identities: (B,) int64, of the batch.
            probability: per crop.
            generator: on the CPU.

        Returns:
            On the CPU; None where nobody is pasted.

        Raises:
            UserError: when a crop cannot be read.
        """
        people = identities.unique().tolist()
        drawn = torch.rand(len(identities), 2 + len(people), generator=generator)
        rows, chosen = [], []
        for row, (identity, numbers) in enumerate(zip(identities.tolist(), drawn.tolist(), strict=True)):
            if numbers[0] >= probability:
                continue
            order = np.argsort(numbers[2:], kind="stable")
            crops = next((kept for one in order if people[one] != identity and (kept := self._of(people[one]))), [])
            if crops:
                rows.append(row)
                chosen.append(crops[int(numbers[1] * len(crops))])
        return _stacked(rows, chosen) if chosen else None

    def _of(self, identity: int) -> list[LoadedCrop]:
        """The kept crops of a person that have a silhouette."""
        if identity not in self._kept:
            crops = [self._read(row) for row in self._rows[identity]]
            self._kept[identity] = [_bare(crop) for crop in crops if crop.silhouette.any()]
        return self._kept[identity]


def _bare(crop: LoadedCrop) -> LoadedCrop:
    """Without part masks, which nobody pastes."""
    nothing = np.zeros((0, *crop.silhouette.shape), np.uint8)
    return LoadedCrop(crop.crop, nothing, crop.silhouette, crop.identity, crop.camera, crop.labelled)


def _stacked(rows: Sequence[int], crops: Sequence[LoadedCrop]) -> Occluders:
    images = torch.from_numpy(np.stack([crop.crop.image for crop in crops])).permute(0, 3, 1, 2)
    return Occluders(
        torch.tensor(rows),
        images.float() / 255,
        torch.from_numpy(np.stack([crop.silhouette for crop in crops])).float() / 255,
        torch.from_numpy(np.stack([crop.crop.target for crop in crops])),
    )
