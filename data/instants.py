"""Which frames of several cameras are one instant."""

from collections.abc import Iterable

import numpy as np

from data.records import IntArray


class Instants:
    """Splits the frames of a group of cameras, in the order of common time, into instants.

    An instant begins with a frame and takes the frames that follow within the tolerance, at most one of each camera. So
    a camera that is slower, or has dropped a frame, is absent from some, and no clock has to tick exactly. Nothing but
    times decides, and nothing from before an instant's first frame: who starts between two instants splits the rest in
    the same way.
    """

    def __init__(self, cameras: Iterable[str], tolerance_s: float) -> None:
        """Set up.

        Args:
            cameras: names of the group's cameras.
            tolerance_s: frames at most this far apart on the common clock are one instant.
        """
        self._cameras = frozenset(cameras)
        self._tolerance_s = tolerance_s
        self._seen: set[str] = set()
        self._start_s = -np.inf

    @property
    def full(self) -> bool:
        """Whether every camera has a frame in the current instant: the next frame begins another."""
        return self._seen == self._cameras

    def covers(self, common_s: float) -> bool:
        """Whether a frame of this time, or a later one, could still belong to the current instant."""
        return common_s - self._start_s <= self._tolerance_s and not self.full

    def begins(self, camera: str, common_s: float) -> bool:
        """Take the next frame; True when it begins an instant.

        Args:
            camera: one of the group's.
            common_s: not before that of the frame before.
        """
        if self.covers(common_s) and camera not in self._seen:
            self._seen.add(camera)
            return False
        self._seen, self._start_s = {camera}, common_s
        return True


def instant_numbers(common_s: np.ndarray, cameras: np.ndarray, tolerance_s: float) -> IntArray:
    """Number of the instant of each row, from 0; rows of one frame have one number.

    Args:
        common_s: (N,) float64 times on the common clock.
        cameras: (N,) int64 number of the camera of each row.
        tolerance_s: see ``Instants``.
    """
    if not len(common_s):
        return np.zeros(0, np.int64)
    frames, row_frame = np.unique(np.stack([common_s, cameras]), axis=1, return_inverse=True)
    names = [str(int(camera)) for camera in frames[1]]
    instants = Instants(names, tolerance_s)
    begins = [instants.begins(name, time_s) for name, time_s in zip(names, frames[0].tolist(), strict=True)]
    numbers: IntArray = np.cumsum(begins) - 1
    return numbers[row_frame.ravel()]
