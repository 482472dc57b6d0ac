"""Presentation timestamps turned into strictly rising seconds, wrong ones mended one by one."""

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice, pairwise
from typing import TypeVar

# A step longer than both of these is a pause worth telling: damage, or a recorder that stopped.
PAUSE_S = 1.0
PAUSE_STEPS = 5
# Frames looked at after a strange stamp, to tell a wrong stamp from a pause and from a new time base.
_AHEAD = 16
# Stamps nearer than this are one stamp; no container counts in shorter ticks.
_LEAST_S = 1e-6
# Share of the first stamps that may be wrong before stamps count as useless.
_WRONG_SHARE = 0.1

Picture = TypeVar("Picture")


def mostly_rises(stamps: Sequence[float | None]) -> bool:
    """Whether timestamps in seconds are there and rise, up to one in ten (one in fewer than ten)."""
    known = [stamp for stamp in stamps if stamp is not None]
    wrong = len(stamps) - len(known) + sum(b <= a for a, b in pairwise(known))
    return len(known) > 0 and wrong <= max(1, _WRONG_SHARE * len(stamps))


class Timeline:
    """Times of one pass over a source, from its start on.

    Attributes:
        stamped: whether times come from stamps; else time is slot / fps.
        mended: indices of frames whose stamp was missing or wrong.
        new_bases: indices of frames with which stamps begin anew (a recorder that restarted, a counter that wrapped).
    """

    def __init__(self, fps: float, stamped: bool, start_s: float | None = None) -> None:
        """Start a pass.

        Args:
            fps: nominal frames per second.
            stamped: go by timestamps.
            start_s: timestamp at which the container says the stream starts; frames may be missing after it.
        """
        self.stamped = stamped
        self.mended: list[int] = []
        self.new_bases: list[int] = []
        self.fps = fps
        self._step_s, self._start_s = 1 / fps, start_s
        self._longest_s = max(PAUSE_S, PAUSE_STEPS / fps)

    def times(
        self, stamped: Iterator[tuple[int, float | None, Picture]]
    ) -> Iterator[tuple[int, float, float | None, Picture]]:
        """Give every frame its time.

        A stamp within a pause's length after the one before is believed at once. For any other the stamps of up to 16
        frames after it decide: where they go on from before it, it is wrong, and its frame is put evenly between its
        neighbours; where they follow it forward, there was a pause; where they follow it backward, a new time base
        begins, which goes on one step later.

        Args:
            stamped: (slot, timestamp in seconds or None, anything) of each frame in turn; a slot counts frames that
                were lost as well.

        Yields:
            (index, time, stamp, the same thing), times strictly rising.
        """
        if not self.stamped:
            for index, (slot, stamp, picture) in enumerate(stamped):
                yield index, slot / self.fps, stamp, picture
            return
        waiting: deque[tuple[float | None, Picture]] = deque()
        source = ((stamp, picture) for _, stamp, picture in stamped)
        waiting.extend(islice(source, _AHEAD + 1))
        shift, last = self._start([stamp for stamp, _ in waiting])
        index = 0
        while waiting:
            stamp = waiting[0][0]
            if stamp is not None and _LEAST_S < stamp + shift - last <= self._longest_s:
                new = [stamp + shift]
            else:
                waiting.extend(islice(source, _AHEAD + 1 - len(waiting)))
                new, shift = self._decide(
                    [None if one is None else one + shift for one, _ in waiting], last, shift, index
                )
            for time_s in new:
                stamp, picture = waiting.popleft()
                yield index, time_s, stamp, picture
                index, last = index + 1, time_s
            if not waiting:
                waiting.extend(islice(source, 1))

    def _start(self, stamps: Sequence[float | None]) -> tuple[float, float]:
        """(what is added to stamps, a time one step before the first frame), from the first stamps."""
        for number, stamp in enumerate(stamps):
            if stamp is None:
                continue
            lower = sum(one is not None and one <= stamp for one in stamps[number + 1 :])
            if self._followers(stamps[number:], stamp) >= lower:
                first_s = stamp - number * self._step_s
                origin_s = first_s if self._start_s is None else min(first_s, self._start_s)
                return -origin_s, first_s - origin_s - self._step_s
        return 0.0, -self._step_s

    def _decide(
        self, stamps: Sequence[float | None], last: float, shift: float, index: int
    ) -> tuple[list[float], float]:
        """Times of the next frames, at least one, and what is added to stamps from now on.

        Args:
            stamps: of the frames that wait, shifted; the first is strange.
            last: time of the frame before.
            shift: what is added to stamps so far.
            index: of the first frame.
        """
        for number, stamp in enumerate(stamps[1:], 1):
            if stamp is not None and _LEAST_S < stamp - last <= self._longest_s + number * self._step_s:
                self.mended += range(index, index + number)
                return [last + (stamp - last) * part / (number + 1) for part in range(1, number + 2)], shift
        first = stamps[0]
        if first is not None and first > last + _LEAST_S:
            nearer = sum(stamp is not None and last < stamp < first for stamp in stamps[1:])
            if self._followers(stamps, first) >= nearer:
                return [first], shift
        elif first is not None and (len(stamps) == 1 or self._followers(stamps, first)):
            self.new_bases.append(index)
            return [last + self._step_s], shift + last + self._step_s - first
        self.mended.append(index)
        return [last + self._step_s], shift

    def _followers(self, stamps: Sequence[float | None], first: float) -> int:
        """How many of the stamps after the first go on from it."""
        return sum(
            stamp is not None and _LEAST_S < stamp - first <= self._longest_s + number * self._step_s
            for number, stamp in enumerate(stamps)
        )
