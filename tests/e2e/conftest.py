"""The generated site `tiny`, made once."""

from pathlib import Path

import pytest

from pipeline.demo import demo_site


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with the site in it."""
    folder = tmp_path_factory.mktemp("cache")
    demo_site("tiny", cache=folder)
    return folder


@pytest.fixture(autouse=True)
def _cached(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MTMCT_CACHE", str(cache))
