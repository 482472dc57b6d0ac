"""Live sources: network streams and webcams, with arrival times."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from data.config import SourcesConfig
from data.errors import UserError
from data.records import Frame, Image
from data.redaction import redact
from data.sources.base import CameraSpec, SourceInfo, Warnings
from data.sources.container import Unreadable, open_container, video_stream
from data.sources.geometry import Orientations, ToRgb, believed_aspect, fit, shown_size
from data.sources.select import FrameSelector

logger = logging.getLogger(__name__)

_LONGEST_WAIT_S = 30.0
_PATIENCE_S = 2.0
_USUAL_FPS = 25.0

Picture = Callable[[], Image]


class Lost(Exception):
    """The connection ended or fell silent."""


class Connection(Protocol):
    """An open live source; ``pictures`` blocks for the next picture and raises ``Lost`` when there will be none.

    A picture is a function that converts it, so that frames nobody takes cost no conversion.
    """

    fps: float | None

    def pictures(self) -> Iterator[Picture]:
        """Pictures as they arrive."""
        ...

    def close(self) -> None:
        """Hang up."""
        ...


class NetworkConnection:
    """RTSP, HTTP, UDP, ... through PyAV."""

    def __init__(self, camera: str, uri: str, timeout_s: float) -> None:
        """Connect.

        Raises:
            Lost: when nothing answers or what answers is no video.
        """
        self._shown_uri = redact(uri)
        try:
            self._container = open_container(uri, timeout_s)
        except Unreadable as error:
            raise Lost(str(error)) from None
        try:
            self._stream = video_stream(self._container, camera, self._shown_uri)
        except (Unreadable, UserError) as error:
            self._container.close()
            raise Lost(str(error)) from None
        rate = float(self._stream.average_rate or self._stream.guessed_rate or 0)
        self.fps = rate if 0 < rate <= 240 else None

    def pictures(self) -> Iterator[Picture]:
        """See ``Connection``; damaged pictures are left out."""
        import av

        aspect, to_rgb = believed_aspect(self._stream.sample_aspect_ratio), None
        orientations = Orientations()
        try:
            for packet in self._container.demux(self._stream):
                try:
                    pictures = packet.decode()
                except av.FFmpegError:
                    continue
                for picture in pictures:
                    if picture.is_corrupt:
                        continue
                    size = shown_size(picture, aspect, orientations(picture))
                    if to_rgb is None or to_rgb.size != size:
                        to_rgb = ToRgb(size, aspect, orientations=orientations)
                    yield _Convert(to_rgb, picture)
        except av.FFmpegError as error:
            raise Lost(error.strerror or str(error)) from None
        raise Lost("the stream ended")

    def close(self) -> None:
        """Hang up."""
        self._container.close()


@dataclass(frozen=True, slots=True)
class _Convert:
    to_rgb: ToRgb
    picture: Any

    def __call__(self) -> Image:
        return self.to_rgb(self.picture)


class WebcamConnection:
    """A camera of this machine through OpenCV."""

    def __init__(self, device: int | str) -> None:
        """Open the camera.

        Raises:
            Lost: when there is none.
        """
        import cv2

        try:
            self._capture = cv2.VideoCapture(device)
        except (cv2.error, OverflowError, TypeError) as error:
            raise Lost(f"no camera answers as device {device} ({error})") from None
        if not self._capture.isOpened():
            self._capture.release()
            raise Lost(f"no camera answers as device {device}")
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = rate if 0 < rate <= 240 else None

    def pictures(self) -> Iterator[Picture]:
        """See ``Connection``."""
        while True:
            taken, image = self._capture.read()
            if not taken:
                raise Lost("the camera stopped")
            yield lambda image=image: np.ascontiguousarray(image[..., ::-1])  # type: ignore[misc]

    def close(self) -> None:
        """Release the camera."""
        self._capture.release()


class LiveSource:
    """Takes the latest picture of a live source; older ones nobody took are dropped and counted.

    A thread reads as fast as pictures arrive. Times are seconds since the first picture on this machine's monotonic
    clock. A lost connection is opened again with growing pauses; after ``sources.reconnects`` failures in a row the
    source ends with a warning.
    """

    def __init__(self, spec: CameraSpec, config: SourcesConfig, connect: Callable[[], Connection]) -> None:
        """Connect and wait for the first picture.

        Args:
            spec: camera and address.
            config: time limits and frame selection.
            connect: opens the source; raises ``Lost``.

        Raises:
            UserError: when it cannot be reached or sends no picture in time.
        """
        self._spec, self._config, self._connect = spec, config, connect
        self.warnings = Warnings()
        self.counted: int | None = None
        shown = redact(spec.uri)
        try:
            self._connection: Connection | None = connect()
        except Lost as error:
            raise UserError(f"camera '{spec.camera}': cannot open {shown} ({error})") from None
        self._changed = threading.Condition()
        self._stopped = threading.Event()
        self._latest: tuple[int, float, Picture] | None = None
        self._arrived = 0
        self._dropped = 0
        self._resized = False
        self._started_s = 0.0
        self._wall_clock_s = 0.0
        self._ended: str | None = None
        fps = self._connection.fps or _USUAL_FPS
        self._thread = threading.Thread(target=self._run, name=f"live-{spec.camera}", daemon=True)
        self._thread.start()
        first = self._wait_for_first()
        if first is None:
            self.close()
            why = self._ended or f"no picture within {config.timeout_s:g} s"
            raise UserError(f"camera '{spec.camera}': {shown} opens but gives no picture ({why})")
        self.info = SourceInfo(
            camera=spec.camera,
            uri=shown,
            width=first.shape[1],
            height=first.shape[0],
            fps=fps,
            frame_count=None,
            live=True,
            wall_clock_start_s=self._wall_clock_s,
            timestamps="arrival",
        )

    def frames(self, start_index: int = 0) -> Iterator[Frame]:
        """The latest picture, again and again, numbered by arrival from ``start_index`` on; see ``FrameSource``."""
        selector = FrameSelector(self._config)
        while (taken := self._take()) is not None:
            number, time_s, picture = taken
            if selector.wants(number, time_s):
                yield Frame(self._spec.camera, start_index + number, time_s, self._sized(picture(), number))
        if self._dropped:
            self.warnings.tell(
                f"{self._dropped} of {self._arrived} frames arrived faster than they were taken and were dropped"
            )
        if self._ended is not None:
            self.warnings.tell(f"ended after frame {start_index + self._arrived - 1}: {self._ended}")

    def close(self) -> None:
        """Stop the reader."""
        self._stopped.set()
        with self._changed:
            self._changed.notify_all()
        # A reader that waits for a silent camera hangs up by itself when its time is over.
        self._thread.join(timeout=min(self._config.timeout_s, _PATIENCE_S))

    def _sized(self, image: Image, number: int) -> Image:
        """Bring a picture to the size of the first."""
        size = (self.info.width, self.info.height)
        if image.shape[1::-1] != size and not self._resized:
            self._resized = True
            self.warnings.tell(
                f"the picture size changes at frame {number}: all are fitted into the first, {size[0]}x{size[1]}, "
                "proportions kept"
            )
        return fit(image, size)

    def _wait_for_first(self) -> Image | None:
        with self._changed:
            self._changed.wait_for(
                lambda: self._latest is not None or self._ended is not None, timeout=self._config.timeout_s
            )
            latest = self._latest
        return None if latest is None else latest[2]()

    def _take(self) -> tuple[int, float, Picture] | None:
        with self._changed:
            self._changed.wait_for(
                lambda: self._latest is not None or self._ended is not None or self._stopped.is_set()
            )
            taken, self._latest = self._latest, None
        return None if self._stopped.is_set() else taken

    def _run(self) -> None:
        """Body of the thread. Whatever happens in it, whoever waits for a picture is told."""
        try:
            self._read()
        except Exception as error:
            logger.exception("the reader of camera '%s' failed", self._spec.camera)
            self._end(f"the reader failed: {error}")

    def _read(self) -> None:
        """Publish pictures, reconnect, and at last say why it ended."""
        failures = 0
        while not self._stopped.is_set():
            try:
                self._connection = self._connection or self._connect()
                for picture in self._connection.pictures():
                    failures = 0
                    self._publish(picture)
                    if self._stopped.is_set():
                        break
            except Lost as error:
                failures += 1
                self._hang_up()
                if failures > self._config.reconnects:
                    self._end(str(error))
                    return
                wait_s = min(self._config.reconnect_wait_s * 2 ** (failures - 1), _LONGEST_WAIT_S)
                if failures == 1:
                    self.warnings.tell(
                        f"lost after frame {self._arrived - 1} ({error}); opened again after {wait_s:g} s"
                    )
                self._stopped.wait(wait_s)
        self._hang_up()

    def _publish(self, picture: Picture) -> None:
        now_s = time.monotonic()
        with self._changed:
            if not self._arrived:
                self._started_s, self._wall_clock_s = now_s, time.time()
            self._dropped += self._latest is not None
            self._latest = (self._arrived, now_s - self._started_s, picture)
            self._arrived += 1
            self._changed.notify_all()

    def _end(self, why: str) -> None:
        with self._changed:
            self._ended = why
            self._changed.notify_all()

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
