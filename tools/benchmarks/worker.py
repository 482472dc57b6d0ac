"""The process in which one measurement is taken; started by ``tools.benchmarks.base``."""

import json
import resource
import sys
import time
from importlib import import_module


def _resident_mib() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def measure(target: str, arguments: str) -> None:
    """Make the input, time the job, print one JSON line."""
    module, _, function = target.partition(":")
    job = getattr(import_module(module), function)(**json.loads(arguments))
    base = _resident_mib()
    wall, cpu = time.perf_counter(), time.process_time()
    check = float(job())
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    print(json.dumps({"wall_s": wall, "cpu_s": cpu, "peak_mib": _resident_mib(), "base_mib": base, "check": check}))


if __name__ == "__main__":
    measure(*sys.argv[1:])
