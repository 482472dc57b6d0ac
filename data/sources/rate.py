"""The nominal frame rate of a video stream: what headers say, checked against the stamps of the first frames."""

from collections.abc import Sequence
from itertools import pairwise

HIGHEST_RATE = 1000.0
# Of rates that headers give, one within this share of what the stamps show is believed: stamps are rounded to ticks.
_AGREES = 0.1


def usual_rate(stamps: Sequence[float | None]) -> float | None:
    """Frames per second of the usual step between timestamps; None where no two of them rise.

    The mean of the steps within half of the median step: pauses, lost frames and wrong stamps do not count, and the
    rounding of stamps to ticks averages out.

    Args:
        stamps: seconds, in order of frames; None where one is missing.
    """
    steps = sorted(b - a for a, b in pairwise(stamps) if a is not None and b is not None and b > a)
    if not steps:
        return None
    median = steps[len(steps) // 2]
    usual = [step for step in steps if 0.5 * median < step < 1.5 * median]
    rate = len(usual) / sum(usual)
    return rate if rate <= HIGHEST_RATE else None


def nominal_rate(said: Sequence[float | None], stamps: Sequence[float | None]) -> float | None:
    """The rate a header gives that agrees best with the stamps, else that of the stamps, else the first given.

    A header's mean (count over length) is wrong for a recording with pauses, its guess may count fields; stamps alone
    are rounded.

    Args:
        said: frames per second by the header, the likeliest first; None, 0 and absurd rates are passed over.
        stamps: seconds of the first frames; empty where they are not to be used.
    """
    possible = [rate for rate in said if rate is not None and 0 < rate <= HIGHEST_RATE]
    shown = usual_rate(stamps)
    if shown is None:
        return next(iter(possible), None)
    agreeing = [rate for rate in possible if abs(rate - shown) <= _AGREES * shown]
    return min(agreeing, key=lambda rate: abs(rate - shown), default=shown)
