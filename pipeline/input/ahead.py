"""Run an iterator ahead of its reader, in a thread, through a bounded queue."""

import queue
import threading
from collections.abc import Iterator, Sequence
from typing import Any, Generic, TypeVar

T = TypeVar("T")
_POLL_S = 0.1


class Ahead(Generic[T]):
    """Overlaps the work of an iterator with the work of its reader; at most ``depth`` items wait in between."""

    def __init__(self, items: Iterator[T], depth: int, name: str) -> None:
        self._items = items
        # Items travel in a 1-tuple so that an item that is None or an exception is not taken for the end.
        self._queue: queue.Queue[tuple[T] | BaseException | None] = queue.Queue(maxsize=depth)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[T]:
        """Items in order. An error raised by the iterator is raised here, after the items before it."""
        while True:
            try:
                item = self._queue.get(timeout=_POLL_S)
            except queue.Empty:
                if self._stopped.is_set():
                    return
                continue
            if item is None:
                return
            if isinstance(item, BaseException):
                raise item
            yield item[0]

    @property
    def waiting(self) -> int:
        """Items ready to be read: 0 means the reader is the faster one."""
        return self._queue.qsize()

    def request_stop(self) -> None:
        """Ask the thread to end; items not yet read may be dropped."""
        self._stopped.set()

    def join(self) -> None:
        """Wait until the thread has ended."""
        self._thread.join()

    def _work(self) -> None:
        try:
            for item in self._items:
                if not self._put((item,)):
                    return
            self._put(None)
        except BaseException as error:
            self._put(error)

    def _put(self, item: tuple[T] | BaseException | None) -> bool:
        while not self._stopped.is_set():
            try:
                self._queue.put(item, timeout=_POLL_S)
                return True
            except queue.Full:
                continue
        return False


def stop_all(threads: Sequence[Ahead[Any]]) -> None:
    """End threads that may read from one another."""
    for thread in threads:
        thread.request_stop()
    for thread in threads:
        thread.join()
