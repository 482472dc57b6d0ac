"""What tells one machine from another as far as the speed and the last bits of networks go, and what it has."""

import hashlib
import platform
import re
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from data.runtime.cores import usable_cores

_CPUINFO = Path("/proc/cpuinfo")
_RUNTIMES = ("onnxruntime", "openvino")
_VERSION_LINE = re.compile(r"^Version: *(\S+)", re.MULTILINE)
# The driver's own file: it is there in a container that was given a card, and not in one that was not.
_NVIDIA = Path("/dev/nvidiactl")


@cache
def machine_id() -> str:
    """Processor, its instruction sets, cores, and versions of the runtimes: "x86_64 Xeon ... x2 1a2b3c4d, ..."."""
    told = dict(_cpuinfo())
    model = told.get("model name") or platform.processor() or "?"
    # Virtual machines of one model name differ in what they may use (AVX-512, AMX): the flags tell.
    sets = hashlib.sha256((told.get("flags") or told.get("Features") or "").encode()).hexdigest()[:8]
    found = [f"{name} {package_version(name) or '-'}" for name in _RUNTIMES]
    return ", ".join([f"{platform.machine()} {model} x{usable_cores()} {sets}", *found])


def has_nvidia() -> bool:
    """Whether there seems to be a card of NVIDIA's (Linux), without the seconds that asking torch takes."""
    return _NVIDIA.exists()


def _cpuinfo() -> list[tuple[str, str]]:
    """Key and value of each line; of several cores the last one's."""
    if not _CPUINFO.exists():
        return []
    lines = _CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()
    pairs = (line.partition(":") for line in lines if ":" in line)
    return [(key.strip(), value.strip()) for key, _, value in pairs]


def package_version(package: str) -> str | None:
    """Version of an installed package; None where it is not installed."""
    try:
        found = distribution(package)
    except PackageNotFoundError:
        return None
    # The line is one of the first: the whole, with a description of many pages, is slow to take apart.
    line = _VERSION_LINE.search(found.read_text("METADATA") or "")
    return line[1] if line else found.version
