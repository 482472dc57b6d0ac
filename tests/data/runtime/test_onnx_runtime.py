"""ONNX networks: batches, devices, and errors in the user's words."""

from pathlib import Path

import numpy as np
import pytest

from data.errors import UserError
from data.kernels.images import scale_and_shift, to_blob
from data.runtime.cores import Share
from data.runtime.onnx import OnnxNetwork, execution_providers
from data.runtime.openvino import OpenVinoNetwork, has_openvino
from tests.tiny_models import colour_network


def _pictures(count: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, 32, 16, 3), dtype=np.uint8)


@pytest.mark.parametrize("batch", ["batch", 4])
def test_rows_do_not_depend_on_the_batch_they_are_in(tmp_path: Path, batch: int | str) -> None:
    network = OnnxNetwork(colour_network(tmp_path / "n.onnx", batch=batch), "cpu", Share.of(1), "n")
    assert network.batch == (None if batch == "batch" else 4)
    blob = to_blob(_pictures(9), "rgb", "imagenet")
    together = network.run(blob)[0]
    alone = np.concatenate([network.run(row[None])[0] for row in blob])
    np.testing.assert_array_equal(together, alone)
    assert together.shape == (9, 6)


def test_a_real_network_gives_a_row_the_same_bytes_in_every_batch(testdata: Path) -> None:
    network = OnnxNetwork(testdata / "weights/reid/osnet_x0_25_msmt17_dyn.onnx", "cpu", Share.of(1), "osnet")
    pictures = np.random.default_rng(0).integers(0, 256, (7, 256, 128, 3), dtype=np.uint8)
    blob = to_blob(pictures, "rgb", "imagenet")
    together = network.run(blob)[0]
    np.testing.assert_array_equal(together[2:5], network.run(blob[2:5])[0])
    np.testing.assert_array_equal(together[6:], network.run(blob[6:])[0])


def test_a_network_that_takes_more_than_pictures_is_refused_when_it_is_loaded(tmp_path: Path) -> None:
    """As a TransReID exported with the numbers of cameras: OpenVINO would make these up."""
    import onnx

    model = onnx.load(colour_network(tmp_path / "n.onnx"))
    model.graph.input.append(onnx.helper.make_tensor_value_info("cam_label", onnx.TensorProto.FLOAT, [6]))
    model.graph.node[-1].output[0] = "without"
    model.graph.node.append(onnx.helper.make_node("Add", ["without", "cam_label"], ["output"]))
    onnx.save(model, tmp_path / "two.onnx")
    with pytest.raises(UserError, match=r"two takes 2 inputs \(images, cam_label\), and only pictures can be given"):
        OnnxNetwork(tmp_path / "two.onnx", "cpu", Share.of(1), "two")
    if has_openvino():
        with pytest.raises(UserError, match="two takes 2 inputs"):
            OpenVinoNetwork(tmp_path / "two.onnx", Share.of(1), "two")


def test_a_file_that_is_no_network_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"not a network")
    with pytest.raises(UserError, match="broken is not a readable ONNX model") as caught:
        OnnxNetwork(tmp_path / "broken.onnx", "cpu", Share.of(1), "broken")
    assert "\n" not in str(caught.value)


def test_input_of_another_shape_is_named(tmp_path: Path) -> None:
    network = OnnxNetwork(colour_network(tmp_path / "n.onnx"), "cpu", Share.of(1), "net")
    with pytest.raises(UserError, match=r"net does not run on input \(1, 3, 8, 8\)"):
        network.run(np.zeros((1, 3, 8, 8), np.float32))


def test_an_unknown_device_lists_what_there_is() -> None:
    with pytest.raises(UserError, match="there are: auto, cpu, cuda"):
        execution_providers("tpu")
    with pytest.raises(UserError, match="unknown device 'cuda:x'"):
        execution_providers("cuda:x")
    assert execution_providers("cpu") == ["CPUExecutionProvider"]


def test_cuda_is_taken_when_there_and_refused_when_not(monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    assert execution_providers("auto") == ["CPUExecutionProvider"]
    with pytest.raises(UserError, match="onnxruntime-gpu"):
        execution_providers("cuda:1")
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    for device, card in (("cuda:1", "1"), ("cuda", "0"), ("auto", "0")):
        name, options = execution_providers(device)[0]
        assert (name, options["device_id"]) == ("CUDAExecutionProvider", card)
        assert options["cudnn_conv_algo_search"] == "HEURISTIC", "the same algorithms at every start"


def test_cuda_that_cannot_be_opened_is_told_and_not_silently_the_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As where cuDNN is missing: the provider is listed, and the session is opened without it."""
    import onnxruntime

    path = colour_network(tmp_path / "n.onnx")
    session = onnxruntime.InferenceSession
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(
        onnxruntime, "InferenceSession", lambda *given, providers: session(*given, providers=providers[-1:])
    )
    with pytest.raises(
        UserError, match=r"net: this onnxruntime was built with CUDA and cannot open it.*use device cpu"
    ):
        OnnxNetwork(path, "cuda:0", Share.of(1), "net")
    assert not caplog.records
    assert OnnxNetwork(path, "auto", Share.of(1), "net").run(np.zeros((1, 3, 32, 16), np.float32))[0].shape == (1, 6)
    assert "until then the CPU computes it" in caplog.text
    caplog.clear()
    OnnxNetwork(path, "cpu", Share.of(1), "net")
    assert not caplog.records


@pytest.mark.parametrize("normalisation", ["0-255", "0-1", "imagenet", "half"])
def test_the_factors_stay_with_their_colours(normalisation: str) -> None:
    images = _pictures(2)
    rgb = to_blob(images, "rgb", normalisation)
    bgr = to_blob(images, "bgr", normalisation)
    last = to_blob(images, "rgb", normalisation, channels_first=False)
    np.testing.assert_array_equal(rgb[:, ::-1], bgr)
    np.testing.assert_array_equal(rgb.transpose(0, 2, 3, 1), last)
    assert rgb.flags.c_contiguous
    assert last.flags.c_contiguous
    factor, offset = scale_and_shift(normalisation)
    np.testing.assert_allclose(last, images * factor + offset, atol=1e-5)


def test_the_known_normalisations() -> None:
    white = np.full((1, 1, 1, 3), 255, np.uint8)
    assert to_blob(white, "rgb", "0-255").max() == 255
    assert to_blob(white, "rgb", "0-1").max() == 1
    assert to_blob(white, "rgb", "half").max() == 1
    assert to_blob(white * 0, "rgb", "half").min() == -1
    np.testing.assert_allclose(to_blob(white, "rgb", "imagenet").ravel(), [2.2489, 2.4286, 2.64], atol=1e-3)
    with pytest.raises(ValueError, match="unknown normalisation"):
        to_blob(white, "rgb", "other")
