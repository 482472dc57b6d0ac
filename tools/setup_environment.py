"""Make the virtual environment of the Makefile; needs nothing but the standard library.

An importable torch is kept; else a wheel from pip's configured find-links is taken; else ``TORCH_INDEX_URL``; else the
default index, after saying how much that downloads.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

_HOME = Path(__file__).resolve().parent.parent
_MINIMUM_TORCH = (2, 4)
_PROBE = "import torch; print(torch.__version__)"
_PIFPAF = "openpifpaf==0.13.11"
_PIFPAF_NEEDS = ("wheel", "ninja", "setuptools", "pysparkling", "python-json-logger")


def main() -> int:
    """Parse the command line and set up."""
    parser = argparse.ArgumentParser(prog="python -m tools.setup_environment", description=__doc__)
    parser.add_argument("--venv", type=Path, default=Path(".venv"), help="folder of the environment (default: .venv)")
    parser.add_argument(
        "--pifpaf", action="store_true", help="build OpenPifPaf (AGPL-3.0) into an existing environment"
    )
    arguments = parser.parse_args()
    try:
        if arguments.pifpaf:
            _install_pifpaf(_python(arguments.venv))
        else:
            _set_up(arguments.venv)
    except subprocess.CalledProcessError as error:
        command = " ".join(map(str, error.cmd))
        print(
            f"error: set-up stopped at: {command} (exit code {error.returncode}); see the lines above", file=sys.stderr
        )
        return 2
    return 0


def _set_up(folder: Path) -> None:
    if not _python(folder).exists():
        outside = _torch_version(Path(sys.executable))
        print(f"creating {folder}" + (f" on top of this Python's torch {outside}" if outside else ""), flush=True)
        venv.EnvBuilder(with_pip=True, system_site_packages=outside is not None).create(folder)
    python = _python(folder)
    if _torch_version(python) is None:
        _install_torch(python)
    with tempfile.TemporaryDirectory() as temporary:
        constraints = Path(temporary) / "constraints.txt"
        constraints.write_text(_constraints(_torch_version(python)), encoding="utf-8")
        _run(python, "-m", "pip", "install", "-q", "-c", constraints, "-e", f"{_HOME}[dev]")
    _check_opencv(python)
    print(f"ready: {python}", flush=True)


def _install_torch(python: Path) -> None:
    pinned = next(line for line in _pins() if line.startswith("torch=="))
    local = [str(python), "-m", "pip", "install", "-q", "--no-index", "--no-deps", pinned]
    if subprocess.run(local, capture_output=True).returncode == 0:
        print(f"{pinned}: from a local wheel", flush=True)
        _run(python, "-m", "pip", "install", "-q", "-c", _HOME / "constraints.txt", pinned)
        return
    index = os.environ.get("TORCH_INDEX_URL")
    if index:
        print(f"{pinned}: from {index} (a CPU build is about 200 MB, a CUDA build 2 to 3 GB)", flush=True)
        _run(python, "-m", "pip", "install", "--index-url", index, pinned)
        return
    print(
        f"{pinned}: from the default index. On Linux this brings the CUDA libraries, 2 to 3 GB. For a CPU-only build "
        "of about 200 MB stop here and set TORCH_INDEX_URL to PyTorch's CPU index (https://download.pytorch.org/whl/cpu).",
        flush=True,
    )
    _run(python, "-m", "pip", "install", pinned)


def _install_pifpaf(python: Path) -> None:
    if subprocess.run([str(python), "-c", "import openpifpaf.cpp_extension"], capture_output=True).returncode == 0:
        print("OpenPifPaf is there", flush=True)
        return
    _run(python, "-m", "pip", "install", "-q", *_PIFPAF_NEEDS)
    os.environ.setdefault("MAX_JOBS", str(os.cpu_count() or 1))
    # Its pin of torch 1.13.1 cannot be met beside a current torch; it compiles unpatched against 2.x.
    _run(python, "-m", "pip", "install", "-q", "--no-build-isolation", "--no-deps", "--no-cache-dir", _PIFPAF)


def _pins() -> list[str]:
    return (_HOME / "constraints.txt").read_text(encoding="utf-8").splitlines()


def _constraints(torch_version: str | None) -> str:
    """The tested versions; a torch that was already there replaces ours, and its torchvision is found by pip."""
    pins = _pins()
    if torch_version is not None and f"torch=={torch_version.partition('+')[0]}" not in pins:
        pins = [pin for pin in pins if not pin.startswith(("torch==", "torchvision=="))] + [f"torch=={torch_version}"]
    return "\n".join(pins) + "\n"


def _torch_version(python: Path) -> str | None:
    done = subprocess.run([str(python), "-c", _PROBE], capture_output=True, text=True)
    version = done.stdout.strip()
    if done.returncode != 0 or not version:
        return None
    numbers = tuple(int(part) for part in version.split("+")[0].split(".")[:2])
    return version if numbers >= _MINIMUM_TORCH else None


def _check_opencv(python: Path) -> None:
    done = subprocess.run([str(python), "-c", "import cv2"], capture_output=True, text=True)
    if done.returncode != 0:
        reason = done.stderr.strip().splitlines()[-1]
        print(f"warning: OpenCV does not load ({reason}); on Debian: apt install libgl1 libglib2.0-0", file=sys.stderr)


def _python(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _run(python: Path, *arguments: object) -> None:
    subprocess.run([str(python), *map(str, arguments)], check=True)


if __name__ == "__main__":
    sys.exit(main())
