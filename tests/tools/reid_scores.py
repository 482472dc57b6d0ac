"""The command that scores appearance models, called in tests."""

import json
from pathlib import Path

from tools.evaluate_reid import main


def score(weights: Path, site: Path, out: Path, *more: str) -> dict:
    arguments = ["--weights", str(weights), "--data", str(site), "--out", str(out), "--device", "cpu", "--overwrite"]
    assert main([*arguments, *more]) == 0
    return json.loads(out.read_text())
