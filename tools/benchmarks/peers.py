"""Trackers of other people on given boxes, frame by frame as their documents say.

Runs in an environment of its own (``tools.benchmarks.environment``), so it imports nothing of this project.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Peer:
    """A tracker of the package ``trackers``.

    Attributes:
        name: of its class.
        settings: what is tried: label -> arguments of the class; what is not named keeps the package's default.
    """

    name: str
    settings: Mapping[str, Mapping[str, float]]


_LONG = {"lost_track_buffer": 60}
_BIRTH = {"track_activation_threshold": 0.6}
_HIGH = {"high_conf_det_threshold": 0.4}
_LOOSE = {"minimum_iou_threshold": 0.1, "minimum_consecutive_frames": 2}
_LOOSE_FIRST = {"minimum_iou_threshold_first_assoc": 0.1}
PEERS = {
    "SORT": Peer("SORTTracker", {"defaults": {}, "ours": {**_BIRTH, **_LONG, **_LOOSE}}),
    "ByteTrack": Peer("ByteTrackTracker", {"defaults": {}, "ours": {**_BIRTH, **_HIGH, **_LONG}}),
    "OC-SORT": Peer(
        "OCSORTTracker", {"defaults": {}, "ours": _HIGH, "mild": {"high_conf_det_threshold": 0.5, **_LONG, **_LOOSE}}
    ),
    "BoT-SORT": Peer("BoTSORTTracker", {"defaults": {}, "ours": {**_BIRTH, **_HIGH, **_LONG, **_LOOSE_FIRST}}),
    "C-BIoU": Peer("CBIoUTracker", {"defaults": {}, "ours": {**_BIRTH, **_HIGH, **_LONG, **_LOOSE_FIRST}}),
}
"""By what they are called. "ours": with our tracker's score thresholds, two seconds of patience and loose gates."""


def peer(cameras: Sequence[Mapping[str, Any]], tracker: str, settings: Mapping[str, Any]) -> Callable[[], float]:
    """Track given boxes camera by camera.

    Args:
        cameras: per camera ``det``, a MOTChallenge file of boxes and scores; ``frames``, how many there are; ``fps``;
            and ``out``, where rows of MOTChallenge go.
        tracker: one of ``PEERS``.
        settings: arguments of its class.
    """
    supervision, package = import_module("supervision"), import_module("trackers")
    inputs = [_frames(supervision, camera) for camera in cameras]

    def job() -> float:
        total = 0
        for camera, frames in zip(cameras, inputs, strict=True):
            follow = getattr(package, PEERS[tracker].name)(frame_rate=float(camera["fps"]), **settings)
            lines = []
            for frame, detections in enumerate(frames, start=1):
                tracked = follow.update(detections)
                for (x1, y1, x2, y2), number in zip(tracked.xyxy, tracked.tracker_id, strict=True):
                    if number >= 0:
                        lines.append(f"{frame},{number},{x1:.3f},{y1:.3f},{x2 - x1:.3f},{y2 - y1:.3f},1,-1,-1,-1\n")
            Path(camera["out"]).write_text("".join(lines), encoding="utf-8")
            total += len(lines)
        return float(total)

    return job


def _frames(supervision: Any, camera: Mapping[str, Any]) -> list[Any]:
    rows = np.loadtxt(camera["det"], delimiter=",", ndmin=2).reshape(-1, 10)
    result = []
    for frame in range(1, camera["frames"] + 1):
        here = rows[rows[:, 0] == frame]
        corners = np.concatenate([here[:, 2:4], here[:, 2:4] + here[:, 4:6]], axis=1).astype(np.float32)
        scores = here[:, 6].astype(np.float32)
        result.append(supervision.Detections(corners, confidence=scores, class_id=np.zeros(len(here), int)))
    return result
