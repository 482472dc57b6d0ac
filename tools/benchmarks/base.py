"""What a benchmark is made of, and how one measurement is taken.

Every measurement runs in a process of its own, so that its peak memory is its own; ours and the references take turns
on the same input within one run, because only their ratio means something on a shared machine.
"""

import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data.errors import UserError
from data.runtime.threads import OPENMP, thread_variables
from tools.benchmarks.environment import environment_python

_WORKER = Path(__file__).resolve().with_name("worker.py")
Job = Callable[[], float]
THREADS = OPENMP
"""Environment variable that tells a job how many threads it has."""


def scratch_folder() -> Path:
    """A new folder for what the jobs write, removed when this process ends: cases are run after they are made."""
    folder = Path(tempfile.mkdtemp(prefix="mtmct-benchmark-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@dataclass(frozen=True, slots=True)
class Contender:
    """One implementation on one input.

    Attributes:
        label: what it is.
        target: "module:function"; the function makes the input and returns the job, which returns a check value. Only
            the job is timed.
        arguments: of the function, plain JSON values.
        scale: the job does 1 / scale of the work (a loop that would take too long); times are multiplied by it.
        packages: requirements it needs and the project does not have; it then runs in an environment of its own, and
            ``target`` names a module of this folder.
        score: tells, once the job is done, how good its result is; None tells nothing.
        items: frames or rows of the job, for its rate; 0 tells none.
        operations: floating-point operations of the job, a multiplication and an addition being two; 0 tells none.
    """

    label: str
    target: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    scale: float = 1.0
    packages: tuple[str, ...] = ()
    score: Callable[[], str] | None = None
    items: int = 0
    operations: float = 0


@dataclass(frozen=True, slots=True)
class Case:
    """Ours beside references.

    Attributes:
        name: the task and its size.
        ours: our implementation.
        references: what it is compared with, on the same input; may be empty.
        aim: what was to be reached, in words; "" for none.
        tolerance: largest relative difference of check values; None compares none.
    """

    name: str
    ours: Contender
    references: tuple[Contender, ...] = ()
    aim: str = ""
    tolerance: float | None = 1e-4


@dataclass(frozen=True, slots=True)
class Measurement:
    """One run.

    Attributes:
        wall_s: seconds of the job.
        cpu_s: seconds of processor time of the job, all threads.
        peak_mib: largest resident memory of the whole process.
        base_mib: the same before the job began (interpreter and input).
        check: value of the result.
        thirds_mib: mean resident memory in the first, middle and last third of the job; empty where it is not told.
    """

    wall_s: float
    cpu_s: float
    peak_mib: float
    base_mib: float
    check: float
    thirds_mib: tuple[float, ...] = ()


def measure(contender: Contender, threads: int) -> Measurement:
    """Run one contender in a process of its own.

    Raises:
        UserError: when it fails; the last line of its error output is given.
    """
    environment = {**os.environ, **thread_variables(threads)}
    what = [contender.target, json.dumps(dict(contender.arguments))]
    if contender.packages:
        # As a script: this folder alone is on the path, so that no package of ours (trackers) hides one of theirs.
        environment.pop("PYTHONPATH", None)
        what[0] = contender.target.rpartition(".")[2]
        command = [str(environment_python(contender.packages)), str(_WORKER), *what]
    else:
        command = [sys.executable, "-m", "tools.benchmarks.worker", *what]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["no output"]
        raise UserError(f"benchmark '{contender.label}' failed: {lines[-1]}")
    result = json.loads(done.stdout.strip().splitlines()[-1])
    return Measurement(
        wall_s=result["wall_s"] * contender.scale,
        cpu_s=result["cpu_s"] * contender.scale,
        peak_mib=result["peak_mib"],
        base_mib=result["base_mib"],
        check=result["check"],
        thirds_mib=tuple(result.get("thirds_mib", ())),
    )
