"""H.264 video files that browsers play, with the timestamps of their source, encoded beside the caller."""

import logging
import threading
from fractions import Fraction
from pathlib import Path
from queue import Queue
from types import TracebackType
from typing import Any

from data.atomic import put_in_place, temporary_path
from data.errors import UserError
from data.records import Image

logger = logging.getLogger(__name__)

# Ticks per second: whole for 24, 25, 30, 50 and 60 frames per second and for milliseconds, and small enough for MPEG-4.
TICKS = 60_000
_FALLBACK_BITS_PER_PIXEL_S = 3
_BT601, _LIMITED_RANGE = 6, 1


def pick_codec() -> str:
    """``libx264`` where this PyAV has it, else ``mpeg4``, which few browsers play, with a warning."""
    import av

    if "libx264" in av.codecs_available:
        return "libx264"
    logger.warning(
        "this PyAV has no libx264: videos are MPEG-4 part 2, which most browsers do not play; install 'av' from PyPI"
    )
    return "mpeg4"


def _open(path: Path, size: tuple[int, int], fps: float, crf: int, preset: str) -> tuple[Any, Any]:
    """An mp4 container and its video stream."""
    import av

    codec = pick_codec()
    container = av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"})
    options = {"crf": str(crf), "preset": preset, "bf": "0"} if codec == "libx264" else {}
    stream: Any = container.add_stream(codec, rate=Fraction(fps).limit_denominator(1001), options=options)
    stream.width, stream.height = size[0] + size[0] % 2, size[1] + size[1] % 2
    stream.pix_fmt = "yuv420p"
    stream.time_base = stream.codec_context.time_base = Fraction(1, TICKS)
    # OpenCV converts by BT.601 in the limited range; said so, players show the true colours at any size.
    stream.codec_context.colorspace, stream.codec_context.color_range = _BT601, _LIMITED_RANGE
    if codec == "mpeg4":
        stream.bit_rate = _FALLBACK_BITS_PER_PIXEL_S * size[0] * size[1]
    return container, stream


class VideoWriter:
    """Writes an mp4 file; frames are encoded in a thread behind a bounded queue.

    The file appears under its name only when it is complete: it is written beside it and renamed by ``close``. Use it
    as a context manager; leaving by an exception discards the file.
    """

    def __init__(
        self, path: Path, size: tuple[int, int], fps: float, *, crf: int, preset: str, queue_frames: int
    ) -> None:
        """Open the file.

        Args:
            path: where the video goes; folders are made.
            size: (width, height) of the frames; of an odd side the last row or column is repeated.
            fps: nominal frame rate, for the encoder's rate control only: every frame keeps its own time.
            crf: H.264 quality, 0-51.
            preset: x264 speed.
            queue_frames: frames that may wait for the encoder.

        Raises:
            UserError: when the file cannot be written.
        """
        self.path, self.frames = path, 0
        self._size = size
        self._temporary = temporary_path(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._container, self._stream = _open(self._temporary, size, fps, crf, preset)
        except OSError as error:
            reason = error.strerror or error
            raise UserError(f"cannot write {path}: {reason}; check the folder's rights and space") from None
        self._queue: Queue[tuple[Image, float] | None] = Queue(queue_frames)
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = threading.Thread(target=self._encode_all, name="encoder", daemon=True)
        self._thread.start()

    def write(self, image: Image, time_s: float) -> None:
        """Hand over a frame; blocks while the queue is full.

        Args:
            image: (H, W, 3) uint8 RGB of the size given; must not be changed afterwards.
            time_s: seconds from the start of the video. A time that does not rise is put one tick after the last.

        Raises:
            UserError: when an earlier frame could not be written.
        """
        self._check()
        self._queue.put((image, time_s))
        self.frames += 1

    def close(self) -> None:
        """Encode what waits, complete the file and give it its name."""
        self._stop()
        self._finish_container(complete=self._error is None)
        self._check()
        put_in_place(self._temporary, self.path, durable=False)

    def discard(self) -> None:
        """Stop and leave no file."""
        self._stop()
        self._finish_container(complete=False)

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()

    def _stop(self) -> None:
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None

    def _finish_container(self, *, complete: bool) -> None:
        try:
            if complete:
                self._container.mux(self._stream.encode())
            self._container.close()
        except OSError as error:
            self._error = self._error or error
            complete = False
        if not complete:
            self._temporary.unlink(missing_ok=True)

    def _check(self) -> None:
        if isinstance(self._error, OSError):
            raise UserError(f"cannot write {self.path}: {self._error.strerror or self._error}") from None
        if self._error is not None:
            raise self._error

    def _encode_all(self) -> None:
        """Encode until told to stop; after an error only empty the queue, so that the caller never blocks."""
        last = -1
        while (item := self._queue.get()) is not None:
            if self._error is not None:
                continue
            try:
                last = max(round(item[1] * TICKS), last + 1)
                self._encode(item[0], last)
            except BaseException as error:
                self._error = error

    def _encode(self, image: Any, pts: int) -> None:
        import av
        import cv2

        width, height = self._stream.width, self._stream.height
        if (image.shape[1], image.shape[0]) != self._size:
            raise ValueError(
                f"frame of {image.shape[1]}x{image.shape[0]} in a video of {self._size[0]}x{self._size[1]}"
            )
        if image.shape[:2] != (height, width):
            image = cv2.copyMakeBorder(
                image, 0, height - image.shape[0], 0, width - image.shape[1], cv2.BORDER_REPLICATE
            )
        planes: Any = cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420)
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts, frame.time_base = pts, Fraction(1, TICKS)
        self._container.mux(self._stream.encode(frame))
