"""Reads crops for training and evaluation; deterministic, so that worker processes never change a result."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from data.errors import UserError
from data.pictures import read_picture
from data.records import FloatArray
from reid.samples.labels import part_masks, read_fields, resized
from reid.samples.network_input import SizedCrop, size_crop, stack_crops
from reid.samples.part_labels import PartGrouping
from reid.samples.sources import BadFiles, Sample
from reid.training.batch import ReadBatch

logger = logging.getLogger(__name__)

# How strong the strongest field is at a person's outline: those of a network fall off steeply, drawn ones do not.
_OUTLINE, _DRAWN_OUTLINE = 0.2, 0.5


@dataclass(frozen=True, slots=True, eq=False)
class LoadedCrop:
    """One crop at the network's input size, and what is to be learnt from it.

    Attributes:
        crop: picture and skeletons.
        parts: (K, H, W) uint8 part masks, 255 = 1; K is 0 without a grouping.
        silhouette: (H, W) uint8, 255 = the person.
        identity: of the sample.
        camera: of the sample.
        labelled: the part masks are known; those of other crops are empty, and say nothing about what is background.
    """

    crop: SizedCrop
    parts: NDArray[np.uint8]
    silhouette: NDArray[np.uint8]
    identity: int
    camera: int
    labelled: bool


class CropDataset(Dataset[LoadedCrop]):
    """Crops by index.

    Args:
        samples: what to read.
        size: height, width of the network's input, px.
        grouping: which fields make up a part; None: part masks are not needed.
        bad_files: what an unreadable picture or label does: fail, or replace it by the next sample of its identity.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        size: tuple[int, int],
        grouping: PartGrouping | None,
        bad_files: BadFiles = "fail",
    ) -> None:
        self.samples, self._size, self._grouping, self._bad_files = list(samples), size, grouping, bad_files

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> LoadedCrop:
        """Read one crop.

        Raises:
            UserError: when it cannot be read (and, with replace, no crop of its identity can).
        """
        try:
            return self._read(self.samples[index])
        except UserError as error:
            if self._bad_files == "fail":
                raise
            logger.warning("%s; another crop of the same person takes its place", error)
        for other in self._others(index):
            try:
                return self._read(self.samples[other])
            except UserError as error:
                logger.warning("%s", error)
        raise UserError(f"no crop of the person of {self.samples[index].path} can be read")

    def _others(self, index: int) -> list[int]:
        count, identity = len(self.samples), self.samples[index].identity
        order = [(index + step) % count for step in range(1, count)]
        return [other for other in order if self.samples[other].identity == identity]

    def _read(self, sample: Sample) -> LoadedCrop:
        picture = read_picture(sample.path)
        height, width = picture.shape[:2]
        skeletons = sample.skeletons((width, height))
        fields = read_fields(sample, skeletons.target, (height, width))
        outline = _DRAWN_OUTLINE if sample.labels is None else _OUTLINE
        return LoadedCrop(
            size_crop(picture, skeletons, self._size), self._parts(fields), self._silhouette(fields, outline),
            sample.identity, sample.camera, bool(fields.any()),
        )  # fmt: skip

    def _parts(self, fields: FloatArray) -> NDArray[np.uint8]:
        if self._grouping is None:
            return np.zeros((0, *self._size), np.uint8)
        return part_masks(fields, self._grouping, self._size)

    def _silhouette(self, fields: FloatArray, level: float) -> NDArray[np.uint8]:
        """Soft outline of the largest connected piece; zero where no field reaches the level."""
        import cv2

        height, width = self._size
        strongest = resized(fields.max(axis=0), self._size)
        mask = cv2.dilate((strongest > 255 * level).astype(np.uint8), np.ones((5, 5), np.uint8))
        contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        filled = np.zeros((height, width), np.uint8)
        if contours:
            cv2.drawContours(filled, [max(contours, key=cv2.contourArea)], -1, 255, cv2.FILLED)
        return cv2.GaussianBlur(filled, (9, 9), 0).astype(np.uint8)


def collate(crops: Sequence[LoadedCrop]) -> ReadBatch:
    """Stack crops; negatives are padded with zero skeletons to the longest list."""
    images, targets, negatives = stack_crops([crop.crop for crop in crops])
    return ReadBatch(
        images,
        torch.from_numpy(np.stack([crop.parts for crop in crops])),
        torch.from_numpy(np.stack([crop.silhouette for crop in crops])),
        targets,
        negatives,
        torch.tensor([crop.identity for crop in crops]),
        torch.tensor([crop.camera for crop in crops]),
        torch.tensor([crop.labelled for crop in crops]),
    )
