"""Threads of the libraries that keep pools of their own: set here, for all of a process, and set back afterwards."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

OPENMP = "OMP_NUM_THREADS"
# Read by libraries when they are loaded; those that are loaded already are told.
_ALGEBRA = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "BLIS_NUM_THREADS")


def thread_variables(threads: int) -> dict[str, str]:
    """Environment of another process in which every library that asks its environment has so many threads."""
    return dict.fromkeys((OPENMP, *_ALGEBRA), str(threads))


@contextmanager
def single_threads() -> Iterator[None]:
    """Processes started in here have one thread of each library: more stall one another on small matrices."""
    with _environment(thread_variables(1)):
        yield


@contextmanager
def limited_libraries(threads: int) -> Iterator[None]:
    """Let a run of cameras compute with so many threads, beside the networks (``data.runtime.cores``).

    OpenCV and the linear algebra of NumPy and SciPy get one thread: frames are worked on by a thread of each camera,
    and a library's own threads wait busily: on two cores under load a (300, 512) matrix times its transpose took 10 ms
    of processor time with two threads of OpenBLAS, and 0.5 ms with one. torch gets all, as it divides one run.

    Afterwards the process has the numbers it had. What was loaded in here gets as many as were there before of its
    kind; torch that was loaded in here keeps ``threads``.

    Args:
        threads: of torch.
    """
    import cv2

    pictures, algebra = cv2.getNumThreads(), {pool.filepath: pool.num_threads for pool in _algebra_pools()}
    torch = sys.modules.get("torch")
    tensors = 0 if torch is None else torch.get_num_threads()
    cv2.setNumThreads(1)
    for pool in _algebra_pools():
        pool.set_num_threads(1)
    if torch is not None:
        set_torch_threads(threads)
    try:
        with _environment(dict.fromkeys(_ALGEBRA, "1")):
            yield
    finally:
        cv2.setNumThreads(pictures)
        for pool in _algebra_pools():
            pool.set_num_threads(algebra.get(pool.filepath, max(algebra.values(), default=1)))
        set_torch_threads(tensors)


def set_torch_threads(threads: int) -> None:
    """Let torch compute on so many CPU threads, in all of the process; 0 leaves its own number."""
    if threads:
        import torch

        torch.set_num_threads(threads)


def _algebra_pools() -> list[Any]:
    """The BLAS libraries that are loaded now, as threadpoolctl tells and sets them."""
    from threadpoolctl import ThreadpoolController

    return list(ThreadpoolController().select(user_api="blas").lib_controllers)


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
