"""Measuring how the runs of one network use the cores: threads of a run, and rows that are better left together."""

from collections.abc import Callable

from data.runtime.network import FloatArray, Network
from data.runtime.trial import spent_per_row

# Twice the threads must take a quarter off the time of a run, and add no more than a quarter to its processor time,
# which other stages want.
_FASTER = 0.75
_DEARER = 1.25
# Rows stay together where that takes a tenth off their processor time.
_TOGETHER = 0.9


def threads_of_a_run(build: Callable[[int], Network], row: FloatArray, most: int) -> int:
    """Threads one row is worth, where fewer rows come at once than there are cores: 1, 2, 4 ...

    Args:
        build: opens the network with so many threads.
        row: (1, ...) input.
        most: cores there are for one row.
    """
    threads = 1
    if most < 2:
        return threads
    cpu_s, wall_s = spent_per_row(build(threads), row)
    while 2 * threads <= most:
        more_cpu_s, more_wall_s = spent_per_row(build(2 * threads), row)
        if more_wall_s > _FASTER * wall_s or more_cpu_s > _DEARER * cpu_s:
            break
        threads, wall_s = 2 * threads, more_wall_s
    return threads


def rows_of_a_run(build: Callable[[int], Network], blob: FloatArray) -> int:
    """Rows that are not worth being divided among cores: all of the blob's, or 1.

    Args:
        build: opens the network so that so many rows stay together.
        blob: (N, ...) input.
    """
    if len(blob) < 2 or build(1).batch is not None:
        return 1
    together, _ = spent_per_row(build(len(blob)), blob)
    alone, _ = spent_per_row(build(1), blob[:1])
    return len(blob) if together <= _TOGETHER * alone else 1
