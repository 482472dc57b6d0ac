"""A run says which networks the CPU computes although a GPU was asked for, and what would run there."""

import json
from pathlib import Path

import pytest

from data.runtime import machine
from data.runtime.choice import RuntimeChoice
from data.weight_records import ResolvedWeights
from pipeline.cli import run
from pipeline.run import main
from pipeline.weights import devices
from pipeline.weights.devices import left_on_cpu
from tests.pipeline import blocks
from tests.tiny_models import colour_network

_CPU = ["CPUExecutionProvider"]
_GPU = [("CUDAExecutionProvider", {"device_id": "0"}), *_CPU]


def _weights(file: str) -> ResolvedWeights:
    path = Path(file)
    return ResolvedWeights(path, "0" * 64, path.stem, None)


def _chosen(*files: str, runtime: str = "onnxruntime") -> dict[str, RuntimeChoice]:
    return {f"{_weights(file).key} trunk": RuntimeChoice(runtime) for file in files}


@pytest.fixture
def onnx_on_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "execution_providers", lambda _: _GPU)
    monkeypatch.setattr(devices, "has_nvidia", lambda: True)


@pytest.fixture
def onnx_on_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "execution_providers", lambda _: _CPU)
    monkeypatch.setattr(devices, "has_nvidia", lambda: True)


@pytest.mark.usefixtures("onnx_on_gpu")
def test_what_only_a_cpu_computes_is_named_with_its_cure() -> None:
    used = {
        "detector": [_weights("yolo.onnx")],
        "pose": [_weights("movenet.tflite")],
        "reid": [_weights("retail.xml")],
    }
    chosen = {**_chosen("yolo.onnx"), **_chosen("retail.xml", runtime="openvino")}
    (line,) = left_on_cpu("cuda:1", used, chosen)
    assert line.startswith("run.device=cuda:1: the CPU computes pose (movenet) and reid (retail), as it does all")
    assert line.endswith("pose.name=detector with such a detector; reid.name=kpr")
    assert left_on_cpu("auto", used, chosen) == [], "auto takes a GPU for what can use it"
    assert left_on_cpu("cpu", used, chosen) == []


@pytest.mark.usefixtures("onnx_on_gpu")
def test_nothing_is_said_where_all_runs_on_the_gpu() -> None:
    used = {"detector": [_weights("yolo.onnx")], "reid": [_weights("kpr.safetensors")]}
    assert left_on_cpu("cuda", used, _chosen("yolo.onnx")) == []
    assert left_on_cpu("auto", used, _chosen("yolo.onnx")) == []
    (line,) = left_on_cpu("cuda", used, _chosen("yolo.onnx", runtime="openvino"))
    assert "the CPU computes detector (yolo)," in line


@pytest.mark.usefixtures("onnx_on_cpu")
def test_a_gpu_that_onnx_runtime_cannot_use_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    used = {"detector": [_weights("yolo.onnx")], "reid": [_weights("retail.xml")]}
    (line,) = left_on_cpu("auto", used, _chosen("yolo.onnx"))
    assert "there is a GPU, and the CPU computes detector (yolo), as this onnxruntime has no CUDA; install" in line
    monkeypatch.setattr(devices, "has_nvidia", lambda: False)
    assert left_on_cpu("auto", used, _chosen("yolo.onnx")) == []


def test_a_card_is_seen_by_its_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_NVIDIA", tmp_path / "nvidiactl")
    assert not machine.has_nvidia()
    (tmp_path / "nvidiactl").touch()
    assert machine.has_nvidia()


def test_a_run_that_asks_for_a_gpu_says_that_its_appearance_is_computed_on_the_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import openvino

    network = tmp_path / "net.xml"
    openvino.save_model(openvino.Core().read_model(str(colour_network(tmp_path / "n.onnx"))), network)
    monkeypatch.setattr("pipeline.job.opening.build_perceiver", lambda *_: blocks.detect)
    monkeypatch.setenv("MTMCT_CACHE", str(tmp_path / "cache"))
    blocks.write_video(tmp_path / "hall.mp4", 20, 10, [(0, 0, 18, 2)])
    arguments = [
        "--videos", str(tmp_path / "hall.mp4"), "--output", str(tmp_path / "run"), "--device", "cuda", "--no-crops",
        "pose.name=none", "reid.name=osnet_onnx", f"reid.weights={network}", "reid.colour=rgb",
        "reid.normalisation=imagenet", "run.threads=2",
    ]  # fmt: skip
    assert run(main, arguments) == 0
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    (line,) = [found["text"] for found in manifest["warnings"] if found["kind"] == "weights"]
    assert line.startswith("run.device=cuda: the CPU computes reid (net), as it does all OpenVINO")
    assert line in caplog.messages
