"""Fixtures that every test may use, and how hypothesis runs: no test may fail because the machine is slow."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

REPOSITORY = Path(__file__).resolve().parent.parent
TESTDATA = Path(os.environ.get("MTMCT_TESTDATA", REPOSITORY.parent / "shared" / "data"))

settings.register_profile("mtmct", deadline=None, suppress_health_check=[HealthCheck.too_slow])
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
def golden() -> Path:
    """Numbers from the originals' own runs; parity tests skip where they are absent."""
    folder = TESTDATA.parent / "golden"
    if not folder.is_dir():
        pytest.skip(f"golden numbers are absent: {folder} (the folder beside MTMCT_TESTDATA)")
    return folder
