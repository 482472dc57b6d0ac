"""A run that was stopped by a signal."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from data.redaction import redact

_PROGRAM = ("pipeline", "run.py")


class InterruptedRun(KeyboardInterrupt):
    """The user stopped the run; what was done is durable."""


def resume_line(root: Path, command: Sequence[str]) -> str:
    """What is said of a run that was stopped.

    Args:
        root: the run folder.
        command: what the process was started with.
    """
    end = f"python -m tools.associate {shlex.quote(str(root))} --end"
    return f"stopped; go on with: {resume_command(root, command)}\nor end it here, with what was tracked: {end}"


def resume_command(root: Path, command: Sequence[str]) -> str:
    """The line to be typed to go on with a run, as the shell reads it; passwords of addresses are hidden.

    Args:
        root: the run folder.
        command: what the process that began it was started with; of another program than this the options alone are
            told.
    """
    options = f"--resume --output {shlex.quote(str(root))}"
    if tuple(Path(*command[:1]).parts[-2:]) != _PROGRAM:
        return options
    kept, values = [], iter(command[1:])
    for value in values:
        if value == "--output":
            next(values, None)
        elif value not in ("--resume", "--overwrite") and not value.startswith("--output="):
            kept.append(value)
    return redact(f"python -m pipeline.run {shlex.join(kept)} {options}")
