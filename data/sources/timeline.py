"""Presentation timestamps turned into strictly rising seconds."""

from collections.abc import Sequence
from itertools import pairwise

# A step back of at least this many seconds is a new time base (a recorder that restarted, a counter that wrapped); a
# smaller one is a frame with a wrong stamp.
_NEW_BASE_S = 1.0


def rises(stamps: Sequence[float | None]) -> bool:
    """Whether every timestamp is there and greater than the one before."""
    if any(stamp is None for stamp in stamps):
        return False
    return all(a < b for a, b in pairwise(stamps))  # type: ignore[operator]


def usual_rate(stamps: Sequence[float]) -> float | None:
    """Frames per second from the median step between rising timestamps in seconds; None for fewer than two."""
    steps = sorted(b - a for a, b in pairwise(stamps))
    return 1 / steps[len(steps) // 2] if steps else None


class Timeline:
    """Times of one pass over a source, from its first frame on."""

    def __init__(self, fps: float, origin_s: float | None) -> None:
        """Start a pass.

        Args:
            fps: nominal frames per second.
            origin_s: timestamp that becomes time 0; None does without timestamps: time is index / fps.
        """
        self.fps, self.stamped = fps, origin_s is not None
        self._origin_s = origin_s or 0.0
        self._last_s = -1.0
        self.mended: list[int] = []

    def time(self, index: int, stamp_s: float | None) -> float:
        """Seconds of the next frame, above those of the frame before; ``mended`` notes where the stamp did not rise.

        A wrong stamp moves its own frame only: it follows the frame before by a tenth of a step. A new time base
        moves all later frames: it goes on one step after the frame before.
        """
        if not self.stamped:
            return index / self.fps
        step = 1 / self.fps
        if stamp_s is None:
            time_s = self._last_s + step
            self.mended.append(index)
        else:
            time_s = stamp_s - self._origin_s
            if time_s <= self._last_s:
                self.mended.append(index)
                if self._last_s - time_s >= _NEW_BASE_S:
                    self._origin_s += time_s - (self._last_s + step)
                    time_s = self._last_s + step
                else:
                    time_s = self._last_s + step / 10
        self._last_s = time_s
        return time_s
