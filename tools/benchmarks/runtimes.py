"""Benchmarks of runtimes: one network on each, on the crops or pictures the runtimes are compared with."""

import os
from pathlib import Path

import numpy as np

from tools.benchmarks.base import THREADS, Case, Contender, Job
from tools.benchmarks.whole import real_data

_HERE = "tools.benchmarks.runtimes"
_NETWORKS = {
    "weights/reid/osnet_x0_25_msmt17_dyn.onnx": 200,
    "weights/reid/person-reidentification-retail-0277.xml": 100,
    "weights/reid/person-reidentification-retail-0288.xml": 200,
    "weights/reid/person-reidentification-retail-0287.onnx": 100,
    "weights/det/yolox_nano_416x416.onnx": 100,
    "weights/det/yolov8n_int8_640.onnx": 20,
    "weights/det/yolo11n_int8_320.onnx": 50,
}


def network(path: str, name: str, rows: int) -> Job:
    """Run so many rows, four at a time where the network takes them; the check value is a norm of the last result.

    Args:
        path: of the network.
        name: runtime, precision, and "unfolded" for quantised convolutions in floating point.
        rows: how many.
    """
    from data.runtime.cores import Share
    from data.runtime.onnx import OnnxNetwork
    from data.runtime.openvino import OpenVinoNetwork
    from data.runtime.trial import sample_pictures
    from data.runtime.unfolding import unfolded

    runtime, precision, *form = name.split()
    model = unfolded(Path(path), path) if form else Path(path)
    share = Share.of(int(os.environ[THREADS]), at_once=4)
    opened = (
        OnnxNetwork(model, "cpu", share, path)
        if runtime == "onnxruntime"
        else OpenVinoNetwork(model, share, path, precision)
    )
    shape = opened.input_shape
    first = shape[1] == 3
    height, width = shape[2:] if first else shape[1:3]
    pictures = sample_pictures(int(height or 256), int(width or 128)).astype(np.float32)
    blob = np.ascontiguousarray(pictures.transpose(0, 3, 1, 2) if first else pictures)
    if "yolo" in path and "yolox" not in path:
        blob /= 255
    opened.run(blob)

    def job() -> float:
        for _ in range(rows // len(blob)):
            made = opened.run(blob)[0]
        return float(np.linalg.norm(made))

    return job


def cases(quick: bool) -> list[Case]:
    """Every network of the test data on every runtime that reads it."""
    from data.runtime.openvino import computes_bf16
    from data.runtime.unfolding import is_folded

    names = ["onnxruntime fp32", "openvino fp32", *(["openvino bf16"] if computes_bf16() else [])]
    result = []
    for path, rows in _NETWORKS.items():
        count = 4 if quick else rows
        forms = ["", " unfolded"] if is_folded(real_data() / path) else [""]
        contenders = [
            Contender(
                name + form,
                f"{_HERE}:network",
                {"path": str(real_data() / path), "name": name + form, "rows": count},
                items=count,
            )
            for form in forms
            for name in names
            if name.startswith("openvino") or not path.endswith(".xml")
        ]
        result.append(Case(f"{Path(path).stem}, {count} rows", contenders[0], tuple(contenders[1:]), "", 0.1))
    return result
