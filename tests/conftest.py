"""Fixtures that every test may use, and how hypothesis runs: no test may fail because the machine is slow."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

REPOSITORY = Path(__file__).resolve().parent.parent
TESTDATA = Path(os.environ.get("MTMCT_TESTDATA", REPOSITORY.parent / "shared" / "data"))

settings.register_profile("mtmct", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("mtmct")


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
