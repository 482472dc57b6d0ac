"""Live sources: a loopback HTTP server for the network path, scripted connections for the faults."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count, pairwise

import cv2
import numpy as np
import pytest

from data.config import SourcesConfig
from data.errors import UserError
from data.records import Frame
from data.sources import stream
from data.sources.base import CameraSpec
from data.sources.open import open_source
from data.sources.stream import LiveSource, Lost, WebcamConnection
from data.sources.video import VideoSource


class Handler(BaseHTTPRequestHandler):
    """Serves /file (an mp4), /mjpeg (20 pictures at 50 per second) and /ts (an endless-looking transport stream)."""

    file: bytes = b""
    ts: bytes = b""
    mjpeg_requests = 0

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.send_response(200) if self.path != "/gone" else self.send_response(404)
        if self.path == "/file":
            self.send_header("Content-Length", str(len(self.file)))
            self.end_headers()
            self.wfile.write(self.file)
        elif self.path == "/ts":
            self.send_header("Content-Type", "video/mp2t")
            self.end_headers()
            for start in range(0, len(self.ts), 1880):
                self.wfile.write(self.ts[start : start + 1880])
                time.sleep(0.005)
        elif self.path == "/mjpeg":
            type(self).mjpeg_requests += 1
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            for number in range(20):
                _, jpeg = cv2.imencode(".jpg", np.full((48, 64, 3), 10 * number, np.uint8))
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                self.wfile.write(head.encode() + jpeg.tobytes() + b"\r\n")
                time.sleep(0.02)
        else:
            self.end_headers()

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True


@pytest.fixture
def server(make_video) -> Iterator[str]:
    Handler.file = make_video("f.mp4", options={"movflags": "faststart"}).read_bytes()
    Handler.ts = make_video("t.ts", frames=60).read_bytes()
    Handler.mjpeg_requests = 0
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    httpd.server_close()
    thread.join()


QUICK = SourcesConfig(reconnects=1, reconnect_wait_s=0.01, timeout_s=60)


def test_an_mp4_behind_an_address_is_a_recording(server):
    source = open_source(CameraSpec("f", f"{server}/file"), QUICK)
    assert isinstance(source, VideoSource)
    frames = list(source.frames())
    assert [frame.index for frame in frames] == list(range(20))
    assert not source.info.live


def test_mjpeg_is_live_and_reconnects(server):
    asked_s = time.time()
    source = open_source(CameraSpec("m", f"{server}/mjpeg"), QUICK)
    assert asked_s <= source.info.wall_clock_start_s <= time.time()
    assert source.info.live
    assert source.info.timestamps == "arrival"
    assert (source.info.width, source.info.height) == (64, 48)
    frames = []
    for frame in source.frames(100):
        frames.append(frame)
        if len(frames) == 30:
            break
    source.close()
    assert frames[0].index >= 100
    assert all(a.index < b.index and a.time_s < b.time_s for a, b in pairwise(frames))
    assert Handler.mjpeg_requests >= 3, "the probe, the stream, and at least one reconnection"
    assert any("lost after frame" in line for line in source.warnings)


def test_transport_stream_over_http(server):
    source = open_source(CameraSpec("t", f"{server}/ts"), QUICK)
    frame = next(iter(source.frames()))
    assert frame.image.shape == (48, 64, 3)
    source.close()


def test_addresses_that_do_not_answer(server):
    for uri in (f"{server}/gone", "http://127.0.0.1:9/x", "rtsp://127.0.0.1:9/x", f"{server}/nothing"):
        with pytest.raises(UserError, match="camera 'c': cannot open") as caught:
            open_source(CameraSpec("c", uri), QUICK)
        assert "\n" not in str(caught.value)


class Script:
    """A connection that gives pictures of one grey value and then ends. It waits for its test, never for a clock.

    Args:
        bursts: values of pictures that arrive at once; the first burst at the start, the others when told to ``go_on``.
        size: height, width of the pictures.
    """

    fps = 20.0

    def __init__(self, *bursts: list[int], size: tuple[int, int] = (48, 64)) -> None:
        self.bursts, self.size, self.closed = bursts, size, False
        self._told, self._arrived = threading.Semaphore(0), threading.Semaphore(0)

    def pictures(self):
        for number, burst in enumerate((*self.bursts, [])):
            if number > 0:
                self._told.acquire()
            for value in burst:
                yield lambda value=value: np.full((*self.size, 3), value, np.uint8)
            if number > 0:
                self._arrived.release()
        raise Lost("the script ended")

    def go_on(self) -> None:
        """Let the next burst come, or the end; returns when it has arrived."""
        self._told.release()
        self._arrived.acquire()

    def close(self) -> None:
        self.closed = True


def live(connections: list[object], config: SourcesConfig = QUICK) -> LiveSource:
    waiting = list(connections)

    def connect():
        if not waiting:
            raise Lost("nobody answers")
        item = waiting.pop(0)
        if isinstance(item, Exception):
            raise item
        return item

    return LiveSource(CameraSpec("cam", "script://"), config, connect)


def read(source: LiveSource, *turns: Script) -> list[Frame]:
    """Frames of a source whose scripts take turns with the reader: after each frame the next of ``turns`` goes on."""
    frames = []
    for frame, script in zip(source.frames(), turns):
        frames.append(frame)
        script.go_on()
    return frames


def test_a_slow_reader_gets_the_latest_picture_and_drops_are_counted():
    script = Script([0], list(range(1, 20)), list(range(20, 40)))
    source = live([script], SourcesConfig(reconnects=0))
    frames = read(source, script, script, script)
    assert [frame.index for frame in frames] == [0, 19, 39]
    assert [int(frame.image[0, 0, 0]) for frame in frames] == [0, 19, 39]
    assert any("37 of 40 frames arrived faster" in line for line in source.warnings)
    assert any("ended after frame 39: the script ended" in line for line in source.warnings)
    assert script.closed


def test_reconnection_is_bounded_and_success_resets_it():
    one, two, three = Script([1]), Script([2]), Script([3])
    source = live(
        [one, Lost("busy"), two, Lost("busy"), three],
        SourcesConfig(reconnects=2, reconnect_wait_s=0.01),
    )
    assert [int(frame.image[0, 0, 0]) for frame in read(source, one, two, three)] == [1, 2, 3]
    assert any("ended after frame 2: nobody answers" in line for line in source.warnings)


def test_a_reconnected_stream_of_another_size_is_scaled():
    large, small = Script([1], [1]), Script([2], [2], size=(24, 32))
    source = live([large, small])
    frames = read(source, large, large, small, small)
    assert [frame.image.shape for frame in frames] == [(48, 64, 3)] * 4
    assert sum("size changes" in line for line in source.warnings) == 1


def test_a_reader_that_breaks_does_not_hang_the_run():
    class Broken(Script):
        def pictures(self):
            yield lambda: np.zeros((48, 64, 3), np.uint8)
            raise RuntimeError("driver bug")

    source = live([Broken([])])
    assert len(list(source.frames())) == 1
    assert any("driver bug" in line for line in source.warnings)


def test_no_picture_in_time_is_an_error():
    test_is_over = threading.Event()

    class Silent(Script):
        def pictures(self):
            test_is_over.wait()
            yield from super().pictures()

    with pytest.raises(UserError, match="gives no picture"):
        live([Script()], SourcesConfig(reconnects=0))
    with pytest.raises(UserError, match=r"no picture within 0\.1 s"):
        live([Silent([1])], SourcesConfig(timeout_s=0.1))
    test_is_over.set()
    with pytest.raises(UserError, match="cannot open"):
        live([])


def test_max_fps_thins_a_live_source(monkeypatch):
    class Clock:
        """A picture each 10 ms."""

        arrivals = count()
        time = staticmethod(time.time)

        def monotonic(self) -> float:
            return next(self.arrivals) / 100

    monkeypatch.setattr(stream, "time", Clock())
    script = Script([0], list(range(1, 30)))
    source = live([script], SourcesConfig(max_fps=10, reconnects=0))
    times = [frame.time_s for frame in read(source, script, script, script, script)]
    assert 2 <= len(times) <= 4, "pictures come within 0.3 s; a frame may be a tenth of its 0.1 s early"
    assert times[0] == 0


def test_webcam(monkeypatch):
    class Capture:
        def __init__(self, device: object) -> None:
            self.left = 3 if device == 0 else 0

        def isOpened(self) -> bool:
            return self.left > 0

        def get(self, _: int) -> float:
            return 15.0

        def read(self):
            self.left -= 1
            return self.left >= 0, np.full((48, 64, 3), (1, 2, 3), np.uint8)

        def release(self) -> None:
            pass

    monkeypatch.setattr(cv2, "VideoCapture", Capture)
    source = open_source(CameraSpec("webcam0", "0"), SourcesConfig(reconnects=0))
    frames = list(source.frames())
    assert source.info.fps == 15
    assert frames[-1].image[0, 0].tolist() == [3, 2, 1]
    with pytest.raises(Lost, match="no camera answers"):
        WebcamConnection(7)
    with pytest.raises(UserError, match="no camera answers as device 7"):
        open_source(CameraSpec("webcam7", "7"), SourcesConfig())
