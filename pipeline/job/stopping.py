"""Stopping a run by a signal, so that what was done is durable."""

import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

logger = logging.getLogger(__name__)


class InterruptedRun(KeyboardInterrupt):
    """The user stopped the run; what was done is durable."""


@contextmanager
def stop_signals() -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM instead of dying, so that the batch at work can be finished and made durable.

    A second signal is not caught: it ends the process at once.
    """
    received: list[int] = []
    before: dict[int, Any] = {}

    def note(number: int, _: FrameType | None) -> None:
        received.append(number)
        logger.warning("stopping after this batch; once more ends at once")
        signal.signal(number, before[number])

    try:
        for number in (int(signal.SIGINT), int(signal.SIGTERM)):
            before[number] = signal.signal(number, note)
    except ValueError:
        before.clear()  # Not the main thread: signals are somebody else's to handle.
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
