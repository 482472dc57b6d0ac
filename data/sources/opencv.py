"""Recorded video through OpenCV, for files that PyAV cannot open."""

import math
import os
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from data.config import SourcesConfig
from data.records import Frame, Image
from data.sources.base import CameraSpec, SourceInfo, Warnings
from data.sources.container import Unreadable
from data.sources.geometry import believed_aspect, fit, square_pixels
from data.sources.select import FrameSelector

# A file that promises more frames is read on over this many failures in a row before it counts as ended.
_PATIENCE = 30


class OpenCvSource:
    """A video file decoded by OpenCV; frame times are index / fps."""

    def __init__(self, spec: CameraSpec, config: SourcesConfig) -> None:
        """Open the file and decode its first frame.

        Args:
            spec: camera and path.
            config: how to read it.

        Raises:
            Unreadable: when OpenCV cannot open it or gets no frame.
        """
        import cv2

        self._spec, self._config = spec, config
        self.warnings = Warnings()
        self.counted: int | None = None
        capture = self._open()
        decoded, first = capture.read()
        fps, count = capture.get(cv2.CAP_PROP_FPS), int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self._aspect = _aspect(capture)
        capture.release()
        if not decoded:
            raise Unreadable("OpenCV gets no frame from it")
        if not (math.isfinite(fps) and 0 < fps <= 1000):
            fps = config.image_fps
            self.warnings.append(f"the file gives no frame rate: {fps:g} fps assumed (sources.image_fps)")
        self._size = square_pixels((first.shape[1], first.shape[0]), self._aspect)
        self.info = SourceInfo(
            camera=spec.camera,
            uri=spec.uri,
            width=self._size[0],
            height=self._size[1],
            fps=fps,
            frame_count=count if count > 0 else None,
            live=False,
            wall_clock_start_s=None,
            timestamps="fps",
        )
        self._closed = False

    def frames(self, start_index: int = 0) -> Iterator[Frame]:
        """Decode from a frame index on; see ``FrameSource``."""
        selector = FrameSelector(self._config, start_index)
        capture = self._open()
        index, failures, lost, refused = 0, 0, 0, 0
        try:
            while not self._closed and failures < _PATIENCE:
                if not capture.grab():
                    if index + refused + failures >= (self.info.frame_count or 0):
                        break
                    failures += 1
                    continue
                lost, refused, failures = lost + failures, refused + failures, 0
                time_s = (index + refused) / self.info.fps
                if selector.wants(index, time_s):
                    decoded, image = capture.retrieve()
                    if decoded:
                        yield Frame(self._spec.camera, index, time_s, self._shown(_rgb(image)))
                    else:
                        lost += 1
                index += 1
        finally:
            capture.release()
        if not self._closed:
            self.counted = index
        if lost:
            self.warnings.tell(f"{lost} damaged frames were left out")
        # OpenCV estimates the count from the duration, so one frame more or less means nothing.
        if not self._closed and index + refused < (self.info.frame_count or 0) - 1:
            self.warnings.tell(
                f"ends at frame {index} ({index / self.info.fps:.2f} s), but its header says {self.info.frame_count} "
                "frames: the file is cut off, or its header is wrong; what decodes was kept"
            )

    def close(self) -> None:
        """Stop a pass that is under way; it releases the decoder itself."""
        self._closed = True

    def _open(self) -> Any:
        # OpenCV's FFmpeg writes to stderr by itself; what is wrong with a file is told once, by us.
        os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
        import cv2

        # A name with a colon is no protocol where a file has it.
        capture = cv2.VideoCapture(os.path.abspath(self._spec.uri))
        if not capture.isOpened():
            capture.release()
            raise Unreadable("neither PyAV nor OpenCV can open it")
        return capture

    def _shown(self, image: Image) -> Image:
        """A picture in square pixels, brought to the size of the first."""
        import cv2

        stored = (image.shape[1], image.shape[0])
        size = square_pixels(stored, self._aspect)
        if size != stored:
            image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), np.uint8)
        if size != self._size:
            width, height = self._size
            self.warnings.tell(f"the picture size changes: all are fitted into {width}x{height}, proportions kept")
        return fit(image, self._size)


def _aspect(capture: Any) -> Fraction | None:
    import cv2

    across, down = capture.get(cv2.CAP_PROP_SAR_NUM), capture.get(cv2.CAP_PROP_SAR_DEN)
    return believed_aspect(Fraction(round(across), round(down)) if across > 0 and down > 0 else None)


def _rgb(image: Any) -> Image:
    if image.ndim == 2:
        image = image[..., None].repeat(3, axis=2)
    return np.ascontiguousarray(image[..., 2::-1])
