"""What is to be drawn into one frame."""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from data.records import FloatArray, IntArray
from pipeline.rendering.palette import GREY, Rgb, color_of


@dataclass(frozen=True, slots=True)
class Scene:
    """The people of one frame; row i of every column is the same person.

    Attributes:
        ids: (M,) global id, or the camera's own where ``local``.
        local: (M,) no global id is known.
        boxes: (M, 4) float32 xyxy px.
        dashed: (M,) predicted or interpolated, not seen.
        keypoints: (M, 17, 3) float32, or None; a row without a skeleton is zero.
        trails: M arrays (K, 2) float32 of foot points, oldest first, px.
        stands: (M, 2, 2) float32 px, where feet and head of each person are by its place on the ground; NaN where that
            is not known. None where no camera group was tracked.
        heights: (M,) body heights in metres, NaN where unknown; None likewise.
    """

    ids: IntArray
    local: NDArray[np.bool_]
    boxes: FloatArray
    dashed: NDArray[np.bool_]
    keypoints: FloatArray | None = None
    trails: list[FloatArray] = field(default_factory=list)
    stands: FloatArray | None = None
    heights: FloatArray | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def scaled(self, factor: float) -> "Scene":
        """The same scene in a picture of another size."""
        scale = np.float32(factor)
        keypoints = None if self.keypoints is None else self.keypoints * np.array([scale, scale, 1], np.float32)
        trails = [trail * scale for trail in self.trails]
        stands = None if self.stands is None else self.stands * scale
        return replace(self, boxes=self.boxes * scale, keypoints=keypoints, trails=trails, stands=stands)

    def label(self, row: int) -> str:
        """The id, and the height where it is known; an id that holds only in its camera is marked by a tilde."""
        identity = f"~{self.ids[row]}" if self.local[row] else str(self.ids[row])
        if self.heights is None or not np.isfinite(self.heights[row]):
            return identity
        return f"{identity}  {self.heights[row]:.2f} m"

    def color(self, row: int) -> Rgb:
        """Colour of the identity; grey where it is only the camera's own."""
        return GREY if self.local[row] else color_of(int(self.ids[row]))
