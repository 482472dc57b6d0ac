"""What a run can start from: the protocol of its inputs."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np

from data.runtime.stage_clock import StageClock
from data.site import Site
from pipeline.input.perception import PerceivedBatch


class PerceivedInput(Protocol):
    """Something a run tracks: batches of perceived frames, and what to write of it into the manifest."""

    cameras: tuple[str, ...]

    @property
    def warnings(self) -> dict[str, list[str]]:
        """Per camera, what was left out or went wrong so far."""
        ...

    def batches(
        self, after: Mapping[str, int], clock: StageClock, memory: Mapping[str, Any] | None = None
    ) -> Iterator[PerceivedBatch]:
        """Batches in the global order.

        Args:
            after: from the frame after ``after[camera]`` on (-1: from the start).
            clock: takes the timings.
            memory: of the last batch that was used, of a run that goes on.
        """
        ...

    def describe(self) -> dict[str, dict[str, Any]]:
        """Per camera: kind ("video", "detections"), uri, fps, size, frames, bytes, sha256."""
        ...

    def counted(self) -> dict[str, int]:
        """Frames of the cameras that were read to their end; before, ``describe`` gives the guess of the header."""
        ...

    def total_frames(self) -> int | None:
        """Frames of all cameras, a guess of the header for each that was not read to its end, or None where unknown."""
        ...

    def interrupt(self) -> None:
        """Give no more batches; whoever waits for one is told at once that there is none. May be called at any time."""
        ...

    def close(self) -> None:
        """Release decoders and threads."""
        ...


def common_time(site: Site) -> Callable[[str, float], float]:
    """(camera, source seconds) -> seconds on the site's common clock."""

    def common(camera: str, time_s: float) -> float:
        return float(site.common_times(camera, np.array([time_s]))[0])

    return common
