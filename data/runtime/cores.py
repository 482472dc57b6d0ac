"""The cores a process may use, and how its networks share them.

A network of one camera does not keep several cores busy: on two cores two threads in one run took 1.3 to 2 times the
processor time of one. So a run of a network has one thread, what comes together (pictures, crops) is spread over the
cores, and however many networks and callers there are, no more runs go on at once than there are cores.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from threading import Condition
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def usable_cores() -> int:
    """Cores this process may run on, those its affinity leaves; 1 or more."""
    try:
        return max(1, len(os.sched_getaffinity(0)))
    except AttributeError:
        return os.cpu_count() or 1


def helpers(asked: int) -> int:
    """How many of the helper processes somebody asked for are worth starting: not more than there are cores."""
    return min(asked, usable_cores())


class Cores:
    """So many cores, shared by whoever computes; threads may share one.

    Attributes:
        count: how many.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._free = count
        self._changed = Condition()
        self._workers: ThreadPoolExecutor | None = None

    @contextmanager
    def held(self, threads: int = 1) -> Iterator[None]:
        """Wait until so many are free, and keep them; not to be nested."""
        threads = min(threads, self.count)
        with self._changed:
            self._changed.wait_for(lambda: self._free >= threads)
            self._free -= threads
        try:
            yield
        finally:
            with self._changed:
                self._free += threads
                self._changed.notify_all()

    def spread(self, work: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """Do the same with every item, in a thread of each core; what came of them, in order.

        Raises:
            Exception: the first error of ``work``.
        """
        with self._changed:
            if self._workers is None:
                self._workers = ThreadPoolExecutor(self.count, "core")
        return list(self._workers.map(work, items))


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

        def held(item: T) -> R:
            with self.cores.held(self.threads):
                return work(item)

        return self.cores.spread(held, items) if min(self.runs, len(items)) > 1 else [held(item) for item in items]
