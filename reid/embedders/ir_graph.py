"""Taking an OpenVINO IR network apart at its global pooling, see ``reid.embedders.graph``."""

import tempfile
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np

from data.errors import UserError
from data.runtime.openvino import IrGraph, read_openvino


def split_ir_at_pooling(path: Path, weighed_name: str) -> tuple[IrGraph, IrGraph, int] | None:
    """Split a network where its last feature map becomes one value a channel.

    A depthwise convolution as large as the map weighs each place of each channel (global depthwise convolution of
    MobileFaceNets, CCBR 2018, section 3.1). It is the average of the map times h w times its weights; so the trunk ends
    in that product, and averages of regions take its place as they do for average pooling.

    Args:
        path: an .xml with its .bin.
        weighed_name: what to call the trunk's output where it ends in that product.

    Returns:
        Trunk, head and number of channels, see ``SplitNetwork``; None for a network that does not end that way.

    Raises:
        UserError: when the file is not readable.
    """
    model = read_openvino(path, str(path))  # It says in a line where OpenVINO is not installed.
    import openvino

    pooling = _last_pooling(model)
    if pooling is None:
        return None
    features = pooling.input(0).get_source_output()
    weights = _place_weights(pooling)
    if weights is not None:
        features = openvino.opset8.multiply(features, openvino.opset8.constant(weights)).output(0)
        features.get_tensor().set_names({weighed_name})
    trunk = openvino.Model([features], model.get_parameters(), "trunk")
    trunk.reshape([-1, *trunk.inputs[0].get_partial_shape()[1:]])
    packed_trunk = _packed(trunk)
    channels = int(pooling.input(0).get_partial_shape()[1].get_length())
    averages = openvino.opset8.parameter([-1, channels, 1, 1], np.float32, name="averages")
    for reader in list(pooling.output(0).get_target_inputs()):
        reader.replace_source_output(averages.output(0))
    head = openvino.Model([result.input(0).get_source_output() for result in model.get_results()], [averages], "head")
    head.validate_nodes_and_infer_types()
    return packed_trunk, _packed(head), channels


def _last_pooling(model: Any) -> Any | None:
    """The pooling nearest to the output, walking backwards along the data."""
    queue, seen = deque([model.get_results()[0]]), set()
    while queue:
        node = queue.popleft()
        if node.get_friendly_name() in seen:
            continue
        seen.add(node.get_friendly_name())
        if _pools(node):
            return node
        queue.extend(port.get_source_output().get_node() for port in node.inputs()[:1])
    return None


def _pools(node: Any) -> bool:
    """Whether it makes one value of every channel's plane."""
    kind = node.get_type_name()
    if kind not in ("ReduceMean", "GroupConvolution"):
        return False
    taken, given = node.input(0).get_partial_shape(), node.output(0).get_partial_shape()
    if (
        len(taken) != 4
        or len(given) != 4
        or any(shape[axis].is_dynamic for shape in (taken, given) for axis in (1, 2, 3))
    ):
        return False
    channels, *plane = (taken[axis].get_length() for axis in (1, 2, 3))
    if [given[axis].get_length() for axis in (1, 2, 3)] != [channels, 1, 1]:
        return False
    kernel = node.input(1).get_partial_shape()
    return kind == "ReduceMean" or (kernel.is_static and list(kernel.to_shape()) == [channels, 1, 1, *plane])


def _place_weights(pooling: Any) -> np.ndarray | None:
    """(1, C, h, w) float32, what an average of must be weighed by; None where it is a plain average."""
    if pooling.get_type_name() == "ReduceMean":
        return None
    node = pooling.input(1).get_source_output().get_node()
    while node.get_type_name() == "Convert":
        node = node.input(0).get_source_output().get_node()
    if node.get_type_name() != "Constant":
        raise UserError(f"the weights of the network's last pooling ({pooling.get_friendly_name()}) are computed by it")
    kernel = np.asarray(node.get_data(), np.float32)
    rows, columns = kernel.shape[-2:]
    return kernel.reshape(1, -1, rows, columns) * (rows * columns)


def _packed(model: Any) -> IrGraph:
    import openvino

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.xml"
        openvino.serialize(model, path)
        return IrGraph(path.read_bytes(), path.with_suffix(".bin").read_bytes())
