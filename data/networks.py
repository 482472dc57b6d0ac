"""Opening the network of a file of weights."""

from collections.abc import Callable

from data.runtime.choice import RuntimeName
from data.runtime.network import Network
from data.runtime.opener import Model
from data.runtime.openvino import IrGraph
from data.runtime.trial import Trial
from data.weight_records import ResolvedWeights


def open_network(
    weights: ResolvedWeights,
    runtime: RuntimeName,
    device: str,
    cores: int,
    at_once: int,
    trial: Trial,
    *,
    part: str = "",
    graph: Callable[[], bytes | IrGraph] | None = None,
) -> Network:
    """Open an ONNX or OpenVINO IR network on the runtime that is best for it (see ``data.runtime.choice``).

    Args:
        weights: the file.
        runtime: what the configuration says.
        device: see ``data.runtime.onnx.execution_providers``.
        cores: CPU cores all networks together may use; 0: all.
        at_once: rows that are given together.
        trial: how runtimes are compared.
        part: name of a piece of the network that is opened by itself.
        graph: makes the piece, a serialised graph of the file's own kind; what it made is kept, and not asked for at
            the next start.

    Raises:
        UserError: when the file is not readable.
    """
    key, label = weights.key, str(weights.path)
    if part:
        key, label = f"{key} {part}", f"{label} ({part})"
    model = Model(graph or weights.path, key, label, makes_ir=weights.path.suffix == ".xml")
    return weights.runtimes.open(model, runtime, device, cores, at_once, trial)
