"""Interlaced pictures: two fields of every second line, taken one after the other and stored as one frame.

Whatever moves has a comb in such a frame. One field alone is a picture of one instant, at half the height. Many files
say that they are interlaced and are not: both fields of a frame are of one instant, and every line may be used.
"""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Fields = Literal["apart", "together", "unknown"]
"""Whether the two fields of a frame are of different instants, or of one; unknown: too little moved to tell."""

# Grey levels by which a pixel differs from the picture before where something moves.
_MOVED = 12
# Pixels looked at that have to have moved.
_LEAST_MOVED = 500
# Columns looked at, about.
_COLUMNS = 500
# Of six real recordings: whole .07 to .20 and 1.00 to 1.01; woven of two instants: .65 to 1.39 and 1.8 to 3.0.
_COMB, _LEAN = 0.4, 1.3


class FieldOrder:
    """Finds out from pictures in turn whether the two fields of a frame are of one instant.

    Where something moves, lines are compared with the lines above and below them, which are of the other field: of the
    same frame, of the frame before, and its lines with those of this frame. Fields of one instant fit each other, and
    both of the others badly and alike; of fields that follow each other one of the others fits as well, and one worse.
    """

    def __init__(self) -> None:
        self._before: NDArray[np.int16] | None = None
        self._within, self._across, self._moved = 0, [0, 0], 0

    def add(self, frame: Any) -> None:
        """Look at the next decoded PyAV frame."""
        whole = np.asarray(frame.to_ndarray(format="gray"), np.uint8)
        lines = whole[: len(whole) // 2 * 2, :: 1 + whole.shape[1] // _COLUMNS].astype(np.int16)
        before, self._before = self._before, lines
        if before is None or before.shape != lines.shape or len(lines) < 4:
            return
        changed = np.abs(lines - before) > _MOVED
        upper, lower = lines[0::2], lines[1:-1:2]
        around, around_before = upper[:-1] + upper[1:], before[0:-2:2] + before[2::2]
        moved = changed[1:-1:2] | changed[0:-2:2] | changed[2::2]
        self._moved += int(moved.sum())
        self._within += _unlike(lower, around, moved)
        self._across[0] += _unlike(before[1:-1:2], around, moved)
        self._across[1] += _unlike(lower, around_before, moved)

    def decide(self) -> Fields:
        """What the frames so far tell."""
        if self._moved < _LEAST_MOVED:
            return "unknown"
        best, worst = sorted(self._across)
        return "together" if self._within < _COMB * best and worst < _LEAN * best else "apart"


def _unlike(lines: NDArray[np.int16], around: NDArray[np.int16], moved: NDArray[np.bool_]) -> int:
    """How far lines are from the mean of those around them, given as their sum, in all."""
    return int(np.abs(2 * lines - around)[moved].sum(dtype=np.int64))


def upper_field(frame: Any) -> Any:
    """The upper of two fields of a decoded PyAV frame, as a frame of half its height.

    It is the earlier field in most files and half a frame later in the others, which does not matter here. Lines of
    chroma belong to the fields in turn as those of luma do, so every plane is halved alike. A frame that cannot be
    halved (a palette, stored upside down, a line high) is given back as it is.
    """
    import av

    if frame.height < 2 or frame.format.has_palette or any(plane.line_size <= 0 for plane in frame.planes):
        return frame
    field: Any = av.VideoFrame(frame.width, frame.height // 2, frame.format.name)
    for whole, half in zip(frame.planes, field.planes, strict=True):
        lines = np.frombuffer(whole, np.uint8).reshape(-1, whole.line_size)[::2]
        own = np.frombuffer(half, np.uint8).reshape(-1, half.line_size)
        rows, width = min(len(own), len(lines)), min(whole.line_size, half.line_size)
        own[:rows, :width] = lines[:rows, :width]
    field.colorspace, field.color_range = frame.colorspace, frame.color_range
    return field
