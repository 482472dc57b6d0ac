"""The plain pipeline ours is compared with: a YOLO export on ONNX Runtime and ByteTrack of the package ``trackers``.

Runs in an environment of its own (``tools.benchmarks.environment``), so it imports nothing of this project.
"""

import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

PACKAGES = ("trackers==2.6.1", "supervision==0.31.2", "onnxruntime", "opencv-python", "numpy")
_GREY = 114
_SCORE_MIN, _NMS_IOU = 0.1, 0.6


def plain(video: str, weights: str, frames: int, fps: float, out: str) -> Callable[[], float]:
    """Detect people and track them by ByteTrack with its defaults; rows of MOTChallenge go to ``out``."""
    cv2, onnxruntime = import_module("cv2"), import_module("onnxruntime")
    supervision, trackers = import_module("supervision"), import_module("trackers")
    threads = int(os.environ["OMP_NUM_THREADS"])
    cv2.setNumThreads(threads)

    def job() -> float:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])
        source = session.get_inputs()[0]
        tracker = trackers.ByteTrackTracker(frame_rate=fps)
        capture, rows = cv2.VideoCapture(video), []
        for frame in range(1, frames + 1):
            there, image = capture.read()
            if not there:
                break
            blob, gain, left, top = _blob(cv2, image, source.shape[2], source.shape[3])
            boxes, scores = _people(cv2, session.run(None, {source.name: blob})[0][0])
            boxes = (boxes - np.array([left, top, left, top], np.float32)) / gain
            found = supervision.Detections(boxes, confidence=scores, class_id=np.zeros(len(boxes), int))
            tracked = tracker.update(found)
            for (x1, y1, x2, y2), number in zip(tracked.xyxy, tracked.tracker_id, strict=True):
                if number >= 0:
                    rows.append(f"{frame},{number},{x1:.2f},{y1:.2f},{x2 - x1:.2f},{y2 - y1:.2f},1,-1,-1,-1")
        Path(out).write_text("\n".join(rows) + "\n", encoding="utf-8")
        return float(len(rows))

    return job


def _blob(cv2: Any, image: Any, height: int, width: int) -> tuple[Any, float, int, int]:
    rows, columns = image.shape[:2]
    gain = min(height / rows, width / columns)
    size = round(columns * gain), round(rows * gain)
    left, top = (width - size[0]) // 2, (height - size[1]) // 2
    canvas = np.full((height, width, 3), _GREY, np.uint8)
    canvas[top : top + size[1], left : left + size[0]] = cv2.resize(image, size)
    blob = np.ascontiguousarray(canvas[..., ::-1].transpose(2, 0, 1)[None], np.float32) / np.float32(255)
    return blob, gain, left, top


def _people(cv2: Any, output: Any) -> tuple[Any, Any]:
    """Boxes (N, 4) xyxy and scores (N,) of people, in pixels of the input."""
    table = output[:5, output[4] >= _SCORE_MIN].T
    corners = table[:, :2] - table[:, 2:4] / 2
    kept = cv2.dnn.NMSBoxes(np.concatenate([corners, table[:, 2:4]], 1), table[:, 4], _SCORE_MIN, _NMS_IOU)
    chosen = np.asarray(kept, int).reshape(-1)
    boxes = np.concatenate([corners, corners + table[:, 2:4]], axis=1)
    return boxes[chosen].astype(np.float32), table[chosen, 4].astype(np.float32)
