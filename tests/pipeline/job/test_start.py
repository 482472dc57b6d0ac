"""What a run waits for before its first frame: nothing that only later stages need."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.tiny_models import colour_network, constant_network

_LATER = (
    "torch", "onnx", "scipy.optimize", "pandas", "pyarrow", "matplotlib", "jinja2", "sklearn", "urllib.request",
    "openvino.tools.ovc", "numpy.ma", "pipeline.association.associate", "pipeline.evaluation.result",
)  # fmt: skip
_TELL = f"""
import json, os, sys
from pipeline.run import main
from trackers.camera import CameraTracker
commit = CameraTracker.commit
def told(*arguments):
    done = commit(*arguments)
    if sys.argv[1] == "first":
        print(json.dumps([name for name in {_LATER} if name in sys.modules]), flush=True)
        os._exit(0)
    return done
CameraTracker.commit = told
code = main(sys.argv[2:])
print(json.dumps([name for name in {_LATER} if name in sys.modules]))
sys.exit(code)
"""


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    """Of a run over two pictures, with a detector that sees two people and body parts of looks."""
    pictures = tmp_path / "hall"
    pictures.mkdir()
    for number in range(2):
        cv2.imwrite(str(pictures / f"{number:03d}.png"), np.full((64, 64, 3), 40 * number, np.uint8))
    people = np.zeros((1, 5, 84), np.float32)
    people[0, :, :2] = [[16, 48], [32, 32], [12, 12], [40, 40], [0.9, 0.9]]
    names = {"names": "{0: 'person'}", "task": "detect"}
    detector = constant_network(tmp_path / "detector.onnx", [1, 3, 64, 64], {"output0": people}, names)
    reid = colour_network(tmp_path / "reid.onnx", size=(64, 32))
    return [
        "--videos", str(pictures), "--output", str(tmp_path / "run"), "--overwrite",
        "detector.name=yolo_onnx", f"detector.weights={detector}", "pose.name=none", "reid.name=osnet_parts",
        f"reid.weights={reid}", "reid.colour=rgb", "reid.normalisation=imagenet", "run.device=cpu",
    ]  # fmt: skip


def _run(until: str, arguments: list[str], cache: Path) -> list[str]:
    """Modules of later stages that are loaded after the first frame, or after the whole run."""
    environment = {**os.environ, "MTMCT_CACHE": str(cache)}
    command = [sys.executable, "-c", _TELL, until, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return list(json.loads(done.stdout.splitlines()[-1]))


def test_the_first_frame_waits_for_no_later_stage(arguments: list[str], tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    # Once on a machine runtimes are compared and networks taken apart; association comes after the last frame.
    assert {"onnx", "scipy.optimize", "jinja2", "pipeline.evaluation.result"} <= set(_run("last", arguments, cache))
    assert _run("first", arguments, cache) == []
