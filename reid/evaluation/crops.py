"""Reading the crops that are searched for and searched in."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from torch.utils.data import DataLoader, Dataset

from data.errors import UserError
from data.formats.reid_keypoints import CropSkeletons
from data.pictures import read_picture
from data.records import FloatArray, Image
from data.runtime.cores import helpers
from data.runtime.stopping import work_on
from reid.samples.crop_files import BadFiles
from reid.samples.labels import read_fields
from reid.samples.sources import Sample

logger = logging.getLogger(__name__)

Prompts = Literal["all", "target", "none"]

_SEEN = 0.3


@dataclass(frozen=True, slots=True, eq=False)
class LabelledCrop:
    """One picture and who is in it.

    Attributes:
        sample: where it comes from.
        image: (H, W, 3) uint8 RGB, as large as the file.
        skeletons: in its pixels; keypoints outside are zeroed and counted.
        fields: (36, h, w) parsing fields, where the network uses any; they stay when prompts are taken away.
    """

    sample: Sample
    image: Image
    skeletons: CropSkeletons
    fields: FloatArray | None = None

    @property
    def hidden(self) -> float:
        """Share of the person's keypoints that are not seen, 0-1; NaN without a skeleton."""
        confidence = self.skeletons.target[:, 2]
        return float((confidence <= _SEEN).mean()) if confidence.any() else float("nan")

    @property
    def others(self) -> int:
        """Other people of whom a keypoint is told."""
        return int((self.skeletons.negatives[..., 2] > 0).any(axis=1).sum())

    def prompted(self, prompts: Prompts) -> "LabelledCrop":
        """The crop with all its skeletons, with the person's only, or with none."""
        if prompts == "all":
            return self
        nobody = CropSkeletons.none()
        kept = nobody if prompts == "none" else replace(self.skeletons, negatives=nobody.negatives)
        return replace(self, skeletons=kept)


@dataclass(frozen=True, slots=True)
class BadCrop:
    """A crop that cannot be used.

    Attributes:
        path: the picture.
        reason: one line that names the file at fault.
    """

    path: Path
    reason: str


def read_crop(sample: Sample, labels: bool = False) -> LabelledCrop:
    """Read a picture and its skeletons, and its parsing label where ``labels`` are used.

    Raises:
        UserError: when one of them cannot be read.
    """
    image = read_picture(sample.path)
    height, width = image.shape[:2]
    skeletons = sample.skeletons((width, height))
    return LabelledCrop(
        sample, image, skeletons, read_fields(sample, skeletons.target, (height, width)) if labels else None
    )


def read_crops(
    samples: Sequence[Sample], batch: int, workers: int, bad_files: BadFiles = "fail", labels: bool = False
) -> Iterator[tuple[list[LabelledCrop], list[BadCrop]]]:
    """Read crops in order, some at a time, with those that had to be left out.

    Args:
        samples: what to read.
        batch: files per step.
        workers: processes that read; 0 reads here.
        bad_files: what a file that cannot be read does: end the reading, or be left out with a warning.
        labels: parsing labels are read too.

    Raises:
        UserError: for the first such file, where that ends the reading.
    """
    loader: DataLoader[Any] = DataLoader(
        _Reader(samples, labels), batch, num_workers=helpers(workers), collate_fn=list, worker_init_fn=work_on
    )
    for found in loader:
        bad = [crop for crop in found if isinstance(crop, BadCrop)]
        if bad and bad_files == "fail":
            raise UserError(bad[0].reason)
        for crop in bad:
            logger.warning("%s; it is left out", crop.reason)
        yield [crop for crop in found if isinstance(crop, LabelledCrop)], bad


class _Reader(Dataset["LabelledCrop | BadCrop"]):
    """Crops by index. Errors come back as values: a worker process would bury their one line in its traceback."""

    def __init__(self, samples: Sequence[Sample], labels: bool) -> None:
        self._samples, self._labels = samples, labels

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int) -> LabelledCrop | BadCrop:
        sample = self._samples[index]
        try:
            return read_crop(sample, self._labels)
        except UserError as error:
            return BadCrop(sample.path, str(error))
