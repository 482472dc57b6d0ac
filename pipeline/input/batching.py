"""Frames of all cameras in one global order, put together to instants and cut into batches by their timestamps only."""

import heapq
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from data.instants import Instants
from data.records import Frame
from data.site import Scope


@dataclass(frozen=True, slots=True)
class TimedFrame:
    """A frame with its place on the common time line.

    Attributes:
        common_s: seconds on the common clock; orders the frames of all cameras.
        frame: the frame, with its source's own time.
    """

    common_s: float
    frame: Frame


Instant = list[TimedFrame]
"""Frames that one tracker looks at together: one of a camera by itself, or at most one of each camera of a group."""


@dataclass(frozen=True, slots=True)
class Batching:
    """How frames are grouped.

    Attributes:
        frames: of all cameras that are looked at together.
        window_s: a batch never spans more than this, seconds of video time.
        waiting: perceived batches that may wait for the tracker.
    """

    frames: int = 8
    window_s: float = 1.0
    waiting: int = 2


def merge_by_time(
    streams: Mapping[str, Iterator[Frame]], common_time: Callable[[str, float], float]
) -> Iterator[TimedFrame]:
    """Merge cameras into the global order (common time, camera name).

    Args:
        streams: frames of each camera in rising time.
        common_time: (camera, source seconds) -> seconds on the common clock.
    """

    def timed(camera: str, frames: Iterator[Frame]) -> Iterator[tuple[float, str, int, Frame]]:
        for frame in frames:
            yield common_time(camera, frame.time_s), camera, frame.index, frame

    for common_s, _, _, frame in heapq.merge(
        *(timed(*stream) for stream in streams.items()), key=lambda item: item[:3]
    ):
        yield TimedFrame(common_s, frame)


@dataclass
class _Waiting:
    """An instant whose turn has not come, or that may still grow."""

    frames: Instant = field(default_factory=list)
    complete: bool = True


def by_instant(frames: Iterator[TimedFrame], scopes: Sequence[Scope]) -> Iterator[Instant]:
    """Put the frames of each group together that are one instant; instants come in the order of their first frames.

    An instant waits for its last frame no longer than the group's tolerance, in the time of the frames.

    Args:
        frames: in the global order.
        scopes: of all their cameras.
    """
    grouped = {number: scope for number, scope in enumerate(scopes) if scope.group is not None}
    scope_of = {camera: number for number, scope in grouped.items() for camera in scope.cameras}
    instants = {
        number: Instants(scope.cameras, scope.group.sync_tolerance_s)
        for number, scope in grouped.items()
        if scope.group
    }
    growing: dict[int, _Waiting] = {}
    queue: deque[_Waiting] = deque()
    for timed in frames:
        for number in [number for number in growing if not instants[number].covers(timed.common_s)]:
            growing.pop(number).complete = True
        own = scope_of.get(timed.frame.camera)
        if own is None:
            queue.append(_Waiting([timed]))
        else:
            if instants[own].begins(timed.frame.camera, timed.common_s):
                if own in growing:
                    growing[own].complete = True
                growing[own] = _Waiting(complete=False)
                queue.append(growing[own])
            growing[own].frames.append(timed)
            if instants[own].full:
                growing.pop(own).complete = True
        while queue and queue[0].complete:
            yield queue.popleft().frames
    yield from (waiting.frames for waiting in queue)


def batches(instants: Iterator[Instant], batching: Batching, *, at_once: bool = False) -> Iterator[list[Instant]]:
    """Cut the order of instants into batches of so many frames and so much time at most, but no instant in two.

    Only timestamps decide, so the same input always gives the same batches, however fast it is read.

    Args:
        instants: in the global order.
        batching: the limits.
        at_once: the first instant is a batch by itself, so that it is not kept waiting for those that follow.
    """
    if at_once:
        yield from ([first] for first in islice(instants, 1))
    batch: list[Instant] = []
    frames = 0
    for instant in instants:
        late = bool(batch) and instant[0].common_s - batch[0][0].common_s > batching.window_s
        if batch and (late or frames + len(instant) > batching.frames):
            yield batch
            batch, frames = [], 0
        batch.append(instant)
        frames += len(instant)
    if batch:
        yield batch


def rounds(scopes: Sequence[int]) -> list[list[int]]:
    """Split a batch into rounds in which every scope appears at most once.

    A tracker must finish one instant before it can look at the next, but the appearance requests of all scopes can
    share one call.

    Args:
        scopes: number of the scope of each instant of the batch, in order.

    Returns:
        Numbers of the batch's instants, round by round.
    """
    seen: dict[int, int] = {}
    split: list[list[int]] = []
    for row, scope in enumerate(scopes):
        number = seen.get(scope, 0)
        seen[scope] = number + 1
        if number == len(split):
            split.append([])
        split[number].append(row)
    return split
