"""From stored pictures to those a viewer sees: fields, display matrices, pixels that are not square, one size."""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from data.records import Image
from data.sources.fields import upper_field

# Of pixels nearer to square than this, or farther from it, nothing is made: the first would only blur, the second is
# a damaged header.
_SQUARE = 0.01
_ODDEST = 4

Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Orientation:
    """One of the eight ways a picture can be laid down.

    Attributes:
        transposed: rows become columns, before the flips.
        left_right: columns are turned round.
        up_down: rows are turned round.
    """

    transposed: bool = False
    left_right: bool = False
    up_down: bool = False

    @property
    def mirrored(self) -> bool:
        """Whether it is no mere rotation."""
        return self.transposed ^ self.left_right ^ self.up_down

    def size(self, stored: Size) -> Size:
        """(width, height) after it."""
        return (stored[1], stored[0]) if self.transposed else stored

    def __call__(self, image: Image) -> Image:
        """Lay a picture (H, W, C) down; a view."""
        image = image.transpose(1, 0, 2) if self.transposed else image
        return image[:: -1 if self.up_down else 1, :: -1 if self.left_right else 1]


def orientation_of(matrix: bytes) -> Orientation:
    """The orientation nearest to a display matrix: nine int32 in FFmpeg's order (libavutil/display.h).

    A stored point (p, q) is shown at (a p + c q, b p + d q), up to a shift; a, b are the first two numbers, c, d the
    fourth and fifth.
    """
    a, b, _, c, d = np.frombuffer(matrix, np.int32, count=5).astype(np.int64).tolist()
    if abs(b) + abs(c) > abs(a) + abs(d):
        return Orientation(True, left_right=c < 0, up_down=b < 0)
    return Orientation(False, left_right=a < 0, up_down=d < 0)


def believed_aspect(said: Fraction | None) -> Fraction | None:
    """Width of a pixel over its height as a header says; None where it is square, nearly so, or absurd."""
    if not said or not 1 / _ODDEST <= said <= _ODDEST or abs(said - 1) < _SQUARE:
        return None
    return said


def square_pixels(stored: Size, aspect: Fraction | None) -> Size:
    """(width, height) of the same picture in square pixels: the side that is too short grows.

    Args:
        stored: (width, height) as stored.
        aspect: see ``believed_aspect``.
    """
    width, height = stored
    if aspect is None:
        return stored
    return (round(width * aspect), height) if aspect > 1 else (width, round(height / aspect))


def common_size(sizes: Iterable[Size]) -> Size:
    """The commonest (width, height), of several the largest."""
    counts: dict[Size, int] = {}
    for size in sizes:
        counts[size] = counts.get(size, 0) + 1
    return max(counts, key=lambda size: (counts[size], size[0] * size[1], size))


def fitted(size: Size, into: Size) -> Size:
    """The largest (width, height) of the same proportions that fits into another."""
    scale = min(into[0] / size[0], into[1] / size[1])
    return min(into[0], max(1, round(size[0] * scale))), min(into[1], max(1, round(size[1] * scale)))


def centred(image: Image, size: Size) -> Image:
    """A picture that fits, in the middle of a black one of (width, height) ``size``; C-contiguous."""
    height, width = image.shape[:2]
    if (width, height) == size:
        return np.ascontiguousarray(image)
    canvas = np.zeros((size[1], size[0], 3), np.uint8)
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    canvas[top : top + height, left : left + width] = image
    return canvas


def fit(image: Image, size: Size) -> Image:
    """A picture brought to (width, height) with its proportions kept, black beside it."""
    import cv2

    shown = (image.shape[1], image.shape[0])
    if shown == size:
        return image
    inner = fitted(shown, size)
    way = cv2.INTER_AREA if inner[0] < shown[0] else cv2.INTER_LINEAR
    return centred(np.asarray(cv2.resize(image, inner, interpolation=way), np.uint8), size)


class ToRgb:
    """Turns decoded PyAV frames into upright RGB pictures of square pixels and one size; by one thread at a time."""

    def __init__(
        self,
        size: Size,
        aspect: Fraction | None,
        whole_pictures: bool = False,
        orientations: "Orientations | None" = None,
    ) -> None:
        """Prepare.

        Args:
            size: (width, height) of all pictures that come out.
            aspect: width of a stored pixel over its height; None: square.
            whole_pictures: frames that are marked interlaced hold whole pictures all the same.
            orientations: of the source; None: nothing is known of them yet.
        """
        from av.video.reformatter import VideoReformatter

        self.size = size
        self._whole, self._few = VideoReformatter(), VideoReformatter()
        self._aspect, self._whole_pictures = aspect, whole_pictures
        self._orientations = orientations or Orientations()

    def __call__(self, frame: Any) -> Image:
        """Convert a frame to (H, W, 3) uint8 RGB; an interlaced one without its comb."""
        combed = frame.interlaced_frame and not self._whole_pictures
        return self._converted(self._whole, frame, self.size, upper_field(frame) if combed else frame)

    def sampled(self, frame: Any, size: Size) -> Image:
        """Convert evenly spread pixels of a frame to a picture of (width, height) ``size``, uint8 RGB."""
        return self._converted(self._few, frame, size, frame, interpolation="POINT")

    def _converted(self, reformatter: Any, frame: Any, size: Size, lines: Any, **how: Any) -> Image:
        """Bring what is stored in ``lines``, of the frame or of a field of it, to the size and way up of the frame."""
        orientation = self._orientations(frame)
        shown = orientation.size(square_pixels((frame.width, frame.height), self._aspect))
        width, height = orientation.size(fitted(shown, size))
        picture = reformatter.reformat(lines, width=width, height=height, format="rgb24", threads=1, **how).to_ndarray()
        return centred(orientation(np.asarray(picture, np.uint8)), size)


class DecodedPicture:
    """A decoded PyAV frame as a ``data.records.Picture``."""

    def __init__(self, frame: Any, to_rgb: ToRgb) -> None:
        self._frame, self._to_rgb = frame, to_rgb
        self._rgb: Image | None = None
        self.size = to_rgb.size

    def rgb(self) -> Image:
        """See ``Picture``."""
        if self._rgb is None:
            self._rgb = self._to_rgb(self._frame)
        return self._rgb

    def sampled(self, width: int, height: int) -> Image:
        """See ``Picture``."""
        return self._to_rgb.sampled(self._frame, (width, height))


class Orientations:
    """How the frames of one source want to be shown.

    A frame whose side data was read refers to itself, and its picture stays in memory until Python's collector comes
    round, which is the later the longer a run is. So of the frames with one rotation only the first is asked; a source
    does not change its mirroring alone.
    """

    def __init__(self) -> None:
        self._known: dict[int, Orientation] = {}

    def __call__(self, frame: Any) -> Orientation:
        """The orientation of a decoded PyAV frame."""
        rotation = frame.rotation
        if rotation not in self._known:
            matrix = frame.side_data.get("DISPLAYMATRIX")
            self._known[rotation] = Orientation() if matrix is None else orientation_of(bytes(matrix))
        return self._known[rotation]


def shown_size(frame: Any, aspect: Fraction | None, orientation: Orientation) -> Size:
    """(width, height) at which a decoded PyAV frame is shown."""
    return orientation.size(square_pixels((frame.width, frame.height), aspect))
