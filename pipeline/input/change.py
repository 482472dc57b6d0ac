"""What changed in a fixed camera's picture since it was last looked at: differences of blocks, against their noise.

A picture is brought down to a small one whose every pixel is the mean of a block. A block has changed when one of its
colours differs from what it was at the last look by more than a few grey levels and a multiple of what that block
usually differs by. Blocks learn that usual difference where nobody is found: leaves, screens and burnt-in clocks wake
nobody for long. A change of half the picture (a cut, the lights) is never taken for noise.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.records import FloatArray, Frame, Image

Mask = NDArray[np.bool_]

_BLOCKS_WIDE = 64
_LEAST_LEVELS = 5.0
_SAME_LEVELS = 3.0
_TIMES_NOISE = 3.0
_RISE_S, _FALL_S = 2.0, 15.0
_WHOLE_PICTURE = 0.5


def blocks_of(frame: Frame) -> Image:
    """The small picture of a frame: (h, w, 3) uint8 RGB, w at most 64."""
    import cv2

    width, height = frame.size
    wide = min(_BLOCKS_WIDE, width)
    high = max(round(height * wide / width), 1)
    # Means over 4 x 4 pixels of each block do as well as means over all; halving twice is what OpenCV does fastest.
    small = frame.sampled(4 * wide, 4 * high)
    for times in (2, 1):
        small = np.asarray(cv2.resize(small, (times * wide, times * high), interpolation=cv2.INTER_AREA), np.uint8)
    return small


@dataclass(frozen=True, slots=True)
class Background:
    """What a camera showed at the last look.

    Attributes:
        blocks: (h, w, 3) uint8 the small picture.
        noise: (h, w) float32 usual difference of each block, grey levels.
    """

    blocks: Image
    noise: FloatArray

    @staticmethod
    def of(blocks: Image) -> "Background":
        """A picture about which nothing is known yet."""
        return Background(blocks, np.zeros(blocks.shape[:2], np.float32))

    def differences(self, blocks: Image) -> FloatArray:
        """(h, w) float32 grey levels, the most of the three colours."""
        import cv2

        red, green, blue = cv2.split(cv2.absdiff(blocks, self.blocks))
        return np.maximum(np.maximum(red, green), blue).astype(np.float32)

    def changed(self, differences: FloatArray) -> Mask:
        """(h, w) blocks that differ by more than their noise."""
        return differences > _LEAST_LEVELS + _TIMES_NOISE * self.noise

    def same(self, differences: FloatArray) -> bool:
        """Nothing differs by more than its noise and fewer levels than count as a change."""
        return not (differences > _SAME_LEVELS + _TIMES_NOISE * self.noise).any()

    def after_look(self, blocks: Image, elapsed_s: float, people: Mask) -> "Background":
        """The background of the next look.

        Args:
            blocks: the small picture that was just looked at; of the same size.
            elapsed_s: since the last look, seconds.
            people: (h, w) blocks in which somebody was found, now or at the last look: they teach nothing.
        """
        differences = self.differences(blocks)
        if self.changed(differences).mean() > _WHOLE_PICTURE:
            return Background(blocks, self.noise)
        memory_s = np.where(differences > self.noise, _RISE_S, _FALL_S)
        share = -np.expm1(-min(elapsed_s, _RISE_S) / memory_s)
        noise = np.where(people, self.noise, self.noise + share * (differences - self.noise))
        return Background(blocks, noise.astype(np.float32))


def covered(boxes: FloatArray, size: tuple[int, int], grid: tuple[int, int], margin: float) -> Mask:
    """Blocks that boxes touch.

    Args:
        boxes: (N, 4) xyxy px.
        size: (width, height) of the frame, px.
        grid: (h, w) blocks.
        margin: growth of each box on every side, box heights.

    Returns:
        (h, w) bool.
    """
    grown = boxes.astype(np.float64) + margin * (boxes[:, 3] - boxes[:, 1])[:, None] * np.array([-1, -1, 1, 1])
    scale = np.array([grid[1] / size[0], grid[0] / size[1]] * 2)
    low, high = np.floor(grown[:, :2] * scale[:2]), np.ceil(grown[:, 2:] * scale[2:])
    rows, columns = np.arange(grid[0]), np.arange(grid[1])
    in_rows = (rows >= low[:, 1, None]) & (rows < high[:, 1, None])
    in_columns = (columns >= low[:, 0, None]) & (columns < high[:, 0, None])
    return (in_rows[:, :, None] & in_columns[:, None, :]).any(axis=0)
