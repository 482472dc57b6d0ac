"""Pauses of a recording in its overlay: hours without a frame are shown in seconds.

A player waits through a pause, and MP4 keeps the length of a frame in 32 bits: after a night without frames nothing
would be seen.
"""

from pipeline.rendering.text import clock_text

_TOLD_S = 3.0


class Pauses:
    """Source times, rising, turned into times of a film in which no pause is longer than some seconds."""

    def __init__(self, longest_s: float) -> None:
        """Start a film.

        Args:
            longest_s: seconds a pause is shown at most.
        """
        self._longest_s = longest_s
        self._last_s: float | None = None
        self._film_s = 0.0
        self._told_until_s = -1.0
        self._remark = ""
        self.cut: list[float] = []

    def film_s(self, time_s: float) -> float:
        """Seconds from the start of the film at which a frame is shown; ``cut`` notes pauses that were cut, seconds."""
        step_s = 0.0 if self._last_s is None else time_s - self._last_s
        self._last_s = time_s
        if step_s > self._longest_s:
            self.cut.append(step_s)
            self._remark = f"after a pause of {clock_text(step_s)}"
            step_s = self._longest_s
            self._told_until_s = self._film_s + step_s + _TOLD_S
        self._film_s += step_s
        return self._film_s

    @property
    def remark(self) -> str:
        """What to write on the frames that follow a pause; else nothing."""
        return self._remark if self._film_s <= self._told_until_s else ""
