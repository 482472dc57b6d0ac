"""A progress bar on a terminal, plain lines elsewhere."""

import logging
import sys
import time
from types import TracebackType
from typing import Any

logger = logging.getLogger(__name__)

_LINE_EVERY_S = 10.0


class Progress:
    """Counts frames on stderr."""

    def __init__(self, total: int | None, done: int = 0) -> None:
        """Start counting.

        Args:
            total: frames expected, or None where unknown.
            done: frames an earlier, interrupted run did already.
        """
        self._total, self._done, self._first = total, done, done
        self._start = self._last = time.monotonic()
        self._bar: Any = None

    def __enter__(self) -> "Progress":
        if sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(total=self._total, initial=self._done, unit="frame", desc="tracking", file=sys.stderr)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()
        else:
            self._line()

    def advance(self, frames: int) -> None:
        """Count frames as done."""
        self._done += frames
        if self._bar is not None:
            self._bar.update(frames)
        elif time.monotonic() - self._last >= _LINE_EVERY_S:
            self._line()

    def _line(self) -> None:
        self._last = time.monotonic()
        rate = (self._done - self._first) / max(self._last - self._start, 1e-9)
        of = "" if self._total is None else f" of {self._total}"
        logger.info("%d%s frames, %.1f frames/s", self._done, of, rate)
