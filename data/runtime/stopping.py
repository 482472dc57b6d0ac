"""Signals that ask a process to end, answered so that what was done is durable."""

import logging
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

logger = logging.getLogger(__name__)

_LAST_STEP_S = 60

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Ctrl-C, a polite kill, and a terminal that goes away."""


@contextmanager
def stop_signals(work: str, interrupt: Callable[[], None] | None = None) -> Iterator[list[int]]:
    """Collect signals instead of dying, so that what is at work can be finished and made durable.

    A second signal is not caught: it ends the process at once.

    Args:
        work: what is finished first, for the message ("batch").
        interrupt: ends the waiting for the next; called within the signal handler.
    """
    received: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        received.append(number)
        for each, handler in before.items():
            signal.signal(each, handler)
        logger.warning("stopping after this %s; once more ends at once", work)
        if interrupt is not None:
            interrupt()

    with _handled_by(note) as before:
        yield received


@contextmanager
def stopped_like_ctrl_c() -> Iterator[None]:
    """Every signal that asks a process to end raises ``KeyboardInterrupt``, as Ctrl-C does."""

    def interrupt(number: int, _: FrameType | None) -> None:
        raise KeyboardInterrupt(f"stopped by {signal.Signals(number).name}")

    with _handled_by(interrupt):
        yield


def work_on(_: int) -> None:
    """Have a worker process outlive a signal to the whole group, so that what is at work in its parent can be finished.

    Ctrl-C is the parent's alone to answer. After any other the worker has a while left: it is also how a
    parent that ends gets rid of what is left of its workers.

    Args:
        _: number of the worker.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "alarm"):
        for number in sorted({*SIGNALS} - {signal.SIGINT}):
            signal.signal(number, lambda *_: signal.alarm(_LAST_STEP_S))


@contextmanager
def _handled_by(handler: Callable[[int, FrameType | None], None]) -> Iterator[dict[int, Any]]:
    """Handle ``SIGNALS`` for the length of the block; gives the handlers there were.

    Outside the main thread signals are somebody else's to handle, and a hang-up that was ignored (nohup) stays so.
    """
    before: dict[int, Any] = {}
    try:
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[int(number)] = signal.signal(number, handler)
    except ValueError:
        before.clear()
    try:
        yield before
    finally:
        for number, one in before.items():
            signal.signal(number, one)
