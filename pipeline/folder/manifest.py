"""The manifest: what went into a run, with which versions and weights, and what was skipped."""

import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from data.listing import listed
from data.runtime.machine import package_version
from data.weight_records import file_sha256

_HOME = Path(__file__).resolve().parents[2]

VERSION = 2
"""Of the manifest's own layout."""

_PACKAGES = (
    "torch", "numpy", "scipy", "opencv-python", "av", "onnxruntime", "openvino", "ai-edge-litert", "ultralytics",
    "openpifpaf", "timm", "pyarrow", "motmetrics", "lap", "filterpy",
)  # fmt: skip


def describe_file(path: Path) -> dict[str, Any]:
    """Size in bytes and SHA-256 of a file; empty for anything else."""
    if not path.is_file():
        return {}
    return {"bytes": path.stat().st_size, "sha256": file_sha256(path)}


def describe_input(path: Path) -> dict[str, Any]:
    """The same of a video; of a folder of pictures the size of all files and the SHA-256 of their names and sizes.

    Empty for what is no file or folder (a stream).
    """
    if not path.is_dir():
        return describe_file(path)
    files = [(one.name, one.stat().st_size) for one in listed(path, "*") if one.is_file()]
    digest = sha256("".join(f"{name}\0{size}\n" for name, size in files).encode("utf-8", "surrogateescape"))
    return {"bytes": sum(size for _, size in files), "sha256": digest.hexdigest()}


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
