"""A run that was stopped by a signal."""

from pathlib import Path


class InterruptedRun(KeyboardInterrupt):
    """The user stopped the run; what was done is durable."""


def resume_line(root: Path) -> str:
    """What is said of a run that was stopped."""
    return f"stopped; go on with --resume --output {root}"
