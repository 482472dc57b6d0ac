"""Threads of the libraries with pools of their own are set in one place."""

import os
from collections.abc import Iterator

import cv2
import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from data.runtime.threads import limit_libraries


@pytest.fixture(autouse=True)
def _restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(os, "environ", dict(os.environ))
    pictures, tensors = cv2.getNumThreads(), torch.get_num_threads()
    with threadpool_limits():
        yield
    cv2.setNumThreads(pictures)
    torch.set_num_threads(tensors)


def _pools() -> list[int]:
    import scipy.linalg  # noqa: F401 -- brings linear algebra of its own

    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


@pytest.mark.parametrize("threads", [1, 3])
def test_all_libraries_are_told(threads: int) -> None:
    cv2.setNumThreads(4)
    torch.set_num_threads(4)
    threadpool_limits(4, user_api="blas")
    assert max(_pools(), default=4) > 1
    limit_libraries(threads)
    assert cv2.getNumThreads() == 1
    assert torch.get_num_threads() == threads
    assert set(_pools()) <= {1}
    # For what is loaded later.
    assert os.environ["OPENBLAS_NUM_THREADS"] == os.environ["MKL_NUM_THREADS"] == "1"
