"""The parsing labels of crops: read from their files, or drawn from the keypoints."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.errors import UserError
from data.foreign import read_array
from data.records import FloatArray
from reid.models.part_head import MaskUse
from reid.samples.part_labels import FIELDS, PartGrouping, fields_from_keypoints, group_fields
from reid.samples.sources import Sample

_GRID = (48, 16)
# Interpolation overshoots a little; what lies farther out are no confidences.
_LOWEST, _HIGHEST, _ROUNDING = -1.0, 2.0, 1e-3


def read_fields(sample: Sample, target: FloatArray, size: tuple[int, int]) -> FloatArray:
    """The parsing fields of a crop.

    Args:
        sample: the crop.
        target: (17, 3) skeleton of the person, px of the crop; used where there is no file.
        size: height, width of the crop, px.

    Returns:
        (36, h, w) float32, 0-1; zero everywhere where nothing is known.

    Raises:
        UserError: see ``read_label``.
    """
    if sample.labels is None:
        return fields_from_keypoints(target, size, _GRID)
    return np.nan_to_num(read_label(sample.labels)).clip(0, 1)


def read_label(path: Path) -> FloatArray:
    """The fields of a parsing label as they are stored, (36, h, w) float32.

    Raises:
        UserError: when the file cannot be read, has other fields, or holds no confidences.
    """
    fields = read_array(path)
    if fields.ndim != 3 or len(fields) != FIELDS or 0 in fields.shape:
        raise UserError(f"{path}: a parsing label has {FIELDS} fields, not the shape {fields.shape}")
    fields = fields.astype(np.float32)
    low, high = (float(bound(fields.ravel(), initial=0.0)) for bound in (np.fmin.reduce, np.fmax.reduce))
    if low < _LOWEST or high > _HIGHEST:
        raise UserError(
            f"{path}: its values go from {low:g} to {high:g}; the fields of a parsing label are confidences from 0 to "
            f"1{', divide by 255' if low >= 0 and 100 < high <= 255 else ''}"
        )
    return fields


def strays(fields: FloatArray) -> bool:
    """Whether fields leave 0 to 1 by more than rounding, or hold NaN: ``read_fields`` cuts them."""
    return not bool(((fields >= -_ROUNDING) & (fields <= 1 + _ROUNDING)).all())


def part_masks(fields: FloatArray, grouping: PartGrouping, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Masks of the parts: (36, h, w) -> (K, H, W) uint8, 255 = 1; ``size`` is height, width."""
    return np.stack([resized(part, size) for part in group_fields(fields, grouping)])


def resized(field: FloatArray, size: tuple[int, int]) -> NDArray[np.uint8]:
    """A field of any size, 0-1 -> (H, W) uint8, 255 = 1."""
    import cv2

    large = cv2.resize(np.clip(field, 0, 1), size[::-1], interpolation=cv2.INTER_LINEAR)
    return np.rint(large * 255).astype(np.uint8)


def check_labels(samples: Sequence[Sample], use: MaskUse | None) -> None:
    """Make sure that a network which uses label masks can get them.

    Args:
        samples: its crops.
        use: what the masks do; None: there are none.

    Raises:
        UserError: when a crop has neither a label nor keypoints.
    """
    bare = next((sample for sample in samples if sample.labels is None and sample.keypoints is None), None)
    if use is not None and bare is not None:
        raise UserError(f"{bare.path} has neither a parsing label nor keypoints, which the network needs ({use} masks)")
