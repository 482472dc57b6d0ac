"""The process in which one measurement is taken; started by ``tools.benchmarks.base``."""

import json
import resource
import sys
import threading
import time
from importlib import import_module
from pathlib import Path

_STATM = Path("/proc/self/statm")
_EVERY_S = 0.1


def _resident_mib() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


class _Memory(threading.Thread):
    """Reads resident memory all the time, where the system tells it (Linux)."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._done = threading.Event()
        self._mib: list[float] = []

    def run(self) -> None:
        page = resource.getpagesize() / 2**20
        while _STATM.exists():
            self._mib.append(int(_STATM.read_text().split()[1]) * page)
            if self._done.wait(_EVERY_S):
                return

    def thirds(self) -> list[float]:
        """Ends the reading. The mean in the first, middle and last third; empty where nothing was read."""
        self._done.set()
        self.join()
        count = len(self._mib)
        parts = [self._mib[count * part // 3 : count * (part + 1) // 3] for part in range(3)]
        return [sum(part) / len(part) for part in parts] if all(parts) else []


def measure(target: str, arguments: str) -> None:
    """Make the input, time the job, print one JSON line."""
    module, _, function = target.partition(":")
    job = getattr(import_module(module), function)(**json.loads(arguments))
    base = _resident_mib()
    memory = _Memory()
    memory.start()
    wall, cpu = time.perf_counter(), time.process_time()
    check = float(job())
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    told = {"wall_s": wall, "cpu_s": cpu, "peak_mib": _resident_mib(), "base_mib": base, "check": check}
    print(json.dumps({**told, "thirds_mib": memory.thirds()}))


if __name__ == "__main__":
    measure(*sys.argv[1:])
