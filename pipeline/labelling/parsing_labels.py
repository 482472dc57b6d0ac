"""Parsing labels for a folder of crops: confidence fields of keypoints and limbs, times the outline of the person."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from data.atomic import open_atomic
from data.errors import UserError
from data.output_folder import prepare_folder
from data.records import FloatArray, Image
from pipeline.backends.yolo_seg import Instances
from reid.samples.crop_files import Crop, CropFolder, named
from reid.samples.part_labels import FIELDS, fields_from_keypoints

logger = logging.getLogger(__name__)

Grid = tuple[int, int]
Fields = Callable[[Crop, Grid], FloatArray]
Segment = Callable[[Image, Grid], Instances]

# A label whose strongest field is weaker than this is background everywhere (``reid.samples.part_labels.label_masks``).
_SEEN = 0.5
_STEEP = 8


@dataclass(slots=True)
class LabelCounts:
    """What was written.

    Attributes:
        crops: labels written.
        empty: crops whose label is background everywhere.
        unmasked: crops in which the segmentation found nobody, or not the target; their labels are zero.
    """

    crops: int = 0
    empty: list[str] = field(default_factory=list)
    unmasked: list[str] = field(default_factory=list)


def drawn_fields(crop: Crop, grid: Grid) -> FloatArray:
    """Fields drawn round the target's skeleton, (36, rows, columns); zero without one.

    A network's fields end abruptly: readers take its labels' level 0.2 for the person's outline, and 0.5 for a part's.
    Drawn fields fade out; below 0.5 they are cut off as steeply, so that both levels lie nearly on one line here too.
    """
    if crop.skeletons is None:
        return np.zeros((FIELDS, *grid), np.float32)
    drawn = fields_from_keypoints(crop.skeletons.target, crop.image.shape[:2], grid)
    return drawn * np.minimum(drawn / _SEEN, 1) ** _STEEP


def choose_instance(crop: Crop, found: Instances) -> int:
    """Which of the people found is the one the crop is about.

    With a target skeleton: who covers most of it, keypoints counted by confidence. Without: whose box's centre is
    nearest the middle of the crop, as in BPBReID's label script.

    Returns:
        Row of ``found``, the first of equals; -1 where nobody was found, or nobody covers a keypoint of the target.
    """
    if not len(found):
        return -1
    target = None if crop.skeletons is None else crop.skeletons.target
    if target is None or not target[:, 2].any():
        middle = np.array(crop.size, np.float32) / 2
        centres = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2
        return int(np.argmin(((centres - middle) ** 2).sum(axis=1)))
    rows, columns = found.masks.shape[1:]
    cells = np.floor(target[:, :2] / np.array(crop.size) * (columns, rows)).astype(np.int64)
    cells = cells.clip(0, (columns - 1, rows - 1))
    covered = (found.masks[:, cells[:, 1], cells[:, 0]] * target[:, 2]).sum(axis=1)
    best = int(np.argmax(covered))
    return best if covered[best] > 0 else -1


def make_labels(
    crops: CropFolder,
    out: Path,
    fields: Fields,
    grid: Grid = (48, 16),
    segment: Segment | None = None,
    suffix: str = ".npy",
    overwrite: bool = False,
) -> LabelCounts:
    """Write one label per crop that can be read: (36, rows, columns) float32, 0-1, as BPBReID's published files.

    Args:
        crops: what to read.
        out: folder of the labels, in the same sub-folders as the crops.
        fields: confidence fields of a crop.
        grid: rows, columns of a label.
        segment: finds outlines of people; the fields are multiplied by that of the person the crop is about.
        suffix: takes the place of the picture's own: ``.npy`` for Market-1501, ``.jpg.confidence_fields.npy`` for
            Occluded-Duke.
        overwrite: labels may be there already.

    Raises:
        UserError: when a crop cannot be read (see ``CropFolder``), two would get one label, or one cannot be written.
    """
    paths: dict[str, Path] = {}
    owners: dict[Path, str] = {}
    for name in crops.names:
        path = (out / name).with_suffix("")
        paths[name] = path.with_name(path.name + suffix)
        if owners.setdefault(paths[name], name) != name:
            raise UserError(f"{owners[paths[name]]} and {name} would both get the label {paths[name]}; rename one")
    prepare_folder(out, paths.values(), overwrite)
    counts = LabelCounts()
    for crop in crops:
        label = fields(crop, grid)
        if segment is not None:
            found = segment(crop.image, grid)
            chosen = choose_instance(crop, found)
            if chosen < 0:
                counts.unmasked.append(crop.name)
                label = np.zeros_like(label)
            else:
                label = label * found.masks[chosen]
        if label.max(initial=0) < _SEEN:
            counts.empty.append(crop.name)
        _write(paths[crop.name], label)
        counts.crops += 1
    crops.tell()
    for names, what in ((counts.unmasked, "the segmentation does not find the person"), (counts.empty, "empty label")):
        if names:
            logger.warning("%s: %d of %d crops: %s", what, len(names), counts.crops, named(names))
    return counts


def _write(path: Path, label: FloatArray) -> None:
    try:
        with open_atomic(path, "wb", durable=False) as stream:
            np.save(stream, label.astype(np.float32), allow_pickle=False)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from None
