"""Convolutions that quantise their input at run time, written in floating point."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnxruntime.quantization import quantize_dynamic

from data.errors import UserError
from data.runtime import choice, opener
from data.runtime.choice import RuntimeChoice, Runtimes
from data.runtime.cores import Share
from data.runtime.network import FloatArray, Network
from data.runtime.onnx import OnnxNetwork
from data.runtime.opener import Model
from data.runtime.openvino import OpenVinoNetwork
from data.runtime.trial import Trial, difference
from data.runtime.unfolding import is_folded, unfolded
from tests.tiny_models import colour_network

_BLOB = np.random.default_rng(0).random((3, 3, 32, 16)).astype(np.float32)
_PICTURES = Trial(lambda _: _BLOB)


def _folded(folder: Path, per_channel: bool = False) -> Path:
    """A network whose convolution was quantised dynamically, as ONNX Runtime does it."""
    plain = colour_network(folder / "plain.onnx")
    quantize_dynamic(plain, folder / "folded.onnx", op_types_to_quantize=["Conv"], per_channel=per_channel)
    return folder / "folded.onnx"


def _run(model: Path | bytes) -> list[FloatArray]:
    return OnnxNetwork(model, "cpu", Share.of(1), "n").run(_BLOB)


@pytest.mark.parametrize("per_channel", [False, True])
def test_convolutions_get_the_values_their_weights_stand_for(tmp_path: Path, per_channel: bool) -> None:
    path = _folded(tmp_path, per_channel)
    graph = onnx.load_model_from_string(unfolded(path, "n")).graph
    assert not {node.op_type for node in graph.node} & {"ConvInteger", "DynamicQuantizeLinear", "Cast"}
    (convolution,) = (node for node in graph.node if node.op_type == "Conv")
    constants = {constant.name: onnx.numpy_helper.to_array(constant) for constant in graph.initializer}
    (kernel,) = (c for c in onnx.load(tmp_path / "plain.onnx").graph.initializer if c.name == "kernel")
    meant = onnx.numpy_helper.to_array(kernel)
    step = 2 * np.abs(meant).max() / 254
    assert 0 < np.abs(constants[convolution.input[1]] - meant).max() <= step
    assert set(constants) == {convolution.input[1], "head"}


def test_the_result_is_that_of_the_quantised_network_but_for_rounding(tmp_path: Path) -> None:
    path = _folded(tmp_path)
    assert 0 < difference(_run(path), _run(unfolded(path, "n"))) < 0.02
    assert difference(_run(tmp_path / "plain.onnx"), _run(unfolded(path, "n"))) < 0.05


def test_names_and_metadata_are_kept(tmp_path: Path) -> None:
    path = _folded(tmp_path)
    proto = onnx.load(path)
    onnx.helper.set_model_props(proto, {"names": "{0: 'person'}"})
    network = OnnxNetwork(unfolded(proto.SerializeToString(), "n"), "cpu", Share.of(1), "n")
    assert (network.output_names, network.metadata["names"]) == (("output",), "{0: 'person'}")


def test_only_graphs_with_such_convolutions_are_told_so(tmp_path: Path) -> None:
    assert is_folded(_folded(tmp_path))
    assert not is_folded(tmp_path / "plain.onnx")
    assert not is_folded(tmp_path / "absent.onnx")


def test_another_way_of_quantising_is_refused_by_name(tmp_path: Path) -> None:
    proto = onnx.load(_folded(tmp_path))
    (cast,) = (node for node in proto.graph.node if node.op_type == "Cast")
    cast.op_type = "Identity"
    with pytest.raises(UserError, match=r"net: its convolution .* is quantised in a way that is not known"):
        unfolded(proto.SerializeToString(), "net")
    with pytest.raises(UserError, match="net is not a readable ONNX model"):
        unfolded(b"ConvInteger", "net")


def test_a_quantised_file_is_computed_in_what_is_cheapest_and_compared_with_floating_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []

    def costs(running: dict[str, Network], _: FloatArray) -> dict[str, float]:
        seen.append(list(running))
        return {name: 1.0 if name == "openvino fp32 unfolded" else 9.0 for name in running}

    monkeypatch.setattr(choice, "cpu_ms_per_row", costs)
    monkeypatch.setattr(choice, "computes_bf16", lambda: False)
    path = _folded(tmp_path)
    model = Model(path, "net 1", "net")
    cache = tmp_path / "cache"
    network = Runtimes(cache).open(model, "auto", "cpu", 1, 1, _PICTURES)
    assert isinstance(network, OpenVinoNetwork)
    assert seen == [["onnxruntime fp32 unfolded", "openvino fp32 unfolded", "onnxruntime int8"]]
    # The next start reads what was unfolded from the cache, and a run that goes on computes alike.
    monkeypatch.setattr(opener, "unfolded", lambda *_: pytest.fail("it lies in the cache"))
    again = Runtimes(cache)
    assert isinstance(again.open(model, "auto", "cpu", 1, 1, _PICTURES), OpenVinoNetwork)
    told = again.chosen["net 1"].to_json()
    assert (told["precision"], told["unfolded"]) == ("fp32", True)
    resumed = Runtimes(cache, {"net 1": RuntimeChoice.from_json(told)}).open(model, "auto", "cpu", 1, 1, _PICTURES)
    np.testing.assert_array_equal(resumed.run(_BLOB)[0], network.run(_BLOB)[0])


def test_a_choice_from_before_unfolding_is_measured_again_but_a_run_goes_on_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choice, "cpu_ms_per_row", lambda running, _: dict.fromkeys(running, 1.0))
    path = _folded(tmp_path)
    model = Model(path, "net 1", "net")
    cache = tmp_path / "cache"
    old = RuntimeChoice("onnxruntime", "fp32").to_json()
    del old["unfolded"]
    cache.mkdir()
    kept = {choice.machine_id(): {"net 1 auto cpu 1 at once on 1 cores": old}}
    (cache / "runtimes.json").write_text(json.dumps(kept), encoding="utf-8")
    runtimes = Runtimes(cache)
    runtimes.open(model, "auto", "cpu", 1, 1, _PICTURES)
    assert runtimes.chosen["net 1"].name == "onnxruntime fp32 unfolded"
    begun = Runtimes(cache, {"net 1": RuntimeChoice.from_json(old)}).open(model, "auto", "cpu", 1, 1, _PICTURES)
    np.testing.assert_array_equal(begun.run(_BLOB)[0], _run(path)[0])


def test_a_network_that_cannot_be_unfolded_runs_as_it_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object) -> bytes:
        raise UserError("quantised in a way that is not known")

    monkeypatch.setattr(opener, "unfolded", unknown)
    path = _folded(tmp_path)
    model = Model(path, "net 1", "net")
    runtimes = Runtimes(tmp_path / "cache")
    network = runtimes.open(model, "auto", "cpu", 1, 1, _PICTURES)
    assert runtimes.chosen["net 1"].name == "onnxruntime int8"
    assert "not known" in runtimes.chosen["net 1"].refused["openvino fp32 unfolded"]
    np.testing.assert_array_equal(network.run(_BLOB)[0], _run(path)[0])


def test_where_nothing_is_measured_the_file_runs_as_it_is_stored(tmp_path: Path) -> None:
    path = _folded(tmp_path)
    model = Model(path, "net 1", "net")
    for runtime in ("auto", "onnxruntime"):
        runtimes = Runtimes()
        found = runtimes.open(model, runtime, "cpu", 1, 1, _PICTURES).run(_BLOB)  # type: ignore[arg-type]
        np.testing.assert_array_equal(found[0], _run(path)[0])
        assert runtimes.chosen["net 1"].name == "onnxruntime int8"
