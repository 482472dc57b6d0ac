"""Items arrive in order, errors arrive where they happened, and stopping never hangs."""

import threading
from collections.abc import Iterator

import pytest

from pipeline.input.ahead import Ahead, stop_all


def _count(limit: int) -> Iterator[int]:
    yield from range(limit)


def test_items_arrive_in_order() -> None:
    assert list(Ahead(_count(100), 3, "t")) == list(range(100))


def test_none_and_exceptions_are_ordinary_items() -> None:
    error = ValueError("an item")
    assert list(Ahead(iter([None, error, 1]), 2, "t")) == [None, error, 1]


def test_an_error_arrives_after_the_items_before_it() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise RuntimeError("decoder died")

    read = iter(Ahead(broken(), 4, "t"))
    assert next(read) == 1
    with pytest.raises(RuntimeError, match="decoder died"):
        next(read)


def test_reads_no_further_ahead_than_asked() -> None:
    started = []

    def items() -> Iterator[int]:
        for number in range(50):
            started.append(number)
            yield number

    ahead = Ahead(items(), 2, "t")
    first = next(iter(ahead))
    threading.Event().wait(0.3)
    assert first == 0
    # Two wait in the queue, and one is held by the thread that cannot put it.
    assert len(started) <= 4
    stop_all([ahead])


def test_a_chain_of_threads_stops_although_nobody_reads() -> None:
    inner = Ahead(_count(10**9), 2, "inner")
    outer = Ahead(iter(inner), 2, "outer")
    stop_all([inner, outer])
    assert not inner._thread.is_alive()
    assert not outer._thread.is_alive()
