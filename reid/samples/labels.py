"""The parsing labels of crops: read from their files, or drawn from the keypoints."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from data.errors import UserError
from data.foreign import read_array
from data.records import FloatArray
from reid.models.part_head import MaskUse
from reid.samples.part_labels import FIELDS, PartGrouping, fields_from_keypoints, group_fields
from reid.samples.sources import Sample

_GRID = (48, 16)


def read_fields(sample: Sample, target: FloatArray, size: tuple[int, int]) -> FloatArray:
    """The parsing fields of a crop.

    Args:
        sample: the crop.
        target: (17, 3) skeleton of the person, px of the crop; used where there is no file.
        size: height, width of the crop, px.

    Returns:
        (36, h, w) float32; zero everywhere where nothing is known.

    Raises:
        UserError: when the label's file cannot be read.
    """
    if sample.labels is None:
        return fields_from_keypoints(target, size, _GRID)
    fields = read_array(sample.labels)
    if fields.ndim != 3 or len(fields) != FIELDS or 0 in fields.shape:
        raise UserError(f"{sample.labels}: a parsing label has {FIELDS} fields, not the shape {fields.shape}")
    return np.nan_to_num(fields.astype(np.float32))


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
