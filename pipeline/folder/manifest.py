"""The manifest: what went into a run, with which versions and weights, and what was skipped."""

import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from data.runtime.machine import package_version

_HOME = Path(__file__).resolve().parents[2]

VERSION = 2
"""Of the manifest's own layout."""

_PACKAGES = (
    "torch", "numpy", "scipy", "opencv-python", "av", "onnxruntime", "openvino", "ai-edge-litert", "ultralytics",
    "openpifpaf", "timm", "pyarrow", "motmetrics", "lap", "filterpy",
)  # fmt: skip


@cache
def versions() -> Mapping[str, str]:
    """Versions of the interpreter, of this project and of the packages that shape results; read once."""
    found = {"python": platform.python_version(), "platform": platform.platform(), "commit": _commit()}
    told = {name: package_version(name) for name in ("mtmct", *_PACKAGES)}
    return found | {name: version for name, version in told.items() if version is not None}


def _is_checkout() -> bool:
    """Else it is an installed copy, which may lie in a repository of somebody else."""
    return (_HOME / ".git").exists()


def _commit() -> str:
    if not _is_checkout():
        return "unknown"
    try:
        done = subprocess.run(
            ["git", "-C", str(_HOME), "describe", "--always", "--dirty"], capture_output=True, text=True, timeout=5
        )
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return done.stdout.strip() or "unknown"


def command_line() -> Sequence[str]:
    """The arguments the process was started with."""
    return sys.argv
