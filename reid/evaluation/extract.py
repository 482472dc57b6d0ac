"""From crops to features, whatever the network: what retrieval, breakdown and pictures are computed from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from data.errors import UserError
from data.records import DoubleArray, IntArray
from reid.evaluation.crops import BadCrop, LabelledCrop, Prompts, read_crops
from reid.models.part_head import MaskUse, VisibilityMode
from reid.samples.crop_files import BadFiles
from reid.samples.sources import Sample


class Extractor(Protocol):
    """A network that describes crops by one or several embeddings.

    Attributes:
        model_id: name of the network in results.
        part_names: of the embeddings.
        labels: what the masks of the crops' parsing labels do; None: it needs none.
    """

    model_id: str
    part_names: tuple[str, ...]
    labels: MaskUse | None

    def describe(self, crops: Sequence[LabelledCrop]) -> tuple[Tensor, Tensor]:
        """Vectors (N, P, D) float32 of unit length and visibilities (N, P), bool or float32 0-1, both on the CPU."""
        ...

    def attention(self, crops: Sequence[LabelledCrop]) -> Tensor | None:
        """Where each embedding looks, (N, P, h, w) 0-1, or None where the network does not tell."""
        ...


@dataclass(frozen=True, slots=True)
class Reading:
    """How crops are read.

    Attributes:
        batch: crops per run of the network.
        workers: processes that read pictures; 0 reads in this one.
        prompts: which skeletons the network is given.
        bad_files: files that cannot be read end the evaluation, or are left out.
    """

    batch: int = 64
    workers: int = 0
    prompts: Prompts = "all"
    bad_files: BadFiles = "fail"


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """N crops as a network describes them; row i of every field is the same crop.

    Attributes:
        samples: the crops that could be read, in the order asked for.
        vectors: (N, P, D) float32, unit length.
        visibility: (N, P) bool or float32 0-1.
        hidden: (N,) share of the person's keypoints that are not seen, 0-1; NaN without a skeleton.
        others: (N,) int64 other people in the crop, as far as its skeletons tell.
        outside: keypoints that lay outside their picture.
        bad: crops left out.
    """

    samples: tuple[Sample, ...]
    vectors: Tensor
    visibility: Tensor
    hidden: DoubleArray
    others: IntArray
    outside: int
    bad: tuple[BadCrop, ...]

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def identities(self) -> IntArray:
        """(N,) int64."""
        return np.array([sample.identity for sample in self.samples], np.int64)

    @property
    def cameras(self) -> IntArray:
        """(N,) int64."""
        return np.array([sample.camera for sample in self.samples], np.int64)

    @property
    def clothes(self) -> IntArray | None:
        """(N,) int64, equal where one person wears the same; None where the data set does not tell."""
        worn = [sample.clothes for sample in self.samples if sample.clothes is not None]
        return np.array(worn, np.int64) if len(worn) == len(self.samples) else None

    @property
    def without_skeleton(self) -> int:
        """Crops whose person has no skeleton; a promptable network takes them without a prompt."""
        return int(np.isnan(self.hidden).sum())

    @property
    def without_parts(self) -> int:
        """Crops in which no embedding is visible: nothing can be compared with them."""
        return int((~(self.visibility > 0).any(1)).sum())


def extract(extractor: Extractor, samples: Sequence[Sample], what: str, reading: Reading) -> Features:
    """Describe crops, each once.

    Args:
        extractor: the network.
        samples: crops.
        what: what they are, for the error message ("query").
        reading: how they are read.

    Raises:
        UserError: when there is no crop, none can be read, or one cannot and that is to end the evaluation.
    """
    bad: list[BadCrop] = []
    described: list[tuple[Tensor, Tensor]] = []
    facts: list[tuple[float, int]] = []
    outside = 0
    read: list[Sample] = []
    labels = extractor.labels is not None
    for kept, left_out in read_crops(samples, reading.batch, reading.workers, reading.bad_files, labels):
        bad += left_out
        read += [crop.sample for crop in kept]
        facts += [(crop.hidden, crop.others) for crop in kept]
        outside += sum(crop.skeletons.outside for crop in kept)
        if kept:
            described.append(extractor.describe([crop.prompted(reading.prompts) for crop in kept]))
    if not described:
        first = f"; the first: {bad[0].reason}" if bad else ""
        raise UserError(f"no {what} crop can be read, of {len(samples)}{first}")
    hidden, others = zip(*facts, strict=True)
    return Features(
        tuple(read),
        torch.cat([vectors for vectors, _ in described]),
        torch.cat([visibility for _, visibility in described]),
        np.array(hidden, np.float64),
        np.array(others, np.int64),
        outside,
        tuple(bad),
    )


def in_mode(visibility: Tensor, mode: VisibilityMode) -> Tensor:
    """Visibilities 0-1 -> bool in binary mode, as they are in continuous mode."""
    return visibility > 0 if mode == "binary" else visibility
