"""H.264 files through PyAV."""

from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray


class VideoWriter:
    """Writes frames at a steady rate; one thread, so that the same build gives the same bytes."""

    def __init__(self, path: Path, fps: float, size: tuple[int, int], crf: int) -> None:
        """Open the file.

        Args:
            path: an .mp4 file in a folder that exists.
            fps: frames per second.
            size: width, height, both even.
            crf: quality of libx264, 0 best, 51 worst.
        """
        import av

        rate = Fraction(fps).limit_denominator(1001)
        self._av = av
        self._container: Any = av.open(str(path), "w")
        self._stream: Any = self._container.add_stream("libx264", rate=rate)
        self._stream.width, self._stream.height = size
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.thread_count = 1
        self._stream.codec_context.time_base = 1 / rate
        self._stream.options = {"crf": str(crf), "preset": "veryfast", "g": "50"}
        self._count = 0

    def write(self, image: NDArray[np.uint8]) -> None:
        """Append a (H, W, 3) uint8 RGB frame."""
        frame = self._av.VideoFrame.from_ndarray(image, format="rgb24")
        frame.pts = self._count
        self._count += 1
        for packet in self._stream.encode(frame):
            self._container.mux(packet)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            for packet in self._stream.encode():
                self._container.mux(packet)
        self._container.close()
