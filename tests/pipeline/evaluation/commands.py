"""The command that scores data sets, called in tests."""

import json
from pathlib import Path
from typing import Any

from pipeline.cli import run
from tools import evaluate


def score(*arguments: object) -> int:
    return run(evaluate.main, [str(argument) for argument in arguments])


def scores(tmp_path: Path, *arguments: object) -> dict[str, Any]:
    path = tmp_path / "scores.json"
    assert score("--json", path, *arguments) == 0
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def row(content: dict[str, Any], table: int, name: str) -> dict[str, Any]:
    rows = content["tables"][table]["rows"]
    return next(one for one in rows if name in one.values())
