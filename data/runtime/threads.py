"""Threads of the libraries that keep pools of their own: set here, once, for all of a process."""

import os
import sys

# Read by libraries that are loaded later; those that are loaded already are told.
_VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "BLIS_NUM_THREADS")


def limit_libraries(threads: int) -> None:
    """Let a run of cameras compute with so many threads, beside the networks (``data.runtime.cores``).

    OpenCV and the linear algebra of NumPy and SciPy get one thread: frames are worked on by a thread of each camera,
    and a library's own threads wait busily: on two cores under load a (300, 512) matrix times its transpose took 10 ms
    of processor time with two threads of OpenBLAS, and 0.5 ms with one. torch gets all, as it divides one run.

    Args:
        threads: of torch.
    """
    import cv2
    from threadpoolctl import threadpool_limits

    cv2.setNumThreads(1)
    os.environ.update(dict.fromkeys(_VARIABLES, "1"))
    threadpool_limits(1, user_api="blas")
    if "torch" in sys.modules:
        set_torch_threads(threads)


def set_torch_threads(threads: int) -> None:
    """Let torch compute on so many CPU threads, in all of the process; 0 leaves its own number."""
    if threads:
        import torch

        torch.set_num_threads(threads)
