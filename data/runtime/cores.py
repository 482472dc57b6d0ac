"""How many processes may help on this machine."""

import os


def usable_cores() -> int:
    """Cores this process may run on; 1 or more."""
    try:
        return max(1, len(os.sched_getaffinity(0)))
    except AttributeError:
        return os.cpu_count() or 1


def helpers(asked: int) -> int:
    """How many of the helper processes somebody asked for are worth starting: not more than there are cores."""
    return min(asked, usable_cores())
