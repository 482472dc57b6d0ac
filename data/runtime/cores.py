"""The cores a process may use, and how its networks share them.

A network of one camera does not keep several cores busy: on two cores two threads in one run took 1.3 to 2 times the
processor time of one. So a run of a network has one thread, what comes together (pictures, crops) is spread over the
cores, and however many networks and callers there are, no more runs go on at once than there are cores. Where they are
fewer than the runs that are wanted, what somebody waits for goes before what is computed ahead: work that was begun is
finished before more is begun.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from threading import Condition
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

_AHEAD = ContextVar("ahead", default=False)


def usable_cores() -> int:
    """Cores this process may run on, those its affinity leaves; 1 or more."""
    try:
        return max(1, len(os.sched_getaffinity(0)))
    except AttributeError:
        return os.cpu_count() or 1


def cores_for(asked: int) -> int:
    """Cores a run takes that was told to take so many: not more than there are; 0: all."""
    return min(asked or usable_cores(), usable_cores())


def helpers(asked: int) -> int:
    """How many of the helper processes somebody asked for are worth starting: not more than there are cores."""
    return min(asked, usable_cores())


@contextmanager
def computed_ahead() -> Iterator[None]:
    """What this thread runs in here is needed later: it lets runs go first that somebody waits for now."""
    before = _AHEAD.set(True)
    try:
        yield
    finally:
        _AHEAD.reset(before)


class Cores:
    """So many cores, shared by whoever computes; threads may share one.

    Attributes:
        count: how many.
        awaited: runs that wait for a core and go before those that are computed ahead.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.awaited = 0
        self._free = count
        self._changed = Condition()
        # Apart, as what is awaited must not queue behind what is ahead.
        self._workers: dict[bool, ThreadPoolExecutor] = {}

    @contextmanager
    def held(self, threads: int = 1, *, ahead: bool = False) -> Iterator[None]:
        """Wait until so many are free, and keep them; not to be nested.

        Args:
            threads: how many; all, where there are fewer.
            ahead: let those go first who wait and are not ahead.
        """
        threads = min(threads, self.count)
        with self._changed:
            self.awaited += not ahead
            try:
                self._changed.wait_for(lambda: self._free >= threads and not (ahead and self.awaited))
                self._free -= threads
            finally:
                self.awaited -= not ahead
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._free += threads
                self._changed.notify_all()

    def spread(self, work: Callable[[T], R], items: Sequence[T], *, ahead: bool = False) -> list[R]:
        """Do the same with every item, in a thread of each core; what came of them, in order.

        Args:
            work: what to do.
            items: with what.
            ahead: in threads that what is awaited does not need.

        Raises:
            Exception: the first error of ``work``.
        """
        with self._changed:
            if ahead not in self._workers:
                self._workers[ahead] = ThreadPoolExecutor(self.count, "core-ahead" if ahead else "core")
        return list(self._workers[ahead].map(work, items))


def shared_cores(count: int) -> Cores:
    """The one set of so many cores in this process; 0: all that are usable."""
    return _cores(count or usable_cores())


@cache
def _cores(count: int) -> Cores:
    return Cores(count)


@dataclass(frozen=True, slots=True)
class Share:
    """How one network uses the cores.

    Attributes:
        cores: all there are.
        threads: of one run.
        runs: that go on at once at most.
        rows: that are not worth being divided: a run takes as many where the network lets it.
    """

    cores: Cores
    threads: int = 1
    runs: int = 1
    rows: int = 1

    @staticmethod
    def of(cores: int, threads: int = 1, at_once: int = 1, rows: int = 1) -> "Share":
        """The share of a network that is given so many rows at once; ``cores`` 0: all that are usable."""
        shared = shared_cores(cores)
        threads = min(threads, shared.count)
        return Share(shared, threads, max(1, min(shared.count // threads, at_once)), rows)

    def portion(self, count: int) -> int:
        """Rows of one run of a network that takes any number, where there are so many."""
        return max(-(-count // self.runs), self.rows)

    def each(self, work: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """Run every item while cores are held for it, several at once where that is allowed; in order."""
        ahead = _AHEAD.get()

        def held(item: T) -> R:
            with self.cores.held(self.threads, ahead=ahead):
                return work(item)

        if min(self.runs, len(items)) > 1:
            return self.cores.spread(held, items, ahead=ahead)
        return [held(item) for item in items]
