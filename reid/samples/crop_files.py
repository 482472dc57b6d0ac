"""A folder of crops, and the keypoint files that go with it."""

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from data.errors import UserError
from data.formats.reid_keypoints import TEXTURES, CropSkeletons, read_keypoint_file, read_synthetic_crops
from data.listing import listed
from data.pictures import PICTURE_ENDINGS, is_picture, read_picture
from data.records import Image

logger = logging.getLogger(__name__)

BadFiles = Literal["fail", "skip"]

# What KPR's data sets call a crop's keypoint file; what OpenPifPaf's own command writes (Partial-ReID); a demo's.
_FILE_NAMES = ("{name}_keypoints.json", "{stem}_keypoints.json", "{name}.predictions.json", "{stem}.json")
_SIDECARS = "crops_*.json"
_NAMED = 3
_LINE_EVERY_S = 10.0


@dataclass(frozen=True, slots=True, eq=False)
class Crop:
    """One picture of one person.

    Attributes:
        name: path below its folder, with slashes.
        image: (H, W, 3) uint8 RGB.
        skeletons: in pixels of the crop; None where nothing is known.
    """

    name: str
    image: Image
    skeletons: CropSkeletons | None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, px."""
        return self.image.shape[1], self.image.shape[0]


def crop_names(folder: Path, leave_out: Path | None = None) -> list[str]:
    """Paths of all pictures below a folder, with slashes, sorted.

    The textures beside the crops of a synthetic site are no pictures of people.

    Args:
        folder: where to look.
        leave_out: a folder in it whose pictures do not count (what an earlier run wrote).

    Raises:
        UserError: when there is no such folder, or no picture in it.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder")
    found = [path for path in listed(folder, "**/*") if is_picture(path) and path.is_file()]
    if leave_out is not None and leave_out.resolve() != folder.resolve():
        found = [path for path in found if not path.resolve().is_relative_to(leave_out.resolve())]
    textures = {sidecar.parent / TEXTURES for sidecar in listed(folder, f"**/{_SIDECARS}")}
    found = [path for path in found if path.parent not in textures]
    if not found:
        raise UserError(f"{folder} holds no pictures ({', '.join(PICTURE_ENDINGS)})")
    return sorted(path.relative_to(folder).as_posix() for path in found)


class CropKeypoints:
    """The keypoints of crops, looked up by the crop's path.

    A folder holds one file per crop, in the same sub-folders as the crops, or a synthetic site's ``crops_*.json``; one
    such file, or the file of a single crop, may be named itself.

    Attributes:
        missing: crops without a file.
        without_target: crops whose file marks nobody as the target.
        outside: number of the targets' keypoints that lay outside their crops, and were zeroed.
    """

    def __init__(self, place: Path) -> None:
        """Look at what is there.

        Raises:
            UserError: when there is nothing, or a ``crops_*.json`` is unreadable.
        """
        if not place.exists():
            raise UserError(f"there are no keypoints: {place} does not exist")
        self._place = place
        self._single = place.is_file() and not place.match(_SIDECARS)
        self._owner: Path | None = None
        self._sidecar: dict[str, CropSkeletons] = {}
        for path in [place] if place.is_file() and not self._single else listed(place, _SIDECARS):
            self._sidecar |= read_synthetic_crops(path)
        self.missing: list[str] = []
        self.without_target: list[str] = []
        self.outside = 0

    def read(self, folder: Path, name: str, size: tuple[int, int]) -> CropSkeletons | None:
        """The skeletons of one crop, points outside it zeroed; None where it has no file.

        Args:
            folder: of the crops.
            name: of the crop below it.
            size: width, height of the crop, px.

        Raises:
            UserError: when the file is damaged, several skeletons are marked as the target, one has not 17 keypoints,
                no keypoint of the target lies inside the crop, or the file of a single crop is asked for another crop.
        """
        found = self._find(folder, name)
        if found is None:
            self.missing.append(name)
            return None
        where, given = found
        inside = given.inside(size)
        seen = int((given.target[:, 2] > 0).sum())
        if not seen:
            self.without_target.append(name)
        elif not inside.target.any():
            raise UserError(
                f"{where}: all keypoints of the target lie outside {name} ({size[0]} x {size[1]} px); they must be in "
                "pixels of the crop"
            )
        self.outside += seen - int((inside.target[:, 2] > 0).sum())
        return inside

    def tell(self, total: int) -> None:
        """Log one line for each thing that went amiss in ``total`` crops.

        Raises:
            UserError: when no crop has a file.
        """
        if len(self.missing) == total:
            raise UserError(
                f"{self._place} has keypoints for none of the {total} crops; expected {self.missing[0]}_keypoints.json"
            )
        for names, what in ((self.missing, "have no keypoint file"), (self.without_target, "have no target skeleton")):
            if names:
                logger.warning("%d of %d crops %s: %s", len(names), total, what, named(names))
        if self.outside:
            logger.warning("%d keypoints of targets lie outside their crops and do not count", self.outside)

    def _find(self, folder: Path, name: str) -> tuple[Path, CropSkeletons] | None:
        if self._single:
            self._owner = self._owner or folder / name
            if self._owner != folder / name:
                raise UserError(
                    f"{self._place} tells about one crop, and was taken for {self._owner.name}: for {name} too, name "
                    "the folder of the keypoint files"
                )
            return self._place, read_keypoint_file(self._place)
        for tail in _tails(folder, name):
            if tail in self._sidecar:
                return self._place, self._sidecar[tail]
            crop = PurePosixPath(tail)
            for pattern in _FILE_NAMES:
                path = self._place / crop.with_name(pattern.format(name=crop.name, stem=crop.stem))
                if path.is_file():
                    return path, read_keypoint_file(path)
        return None


class CropFolder:
    """Reads the crops below a folder one after the other, in the order of their names.

    Attributes:
        names: of all pictures, see ``crop_names``.
        bad: those that could not be read; they are left out.
    """

    def __init__(
        self,
        folder: Path,
        keypoints: CropKeypoints | None = None,
        bad_files: BadFiles = "fail",
        names: list[str] | None = None,
    ) -> None:
        """List a folder.

        Args:
            folder: of the crops.
            keypoints: where their skeletons are.
            bad_files: what a picture or keypoint file that cannot be read does: stop the work, or leave its crop out.
            names: read only these; None reads all that are there.

        Raises:
            UserError: when there is no such folder, or no picture in it.
        """
        self.folder, self._keypoints, self._bad_files = folder, keypoints, bad_files
        self.names = crop_names(folder) if names is None else names
        self.bad: list[str] = []

    def __iter__(self) -> Iterator[Crop]:
        """The crops that can be read.

        Raises:
            UserError: when one cannot be read and bad files fail, or none can be read.
        """
        self.bad = []
        last = time.monotonic()
        for done, name in enumerate(self.names):
            if time.monotonic() - last >= _LINE_EVERY_S:
                last = time.monotonic()
                logger.info("%d of %d crops", done, len(self.names))
            try:
                yield read_crop(self.folder, name, self._keypoints)
            except UserError as error:
                if self._bad_files == "fail":
                    raise UserError(f"{error}; --bad-files skip leaves such crops out") from None
                logger.warning("left out: %s", error)
                self.bad.append(name)
        if len(self.bad) == len(self.names):
            raise UserError(f"none of the {len(self.names)} pictures of {self.folder} can be used")

    def batches(self, size: int) -> Iterator[list[Crop]]:
        """The crops in portions of ``size``; the last may be smaller."""
        waiting: list[Crop] = []
        for crop in self:
            waiting.append(crop)
            if len(waiting) == size:
                yield waiting
                waiting = []
        if waiting:
            yield waiting

    def tell(self) -> None:
        """Log what was left out or lacks keypoints, once all crops are read.

        Raises:
            UserError: see ``CropKeypoints.tell``.
        """
        if self.bad:
            logger.warning("%d of %d crops were left out: %s", len(self.bad), len(self.names), named(self.bad))
        if self._keypoints is not None:
            self._keypoints.tell(len(self.names) - len(self.bad))


def read_crop(folder: Path, name: str, keypoints: CropKeypoints | None) -> Crop:
    """Read one crop, and its skeletons where there are any.

    Raises:
        UserError: when the picture or its keypoint file cannot be used.
    """
    image = read_picture(folder / name)
    size = (image.shape[1], image.shape[0])
    return Crop(name, image, None if keypoints is None else keypoints.read(folder, name, size))


def named(names: list[str]) -> str:
    """The first few names of a list."""
    return ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")


def _tails(folder: Path, name: str) -> Iterator[str]:
    """The crop's path below its folder, then with one folder above it more each time."""
    above = folder.resolve().parts[1:]
    for count in range(len(above) + 1):
        yield PurePosixPath(*above[len(above) - count :], name).as_posix()
