"""A run that is killed again and again, from its first moment on, ends with the bytes of an unbroken one."""

import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

_KILLS = 20
_LATEST_S = 5.0
_SITE = """
cameras:
  hall: {fps: 25, size: [640, 360], clock: {status: common}}
  door: {fps: 25, size: [640, 360], clock: {status: common}}
default_overlap: none
"""


def _boxes(folder: Path, seed: int) -> None:
    draw = np.random.default_rng(seed)
    folder.mkdir()
    for camera in ("hall", "door"):
        rows = []
        for _ in range(12):
            left, speed, start = draw.uniform(0, 500), draw.uniform(-1, 1), int(draw.integers(1, 900))
            rows += [f"{start + n},-1,{left + speed * n:.2f},80,40,120,0.9,-1,-1,-1" for n in range(200)]
        (folder / f"{camera}.txt").write_text("\n".join(rows) + "\n")


def _start(tmp_path: Path, out: str, *extra: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "pipeline.run", "--detections", str(tmp_path / "det")]
    command += ["--site", str(tmp_path / "site.yaml"), "--output", str(tmp_path / out), "run.part_s=2", *extra]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=dict(os.environ))


def _results(out: Path) -> dict[str, bytes]:
    paths = [path for name in ("tracks", "local_tracks", "tracklets") for path in sorted(out.glob(f"{name}/*"))]
    paths += [out / "links.jsonl", out / "global_tracks.json"]
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in paths}


@pytest.mark.slow
def test_twenty_kills_and_the_same_bytes(tmp_path: Path) -> None:
    _boxes(tmp_path / "det", 0)
    (tmp_path / "site.yaml").write_text(_SITE)
    assert _start(tmp_path, "whole").wait() == 0
    draw = random.Random(0)
    for number in range(_KILLS):
        process = _start(tmp_path, "killed", "--resume")
        try:
            _, lines = process.communicate(timeout=draw.uniform(0, _LATEST_S))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        else:
            assert process.returncode == 0, lines.decode()
            assert _results(tmp_path / "killed") == _results(tmp_path / "whole"), number
            process = _start(tmp_path, "killed", "--overwrite")
            process.kill()
            process.communicate()
    process = _start(tmp_path, "killed", "--resume")
    _, lines = process.communicate()
    assert process.returncode == 0, lines.decode()
    assert _results(tmp_path / "killed") == _results(tmp_path / "whole")
