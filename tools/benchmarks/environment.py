"""An environment of its own for packages that the project compares itself with and never depends on."""

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

from data.errors import UserError
from pipeline.weights.store import default_cache_dir

_READY = "ready"


def environment_python(packages: tuple[str, ...], home: Path | None = None) -> Path:
    """The interpreter of an environment with some packages; it is made when it is not there yet.

    Args:
        packages: requirements for pip.
        home: where environments lie; None: the cache of weights.

    Raises:
        UserError: when the packages cannot be installed.
    """
    name = hashlib.sha256(f"{sys.version_info[:2]} {' '.join(packages)}".encode()).hexdigest()[:12]
    folder = (home if home is not None else default_cache_dir()) / f"benchmark-{name}"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not (folder / _READY).exists():
        print(f"making an environment with {', '.join(packages)} in {folder}", flush=True)
        venv.EnvBuilder(with_pip=True, clear=True).create(folder)
        done = subprocess.run([str(python), "-m", "pip", "install", "-q", *packages], capture_output=True, text=True)
        if done.returncode != 0:
            reason = (done.stderr.strip().splitlines() or ["pip failed"])[-1]
            raise UserError(f"cannot install {' '.join(packages)}: {reason}; --ours-only does without")
        (folder / _READY).touch()
    return python
