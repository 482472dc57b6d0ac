"""ONNX convolutions that quantise their input at every run, as the floating-point convolutions they stand for.

Dynamic quantisation (``quantize_dynamic`` of ONNX Runtime) keeps weights in 8 bits and rounds the input of each layer
to 8 bits anew for every picture. Files become small, not fast: few processors have kernels for it, and ranges have
to be found at each run. The floating-point values of the same weights give what was meant before inputs were rounded.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.errors import UserError, first_line
from data.runtime.network import FloatArray

_FOLDED = "ConvInteger"


def is_folded(model: Path | bytes) -> bool:
    """Whether a graph seems to have such convolutions; nothing is parsed."""
    try:
        content = model if isinstance(model, bytes) else model.read_bytes()
    except OSError:
        return False
    return _FOLDED.encode() in content


def unfolded(model: Path | bytes, label: str) -> bytes:
    """The same network with its convolutions in floating point.

    Args:
        model: ONNX file, or a serialised graph.
        label: what to call it in messages.

    Returns:
        A serialised graph; inputs, outputs and metadata are the old ones.

    Raises:
        UserError: when it is no readable ONNX graph, or its convolutions are quantised in a way that is not known.
    """
    import onnx

    try:
        proto = onnx.load_model_from_string(model if isinstance(model, bytes) else model.read_bytes())
    except Exception as error:  # protobuf, onnx and the file system raise kinds of their own
        raise UserError(f"{label} is not a readable ONNX model: {first_line(error)}") from error
    graph = proto.graph
    links = _Links.of(graph)
    replaced: dict[str, Any] = {}
    maybe_unread: set[str] = set()
    for node in graph.node:
        if node.op_type != _FOLDED:
            continue
        found = links.quantised(node)
        if found is None:
            raise UserError(f"{label}: its convolution {node.name} is quantised in a way that is not known")
        name = f"{node.name} float weights"
        graph.initializer.append(onnx.numpy_helper.from_array(found.weights, name))
        convolution = onnx.helper.make_node("Conv", [found.source, name], [found.result], node.name)
        convolution.attribute.extend(node.attribute)
        replaced[found.result] = convolution
        maybe_unread.update(found.steps)
    kept: list[Any] = []
    read = {output.name for output in graph.output}
    for node in reversed([replaced.get(node.output[0], node) for node in graph.node]):
        if node.output[0] not in maybe_unread or read.intersection(node.output):
            kept.append(node)
            read.update(node.input)
    constants = [constant for constant in graph.initializer if constant.name in read]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(reversed(kept))
    graph.initializer.extend(constants)
    return bytes(proto.SerializeToString())


@dataclass(frozen=True, slots=True)
class _Quantised:
    """A convolution as ``quantize_dynamic`` writes it: DynamicQuantizeLinear, ConvInteger, Cast, Mul with both scales.

    Attributes:
        source: name of its input before it is quantised.
        result: name of its output in floating point, before the bias.
        weights: (out, in, ...) float32.
        steps: first outputs of the nodes that only it needs, if nobody else reads them.
    """

    source: str
    result: str
    weights: FloatArray
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Links:
    """Who makes and who reads each value of a graph, and its constants."""

    makers: dict[str, Any]
    readers: dict[str, list[Any]]
    constants: dict[str, Any]

    @staticmethod
    def of(graph: Any) -> "_Links":
        links = _Links({}, {}, {constant.name: constant for constant in graph.initializer})
        for node in graph.node:
            links.makers.update(dict.fromkeys(node.output, node))
            for name in node.input:
                links.readers.setdefault(name, []).append(node)
        return links

    def quantised(self, node: Any) -> _Quantised | None:
        """The convolution that a ConvInteger belongs to; None where it is written in another way."""
        quantise = self.makers.get(node.input[0])
        cast = self._reader(node.output[0], "Cast")
        scaled = None if cast is None else self._reader(cast.output[0], "Mul")
        if quantise is None or quantise.op_type != "DynamicQuantizeLinear" or cast is None or scaled is None:
            return None
        scales = self.makers.get(_other(scaled, cast.output[0]))
        if scales is None or scales.op_type != "Mul" or quantise.output[1] not in scales.input:
            return None
        weights, scale = self._constant(node.input[1]), self._constant(_other(scales, quantise.output[1]))
        zero = self._constant(node.input[3]) if len(node.input) > 3 and node.input[3] else np.zeros((), np.float32)
        if weights is None or scale is None or zero is None:
            return None
        by_filter = (-1, *(1,) * (weights.ndim - 1))
        floats = (weights - zero.reshape(by_filter)) * scale.reshape(by_filter)
        steps = tuple(part.output[0] for part in (quantise, node, cast, scales))
        return _Quantised(quantise.input[0], scaled.output[0], floats, steps)

    def _reader(self, name: str, kind: str) -> Any | None:
        """The one node that reads a value, if it is of this kind."""
        readers = self.readers.get(name, [])
        return readers[0] if len(readers) == 1 and readers[0].op_type == kind else None

    def _constant(self, name: str) -> NDArray[np.float32] | None:
        import onnx

        found = self.constants.get(name)
        return None if found is None else onnx.numpy_helper.to_array(found).astype(np.float32)


def _other(node: Any, name: str) -> str:
    """The other one of two inputs."""
    return str(node.input[1] if node.input[0] == name else node.input[0])
