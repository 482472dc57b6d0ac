"""Fixtures that every test may use, and how hypothesis runs: no test may fail because the machine is slow."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

REPOSITORY = Path(__file__).resolve().parent.parent
TESTDATA = Path(os.environ.get("MTMCT_TESTDATA", REPOSITORY.parent / "shared" / "data"))

# Workers of pytest-xdist share the cores: several threads in each would wait busily for one another.
_SHARES_CORES = "PYTEST_XDIST_WORKER" in os.environ
if _SHARES_CORES:
    os.environ["OMP_NUM_THREADS"] = "1"

settings.register_profile("mtmct", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("mtmct")


@pytest.fixture(autouse=True)
def one_thread_again() -> Iterator[None]:
    """A run of the pipeline gives torch its threads for the rest of the process; the next test has its own again."""
    yield
    torch = sys.modules.get("torch")
    if _SHARES_CORES and torch is not None:
        torch.set_num_threads(1)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def testdata() -> Path:
    """Real data beside the project; tests that need it skip where it is absent."""
    if not TESTDATA.is_dir():
        pytest.skip(f"real test data is absent: {TESTDATA} (set MTMCT_TESTDATA)")
    return TESTDATA


@pytest.fixture(scope="session")
def golden() -> Callable[[str], Path]:
    """Where a file of recorded numbers is: in tests/golden, or, the large ones, beside the project.

    A test skips where its file is absent.
    """

    def find(name: str) -> Path:
        beside = TESTDATA.parent / "golden"
        for folder in (REPOSITORY / "tests" / "golden", *sorted(beside.glob("*"))):
            if (folder / name).is_file():
                return folder / name
        pytest.skip(f"{name} is too large for the repository and absent beside it: {beside} (set MTMCT_TESTDATA)")

    return find
