"""Threads of the libraries with pools of their own are set in one place, and set back."""

import os
import subprocess
import sys
from collections.abc import Iterator

import cv2
import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from data.runtime.threads import limited_libraries, single_threads, thread_variables


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
def test_all_libraries_are_told_and_have_their_own_number_again(threads: int) -> None:
    cv2.setNumThreads(4)
    torch.set_num_threads(4)
    threadpool_limits(4, user_api="blas")
    before = _pools()
    assert max(before, default=4) > 1
    os.environ["MKL_NUM_THREADS"] = "5"
    os.environ.pop("OPENBLAS_NUM_THREADS", None)
    with limited_libraries(threads):
        assert cv2.getNumThreads() == 1
        assert torch.get_num_threads() == threads
        assert set(_pools()) <= {1}
        # For what is loaded later.
        assert os.environ["OPENBLAS_NUM_THREADS"] == os.environ["MKL_NUM_THREADS"] == "1"
    assert (cv2.getNumThreads(), torch.get_num_threads(), _pools()) == (4, 4, before)
    assert os.environ["MKL_NUM_THREADS"] == "5"
    assert "OPENBLAS_NUM_THREADS" not in os.environ


def test_libraries_have_their_own_number_again_after_an_error() -> None:
    cv2.setNumThreads(4)
    with pytest.raises(KeyError), limited_libraries(1):
        raise KeyError
    assert cv2.getNumThreads() == 4


def test_linear_algebra_loaded_meanwhile_is_set_back_as_well() -> None:
    """SciPy brings its own library, which a run loads late."""
    told = """
import numpy
from threadpoolctl import threadpool_info, threadpool_limits
threadpool_limits(2, user_api="blas")
from data.runtime.threads import limited_libraries
with limited_libraries(1):
    import scipy.linalg
    print([pool["num_threads"] for pool in threadpool_info() if "scipy.libs" in pool["filepath"]])
print([pool["num_threads"] for pool in threadpool_info() if "scipy.libs" in pool["filepath"]])
"""
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() in (["[1]", "[2]"], ["[]", "[]"])  # Some builds share NumPy's.


def test_processes_started_with_single_threads_are_told_so() -> None:
    variables = thread_variables(1)
    os.environ["OMP_NUM_THREADS"] = "7"
    with single_threads():
        assert variables.items() <= dict(os.environ).items()
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "OMP_NUM_THREADS" in variables
    assert set(thread_variables(3).values()) == {"3"}
