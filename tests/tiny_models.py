"""Small ONNX networks with known answers, built in memory."""

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Shape = list[int | str]


def constant_network(
    path: Path, input_shape: Shape, outputs: dict[str, NDArray[np.float32]], metadata: dict[str, str] | None = None
) -> Path:
    """A network that gives the same arrays, (1, ...), whatever picture it sees (one per row of a free batch)."""
    nodes, infos, weights = [], [], []
    nodes.append(helper.make_node("ReduceMean", ["images"], ["mean"], axes=[1, 2, 3], keepdims=1))
    weights.append(numpy_helper.from_array(np.zeros(1, np.float32), "zero"))
    nodes.append(helper.make_node("Mul", ["mean", "zero"], ["nothing"]))
    for name, value in outputs.items():
        rank = value.ndim
        shape = np.array([0] + [1] * (rank - 1), np.int64) if rank <= 4 else None
        weights.append(numpy_helper.from_array(shape, f"{name}_shape"))
        weights.append(numpy_helper.from_array(value.astype(np.float32), f"{name}_value"))
        nodes.append(helper.make_node("Reshape", ["nothing", f"{name}_shape"], [f"{name}_nothing"]))
        nodes.append(helper.make_node("Add", [f"{name}_nothing", f"{name}_value"], [name]))
        infos.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [input_shape[0], *value.shape[1:]]))
    source = helper.make_tensor_value_info("images", TensorProto.FLOAT, input_shape)
    return _save(path, helper.make_graph(nodes, "constant", [source], infos, weights), metadata)


def colour_network(path: Path, size: tuple[int, int] = (32, 16), batch: int | str = "batch", width: int = 6) -> Path:
    """An embedding network: 4x4 mean pooling, a random 1x1 convolution, ReLU, global pooling, a linear head, ReLU."""
    rng = np.random.default_rng(0)
    kernel = rng.normal(size=(5, 3, 1, 1)).astype(np.float32)
    head = rng.normal(size=(5, width)).astype(np.float32)
    nodes = [
        helper.make_node("AveragePool", ["images"], ["small"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Conv", ["small", "kernel"], ["features_raw"]),
        helper.make_node("Relu", ["features_raw"], ["features"]),
        helper.make_node("GlobalAveragePool", ["features"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"], axis=1),
        helper.make_node("MatMul", ["flat", "head"], ["raw"]),
        helper.make_node("Relu", ["raw"], ["output"]),
    ]
    source = helper.make_tensor_value_info("images", TensorProto.FLOAT, [batch, 3, *size])
    target = helper.make_tensor_value_info("output", TensorProto.FLOAT, [batch, width])
    weights = [numpy_helper.from_array(kernel, "kernel"), numpy_helper.from_array(head, "head")]
    return _save(path, helper.make_graph(nodes, "colours", [source], [target], weights), None)


def _save(path: Path, graph: onnx.GraphProto, metadata: dict[str, str] | None) -> Path:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    helper.set_model_props(model, metadata or {})
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path
