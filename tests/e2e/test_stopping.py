"""A run ends soon after it is told to, whatever it waits for, and says how to go on."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest

from data.formats.state import load_state
from pipeline.folder.run_folder import RunFolder

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="POSIX signals")
_FRAMES = 12


class _Silent(BaseHTTPRequestHandler):
    """Some pictures, then nothing, for as long as the server lives."""

    ended = threading.Event()

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=x")
        self.end_headers()
        picture = cv2.imencode(".jpg", np.full((120, 160, 3), 90, np.uint8))[1].tobytes()
        for _ in range(_FRAMES):
            self.ended.wait(0.1)
            self.wfile.write(b"--x\r\nContent-Type: image/jpeg\r\n")
            self.wfile.write(f"Content-Length: {len(picture)}\r\n\r\n".encode() + picture + b"\r\n")
        self.wfile.flush()
        self.ended.wait()


@pytest.fixture
def silent() -> Iterator[str]:
    _Silent.ended.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Silent)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/live.mjpg"
    _Silent.ended.set()
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    "number",
    [signal.SIGTERM, *(pytest.param(one, marks=pytest.mark.slow) for one in (signal.SIGINT, signal.SIGHUP))],
)
def test_a_silent_camera_does_not_hold_up_the_end(silent: str, tmp_path: Path, number: signal.Signals) -> None:
    detections = tmp_path / "det"
    detections.mkdir()
    (detections / "hall.txt").write_text("".join(f"{n + 1},-1,20,20,20,60,0.9,-1,-1,-1\n" for n in range(_FRAMES)))
    out = tmp_path / "run"
    command = [sys.executable, "-m", "pipeline.run", "--videos", f"hall={silent}", "--detections", str(detections)]
    # With this patience the process could not end by itself while the test waits.
    command += [
        "--output",
        str(out),
        "reid.name=none",
        "sources.timeout_s=3600",
        "run.batch_frames=1",
        "run.part_s=1e-4",
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=dict(os.environ)) as process:
        try:
            while not (out / "checkpoint" / "state.npz").exists() and process.poll() is None:
                time.sleep(0.05)
            process.send_signal(number)
            _, lines = process.communicate(timeout=120)
        finally:
            process.kill()
    assert process.returncode == 130, lines
    assert f"go on with: python -m pipeline.run --videos hall={silent}" in lines
    assert f" --resume --output {out}\n" in lines
    folder = RunFolder(out)
    assert folder.read_manifest()["status"] == "interrupted"
    assert load_state(out / "checkpoint" / "state.npz")
