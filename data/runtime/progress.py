"""A progress bar on a terminal, plain lines elsewhere."""

import logging
import sys
import time
from types import TracebackType
from typing import Any

logger = logging.getLogger(__name__)

_LINE_EVERY_S = 10.0


class Progress:
    """Counts frames, or steps, on stderr."""

    def __init__(self, work: str, unit: str, total: int | None, done: int = 0, shown: bool = True) -> None:
        """Start counting.

        Args:
            work: what is going on ("tracking").
            unit: what is counted ("frame").
            total: how many are expected, or None where unknown.
            done: how many an earlier, interrupted run did already.
            shown: False counts without a word.
        """
        self._work, self._unit, self._shown = work, unit, shown
        self._total, self._done, self._first, self._told = total, done, done, ""
        self._start = self._last = time.monotonic()
        self._bar: Any = None
        self._said = -1

    def __enter__(self) -> "Progress":
        if self._shown and sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(
                total=self._total, initial=self._done, unit=self._unit, desc=self._work, file=sys.stderr,
                dynamic_ncols=True,
            )  # fmt: skip
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()
        elif self._done != self._said:
            self._line()

    def expect(self, total: int | None) -> None:
        """Correct how many are expected; fewer than are done already says that nothing is known."""
        self._total = None if total is None or total < self._done else total
        if self._bar is not None:
            self._bar.total = self._total

    def finish(self) -> None:
        """Say that all is done, however many were expected."""
        self.expect(self._done)

    def advance(self, count: int, told: str = "") -> None:
        """Count some as done.

        Args:
            count: how many.
            told: what else the bar or line says.
        """
        self._done, self._told = self._done + count, told
        if self._total is not None and self._done > self._total:
            self.expect(None)
        if self._bar is not None:
            self._bar.set_postfix_str(told, refresh=False)
            self._bar.update(count)
        elif time.monotonic() - self._last >= _LINE_EVERY_S:
            self._line()

    def _line(self) -> None:
        if not self._shown:
            return
        self._last, self._said = time.monotonic(), self._done
        rate = (self._done - self._first) / max(self._last - self._start, 1e-9)
        of, left = "", ""
        if self._total is not None:
            of = f" of {self._total}"
            if rate and self._done < self._total:
                left = f", {_duration((self._total - self._done) / rate)} left"
        told = f"; {self._told}" if self._told else ""
        logger.info("%d%s %ss, %.1f %ss/s%s%s", self._done, of, self._unit, rate, self._unit, left, told)


def _duration(seconds: float) -> str:
    """``45 s``, ``12 min``, ``3 h 20 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
