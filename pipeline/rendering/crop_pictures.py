"""Pictures of one crop: its prompts, the attention of one part, the attention of all parts.

Every function takes a crop of any size and gives a picture ``height`` px high of the same aspect, so that pictures of
one crop lie side by side. Colours are Okabe and Ito's, which colour-blind people can tell apart; the target is drawn
with round joints and the others with crosses, so that colour is never the only sign.
"""

import numpy as np
from numpy.typing import NDArray

from data.formats.reid_keypoints import CropSkeletons
from data.records import FloatArray, Image
from data.skeletons import COCO17

Rgb = tuple[int, int, int]

TARGET: Rgb = (86, 180, 233)
NEGATIVE: Rgb = (213, 94, 0)
PART_COLORS: tuple[Rgb, ...] = (
    (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167),
    (160, 160, 160),
)  # fmt: skip
"""Part k has colour k modulo the number of colours."""

_RIM: Rgb = (20, 20, 20)
_LIMBS = np.array(COCO17.limbs)
_SHIFT = 3
# Line widths grow with the picture: one pixel for every so many of its height.
_PX_PER_LINE = 96
_HEAT, _TINT = 0.75, 0.6


def scaled(crop: Image, height: int) -> Image:
    """Bring a crop to a height, px; the aspect stays."""
    import cv2

    width = max(round(crop.shape[1] * height / crop.shape[0]), 1)
    how = cv2.INTER_AREA if height < crop.shape[0] else cv2.INTER_CUBIC
    return np.ascontiguousarray(cv2.resize(crop, (width, height), interpolation=how), np.uint8)


def prompted(crop: Image, skeletons: CropSkeletons, height: int = 256, threshold: float = 0.3) -> Image:
    """A crop with its prompts: the target's skeleton over everybody else's.

    Args:
        crop: (h, w, 3) uint8 RGB.
        skeletons: in pixels of the crop.
        height: of the picture, px.
        threshold: keypoints of this confidence or less are not drawn, as the prompts ignore them.

    Returns:
        (height, width, 3) uint8 RGB.
    """
    picture = scaled(crop, height)
    scale = np.array([picture.shape[1] / crop.shape[1], height / crop.shape[0]], np.float32)
    for skeleton in skeletons.negatives:
        _draw(picture, skeleton, scale, threshold, NEGATIVE, crosses=True)
    _draw(picture, skeletons.target, scale, threshold, TARGET, crosses=False)
    return picture


def heated(crop: Image, mask: FloatArray, height: int = 256) -> Image:
    """A crop in grey under the heat-map of one attention mask.

    Args:
        crop: (h, w, 3) uint8 RGB.
        mask: (rows, columns) 0-1; 0 leaves the grey picture, 1 is nearly all heat.
        height: of the picture, px.

    Returns:
        (height, width, 3) uint8 RGB.
    """
    import cv2

    grey = _grey(scaled(crop, height))
    level = _resized(mask, grey)
    heat = cv2.applyColorMap(np.rint(level * 255).astype(np.uint8), cv2.COLORMAP_TURBO)[..., ::-1]
    return _blend(grey, heat.astype(np.float32), _HEAT * level)


def tinted(crop: Image, masks: FloatArray, height: int = 256) -> Image:
    """A crop in grey with every place in the colour of its strongest part, as strong as that part's attention.

    Args:
        crop: (h, w, 3) uint8 RGB.
        masks: (K, rows, columns) 0-1, parts only (no background).
        height: of the picture, px.

    Returns:
        (height, width, 3) uint8 RGB.
    """
    grey = _grey(scaled(crop, height))
    levels = np.stack([_resized(mask, grey) for mask in masks])
    colors = np.array([part_color(part) for part in range(len(masks))], np.float32)
    return _blend(grey, colors[levels.argmax(axis=0)], _TINT * levels.max(axis=0))


def part_color(part: int) -> Rgb:
    """Colour of a part in ``tinted``."""
    return PART_COLORS[part % len(PART_COLORS)]


def _draw(
    picture: Image, skeleton: FloatArray, scale: FloatArray, threshold: float, color: Rgb, *, crosses: bool
) -> None:
    """Draw one skeleton in place; points outside the picture are left out, as the prompts leave them out."""
    import cv2

    points = skeleton[:, :2] * scale
    height, width = picture.shape[:2]
    seen = (skeleton[:, 2] > threshold) & ((points >= 0) & (points < (width, height))).all(axis=1)
    if not seen.any():
        return
    line = max(round(height / _PX_PER_LINE), 1)
    fixed: NDArray[np.int32] = np.rint(np.where(seen[:, None], points, 0) * (1 << _SHIFT)).astype(np.int32)
    limbs = list(fixed[_LIMBS[seen[_LIMBS].all(axis=1)]])
    for width_px, shade in ((line + 2, _RIM), (line, color)):
        cv2.polylines(picture, limbs, False, shade, width_px, cv2.LINE_AA, _SHIFT)
    size = line + 1
    for x, y in fixed[seen]:
        if crosses:
            place = (int(x) >> _SHIFT, int(y) >> _SHIFT)
            cv2.drawMarker(picture, place, _RIM, cv2.MARKER_TILTED_CROSS, 4 * size, line + 2)
            cv2.drawMarker(picture, place, color, cv2.MARKER_TILTED_CROSS, 4 * size, line)
        else:
            place = (int(x), int(y))
            cv2.circle(picture, place, (size + 1) << _SHIFT, _RIM, cv2.FILLED, cv2.LINE_AA, _SHIFT)
            cv2.circle(picture, place, size << _SHIFT, color, cv2.FILLED, cv2.LINE_AA, _SHIFT)


def _grey(picture: Image) -> Image:
    import cv2

    return np.repeat(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2).astype(np.uint8)


def _resized(mask: FloatArray, picture: Image) -> FloatArray:
    import cv2

    size = (picture.shape[1], picture.shape[0])
    level = cv2.resize(np.nan_to_num(mask).astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    return np.clip(level, 0, 1).astype(np.float32)


def _blend(picture: Image, over: FloatArray, opacity: FloatArray) -> Image:
    mixed = picture + (over - picture) * opacity[..., None]
    return np.rint(mixed).clip(0, 255).astype(np.uint8)
