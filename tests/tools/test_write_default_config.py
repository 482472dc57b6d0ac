"""configs/default.yaml is what the schema says, word for word."""

from pathlib import Path

import pytest

import pipeline.config
from pipeline.config import DEFAULTS
from tools.write_default_config import default_text, main


def test_the_file_is_the_one_the_schema_gives() -> None:
    assert DEFAULTS.read_text(encoding="utf-8") == default_text(), "run python -m tools.write_default_config"


def test_a_stale_file_is_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "default.yaml"
    path.write_text(default_text().replace("seed of everything random", "seed of most things"), encoding="utf-8")
    assert path.read_text(encoding="utf-8") != default_text()
    monkeypatch.setattr(pipeline.config, "DEFAULTS", path)
    assert main([]) == 0
    assert path.read_text(encoding="utf-8") == default_text()
