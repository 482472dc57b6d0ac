"""Cutting people out of frames for appearance networks that take uint8 crops of one size."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.errors import UserError
from data.kernels.boxes import clip
from data.records import DoubleArray, EmbedRequest, FloatArray, Image

# A colour cast stronger than this is the scene's own colour, not the camera's.
_MAX_GAIN = 1.6
_SAMPLE_STEP = 8


@dataclass(frozen=True, slots=True)
class Crops:
    """The crops of all rows of several requests.

    Attributes:
        images: (S, h, w, 3) uint8 RGB, one per sound row.
        rows: (S,) int64, which row of the concatenated requests each crop shows.
        regions: (S, 4) float32 xyxy px, the part of the frame each crop shows.
        total: number of rows, the unsound ones included (boxes that show no pixel of the frame, or are not finite).
    """

    images: Image
    rows: NDArray[np.int64]
    regions: FloatArray
    total: int


def check_picture(image: Image) -> None:
    """Check that a picture is one: shares of 0-1 would be black, and grey or four channels other colours.

    Raises:
        UserError: when it is not (H, W, 3) uint8.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise UserError(f"a picture must be (H, W, 3) uint8 RGB, not {image.dtype} of shape {image.shape}")


def check_request(request: EmbedRequest) -> None:
    """Check what an appearance model is asked for.

    Raises:
        UserError: when the picture, boxes or skeletons are not of the shapes that ``EmbedRequest`` has.
    """
    check_picture(request.image)
    count = len(request.boxes)
    given = [("boxes", request.boxes, (count, 4)), ("negatives", request.negatives, (len(request.negatives), 17, 3))]
    if request.keypoints is not None:
        given.append(("keypoints", request.keypoints, (count, 17, 3)))
    for what, array, shape in given:
        if array.shape != shape:
            raise UserError(f"{what} must be of shape {shape}, not {array.shape}")


def cut_crops(requests: Sequence[EmbedRequest], size: tuple[int, int], adapt: str = "none") -> Crops:
    """Cut and resize every box: to whole pixels outwards, clipped to the frame, without keeping the aspect.

    Args:
        requests: any number of frames, of any sizes.
        size: height, width of a crop, px.
        adapt: "none", or "grey_world": even out the colour cast of each frame first.

    Raises:
        UserError: see ``check_request``.
    """
    images, rows, regions, first = [], [], [], 0
    for request in requests:
        check_request(request)
        gains = grey_world_gains(request.image) if adapt == "grey_world" else None
        outer = covering_pixels(request.boxes, request.image.shape)
        for row in np.flatnonzero((outer[:, 2:] > outer[:, :2]).all(axis=1)):
            x1, y1, x2, y2 = outer[row]
            crop = resize_crop(request.image[y1:y2, x1:x2], size)
            images.append(crop if gains is None else np.clip(crop * gains + 0.5, 0, 255).astype(np.uint8))
            rows.append(first + int(row))
            regions.append(outer[row])
        first += len(request.boxes)
    empty = np.zeros((0, *size, 3), np.uint8)
    return Crops(
        np.stack(images) if images else empty,
        np.array(rows, np.int64),
        np.array(regions, np.float32).reshape(-1, 4),
        first,
    )


def resize_crop(crop: Image, size: tuple[int, int]) -> Image:
    """(h, w, 3) uint8 to another height and width, px: by areas where the height shrinks, else bilinear."""
    import cv2

    shrinks = crop.shape[0] > size[0]
    resized: Image = cv2.resize(  # type: ignore[assignment]
        crop, (size[1], size[0]), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    )
    return resized


def covering_pixels(boxes: FloatArray, shape: Sequence[int]) -> NDArray[np.int64]:
    """Whole pixels that cover each box inside its frame.

    Args:
        boxes: (N, 4) xyxy px.
        shape: height, width, ... of the frame.

    Returns:
        (N, 4) x1 y1 x2 y2; empty where the box shows nothing of the frame, or is not finite.
    """
    finite = np.isfinite(boxes).all(axis=1, keepdims=True)
    inside = clip(np.where(finite, boxes, 0).astype(np.float64), shape[1], shape[0])
    return np.concatenate([np.floor(inside[:, :2]), np.ceil(inside[:, 2:])], axis=1).astype(np.int64)


def grey_world_gains(image: Image) -> DoubleArray:
    """Factor per channel that gives a frame's channels one mean (grey world, Buchsbaum 1980).

    Args:
        image: (H, W, 3) uint8.

    Returns:
        (3,), limited so that the scene's own colour is not taken for a camera's cast.
    """
    means = image[::_SAMPLE_STEP, ::_SAMPLE_STEP].reshape(-1, 3).mean(axis=0) if image.size else np.ones(3)
    gains: DoubleArray = np.clip(means.mean() / np.maximum(means, 1.0), 1 / _MAX_GAIN, _MAX_GAIN)
    return gains
