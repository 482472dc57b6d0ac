"""Parsing labels: from keypoint and limb confidence fields to the part masks a network's attention learns from.

A label file holds 36 fields in OpenPifPaf's order: 17 keypoints (COCO-17), then 19 limbs. A part's mask is the largest
of its fields. Background and parts are then made to compete by a sharp softmax (BPBReID, WACV 2023, section 3.3.1).
"""

from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from data.records import FloatArray

PartGrouping = Literal["five_v", "eight"]

FIELDS = 36
LIMBS: tuple[tuple[int, int], ...] = (
    (15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8), (7, 9), (8, 10), (1, 2),
    (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6),
)  # fmt: skip
"""Keypoints each of the fields 17 to 35 joins."""

_HEAD = (0, 1, 2, 3, 4, 29, 30, 31, 32, 33, 34, 35)
PART_FIELDS: dict[PartGrouping, tuple[tuple[int, ...], ...]] = {
    "five_v": (
        _HEAD, (7, 8, 25, 26, 5, 6, 24), (9, 10, 27, 28, 11, 12, 23), (11, 12, 13, 14, 17, 18, 19, 20), (15, 16),
    ),
    "eight": (
        _HEAD, (5, 7, 9, 25, 27), (6, 8, 10, 26, 28), (11, 12, 21, 22, 23, 24), (13, 17, 18, 21), (14, 19, 20), (15,),
        (16,),
    ),
}  # fmt: skip
"""Fields of each part, in the order of ``reid.models.spec.PART_NAMES``: the originals' lists, uneven sides included."""

_BACKGROUND_BELOW = 0.5
_SHARPNESS = 15.0
_SEEN = 0.3
# Half-widths as shares of the crop's height; the torso's limbs run along its sides and have to meet in its middle.
_SPREAD, _TORSO_SPREAD = 0.04, 0.08
_TORSO_FIELDS = (21, 22, 23, 24)


def group_fields(fields: FloatArray, grouping: PartGrouping) -> FloatArray:
    """Largest field of each part: (36, h, w) -> (K, h, w) float32, 0-1.

    Raises:
        ValueError: for another number of fields.
    """
    if fields.ndim != 3 or len(fields) != FIELDS:
        raise ValueError(f"parsing labels have {FIELDS} fields (36, h, w), not the shape {fields.shape}")
    sound = np.nan_to_num(fields.astype(np.float32), posinf=1.0)
    return np.stack([sound[list(members)].max(axis=0) for members in PART_FIELDS[grouping]]).clip(0, 1)


def label_masks(parts: Tensor, size: tuple[int, int] | None = None) -> Tensor:
    """Masks that sum to 1 at every pixel, background first.

    The background is 1 where no part reaches 0.5, then softmax(15 x) over background and parts.

    Args:
        parts: (N, K, h, w) 0-1.
        size: height, width to bring the masks to (bilinear); None keeps theirs.

    Returns:
        (N, K+1, height, width).
    """
    background = (parts.amax(1, keepdim=True) < _BACKGROUND_BELOW).to(parts.dtype)
    masks = torch.softmax(_SHARPNESS * torch.cat([background, parts], 1), 1)
    if size is None or size == masks.shape[2:]:
        return masks
    return F.interpolate(masks, size, mode="bilinear", align_corners=False)


def fields_from_keypoints(keypoints: FloatArray, size: tuple[int, int], grid: tuple[int, int]) -> FloatArray:
    """Stand-in for OpenPifPaf's fields where there is only a skeleton: Gaussians round its points and limbs.

    Args:
        keypoints: (17, 3) x px, y px, confidence, in the crop; points of confidence 0.3 or less, and limbs without both
            of their ends, leave their field empty.
        size: height, width of the crop, px.
        grid: rows, columns of the fields.

    Returns:
        (36, rows, columns) float32, 0-1.
    """
    rows, columns = grid
    y, x = (np.arange(rows) + 0.5) * size[0] / rows, (np.arange(columns) + 0.5) * size[1] / columns
    cells = np.stack(np.broadcast_arrays(x[None, :], y[:, None]), -1).reshape(1, -1, 2)
    ends = np.array([(point, point) for point in range(17)] + list(LIMBS))
    start, span = keypoints[ends[:, 0], None, :2], (keypoints[ends[:, 1], :2] - keypoints[ends[:, 0], :2])[:, None]
    length = (span**2).sum(-1)
    along = np.divide(
        ((cells - start) * span).sum(-1), length, out=np.zeros((FIELDS, rows * columns)), where=length > 0
    )
    gap = ((cells - start - along.clip(0, 1)[..., None] * span) ** 2).sum(-1)
    spread = np.full((FIELDS, 1), _SPREAD * size[0])
    spread[list(_TORSO_FIELDS)] = _TORSO_SPREAD * size[0]
    confidence = keypoints[ends, 2].min(axis=1, keepdims=True)
    fields = np.where(confidence > _SEEN, np.exp(-0.5 * gap / spread**2), 0.0)
    return fields.reshape(FIELDS, rows, columns).astype(np.float32)
