"""Taking an embedding network apart at its global pooling, so that regions can be pooled instead of the whole."""

from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.errors import UserError, first_line
from data.runtime.openvino import IrGraph

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

WEIGHED_MAP = "weighed_map"
"""Name of a trunk's output whose places the network has weighed, see ``reid.embedders.ir_graph``."""

_HEAD_BATCH = "rows"


@dataclass(frozen=True, slots=True)
class SplitNetwork:
    """The two halves of an embedding network, as serialised graphs of the file's own kind.

    Attributes:
        trunk: pictures -> last feature map (N, C, h, w).
        head: averages of such maps (M, C, 1, 1) -> embeddings (M, D).
        channels: C.
    """

    trunk: bytes | IrGraph
    head: bytes | IrGraph
    channels: int


def split_at_pooling(path: Path) -> SplitNetwork:
    """Split a network where its last feature map is averaged over the whole picture.

    Args:
        path: an ONNX or OpenVINO IR (.xml) network that ends in global average pooling and, after it, layers that keep
            (M, C) vectors apart; an IR network also in a depthwise convolution as large as the map, see
            ``reid.embedders.ir_graph``.

    Returns:
        Both halves; the head takes any number of vectors.

    Raises:
        UserError: when the file is not readable or does not end that way.
    """
    if path.suffix == ".xml":
        from reid.embedders.ir_graph import split_ir_at_pooling

        halves = split_ir_at_pooling(path, WEIGHED_MAP)
        if halves is None:
            raise _ends_otherwise(path)
        return SplitNetwork(*halves)
    import onnx
    from onnx import shape_inference
    from onnx.utils import Extractor

    try:
        model = shape_inference.infer_shapes(onnx.load(path))
        onnx.checker.check_model(model)
    except Exception as error:
        raise UserError(f"{path} is not a readable ONNX model: {first_line(error)}") from error
    pooling = _last_pooling(model.graph)
    shape = _shape(model.graph, pooling.input[0]) if pooling is not None else ()
    if pooling is None or len(shape) != 4 or not isinstance(shape[1], int):
        raise _ends_otherwise(path)
    extractor = Extractor(model)
    trunk = extractor.extract_model([model.graph.input[0].name], [pooling.input[0]])
    head = extractor.extract_model([pooling.output[0]], [model.graph.output[0].name])
    _free_batch(head)
    return SplitNetwork(trunk.SerializeToString(), head.SerializeToString(), shape[1])


def _ends_otherwise(path: Path) -> UserError:
    return UserError(f"{path} does not end in global average pooling; use it with reid.name=osnet_onnx")


def _last_pooling(graph: "GraphProto") -> "NodeProto | None":
    """The pooling nearest to the output, walking backwards along the data."""
    makers = {output: node for node in graph.node for output in node.output}
    queue, seen = deque([graph.output[0].name]), set()
    while queue:
        node = makers.get(queue.popleft())
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        if node.op_type == "GlobalAveragePool" or _averages_picture(node):
            return node
        queue.extend(node.input[:1])
    return None


def _averages_picture(node: "NodeProto") -> bool:
    from onnx import helper

    if node.op_type != "ReduceMean":
        return False
    attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    return sorted(attributes.get("axes", ())) in ([2, 3], [-2, -1]) and attributes.get("keepdims", 1) == 1


def _shape(graph: "GraphProto", name: str) -> tuple[Any, ...]:
    for info in (*graph.value_info, *graph.input, *graph.output):
        if info.name == name:
            return tuple(size.dim_value or size.dim_param for size in info.type.tensor_type.shape.dim)
    return ()


def _free_batch(model: "ModelProto") -> None:
    """Let the first axis of input and output be any number, whatever batch the network was exported with."""
    for info in (model.graph.input[0], model.graph.output[0]):
        dims = info.type.tensor_type.shape.dim
        if dims:
            dims[0].ClearField("dim_value")
            dims[0].dim_param = _HEAD_BATCH
    del model.graph.value_info[:]
