"""Which times are dates."""

from datetime import UTC, datetime

# Smaller numbers count from the start of a recording, larger ones are no seconds.
_FROM_S, _TO_S = 3.0e8, 1.0e11


def date_of(seconds: float) -> datetime | None:
    """The date of a Unix time, UTC; None for a number that counts from something else."""
    return datetime.fromtimestamp(seconds, UTC) if _FROM_S < seconds < _TO_S else None
