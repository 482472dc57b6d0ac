"""Frames of all cameras in one global order, cut into batches by their timestamps only."""

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from data.records import Frame


@dataclass(frozen=True, slots=True)
class TimedFrame:
    """A frame with its place on the common time line.

    Attributes:
        common_s: seconds on the common clock; orders the frames of all cameras.
        frame: the frame, with its source's own time.
    """

    common_s: float
    frame: Frame


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


def batches(frames: Iterator[TimedFrame], batching: Batching) -> Iterator[list[TimedFrame]]:
    """Cut the global order into batches of so many frames and so much time at most.

    Only timestamps decide, so the same input always gives the same batches, however fast it is read.
    """
    batch: list[TimedFrame] = []
    for frame in frames:
        if batch and (len(batch) == batching.frames or frame.common_s - batch[0].common_s > batching.window_s):
            yield batch
            batch = []
        batch.append(frame)
    if batch:
        yield batch


def rounds(cameras: Sequence[str], scope_of: Mapping[str, int]) -> list[list[int]]:
    """Split a batch into rounds in which every scope appears at most once.

    A tracker must finish one instant before it can look at the next, but the appearance requests of all scopes can
    share one call.

    Args:
        cameras: camera of each row of the batch, in the global order.
        scope_of: camera -> number of its scope.

    Returns:
        Row indices of the batch, round by round.
    """
    seen: dict[int, int] = {}
    split: list[list[int]] = []
    for row, camera in enumerate(cameras):
        number = seen.get(scope_of[camera], 0)
        seen[scope_of[camera]] = number + 1
        if number == len(split):
            split.append([])
        split[number].append(row)
    return split
