"""Which frames of a source are processed."""

import math

from data.config import SourcesConfig

# A frame may come this share of a slot early and still open it: times rounded to milliseconds jitter round the grid.
_EARLY = 0.1


class FrameSelector:
    """Skips the start of a source and thins it out to ``max_fps``, by time alone.

    Time is cut into slots of 1 / max_fps seconds and the first frame of each slot is kept. Every frame of the source
    passes through ``wants`` in order, so a resumed pass keeps exactly the frames a full one keeps.
    """

    def __init__(self, config: SourcesConfig, start_index: int = 0) -> None:
        """Start a pass.

        Args:
            config: ``start_s`` and ``max_fps``.
            start_index: frames before it are looked at but never wanted.
        """
        self._start_s, self._max_fps, self._start_index = config.start_s, config.max_fps, start_index
        self._slot = -1

    def wants(self, index: int, time_s: float) -> bool:
        """Whether the frame is to be processed; frames come in rising order."""
        if time_s < self._start_s - 1e-9:
            return False
        if self._max_fps is not None:
            slot = math.floor((time_s - self._start_s) * self._max_fps + _EARLY)
            if slot <= self._slot:
                return False
            self._slot = slot
        return index >= self._start_index


def selected_count(config: SourcesConfig, count: int, fps: float) -> int:
    """How many of the first frames of a source at a steady rate a ``FrameSelector`` wants.

    Args:
        config: ``start_s`` and ``max_fps``.
        count: frames, from the source's first.
        fps: of the source, frames per second.
    """
    first = max(math.ceil((config.start_s - 1e-9) * fps), 0)
    left = max(count - first, 0)
    if config.max_fps is None or not left:
        return left
    # Every slot from the first to the last holds a frame, or every frame has a slot of its own.
    begin, end = (math.floor((index / fps - config.start_s) * config.max_fps + _EARLY) for index in (first, count - 1))
    return min(left, end - begin + 1)
