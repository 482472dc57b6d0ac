"""Running ONNX and OpenVINO IR networks on OpenVINO, on the CPU."""

import json
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.atomic import write_text
from data.errors import UserError, first_line
from data.foreign import read_json
from data.runtime.cores import Share
from data.runtime.network import FloatArray, Shape, check_inputs, run_in_any_portions, run_in_portions
from data.runtime.seals import is_whole, own_view, seal

# OpenVINO's words; fp32 must be said, as it takes half precision by itself where the processor has it.
_PRECISIONS = {"fp32": "f32", "int8": "f32", "bf16": "bf16"}
_CONVERTER = "openvino.tools.ovc"


def has_openvino() -> bool:
    """Whether it is installed; nothing is imported."""
    from importlib.util import find_spec

    return find_spec("openvino") is not None


def computes_bf16() -> bool:
    """Whether the processor multiplies bfloat16 natively (AMX, AVX-512 BF16, ARM BF16), as OpenVINO sees it."""
    return "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


@dataclass(frozen=True, slots=True)
class IrGraph:
    """An OpenVINO IR network in memory: what its .xml and its .bin hold."""

    xml: bytes
    weights: bytes


class OpenVinoNetwork:
    """A ``Network`` on OpenVINO."""

    def __init__(
        self,
        model: Path | bytes | IrGraph,
        share: Share,
        label: str,
        precision: str = "fp32",
        compiled: Path | None = None,
    ) -> None:
        """Load and compile a model.

        Args:
            model: ONNX or IR file (.xml, its .bin beside it), or a serialised graph.
            share: how it uses the cores.
            label: what to call the model in error messages.
            precision: fp32 or bf16, which leave what a file computes in 8 bits so; int8 is fp32 for a file that does.
            compiled: folder for what was compiled of this very model, which opens it the next time without reading it;
                None keeps nothing.

        Raises:
            UserError: when OpenVINO is absent, or does not read or compile the file; and for bf16 where the processor
                has none: OpenVINO would take another precision and say nothing.
        """
        if precision == "bf16" and has_openvino() and not computes_bf16():
            raise UserError(f"{label} in bf16: this processor does not multiply bf16 natively")
        settings: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": _PRECISIONS[precision],
            "NUM_STREAMS": share.runs,
            "INFERENCE_NUM_THREADS": share.runs * share.threads,
            # Pinned, the first threads of all networks of a process would share the first core.
            "ENABLE_CPU_PINNING": False,
        }
        if compiled is None or not isinstance(model, Path):
            source = read_openvino(model, label)
            self.metadata = _metadata(source)
            network = _compiled(source, settings, label)
        else:
            self.metadata = _kept_metadata(model, compiled, label)
            # Of its own for each way of compiling, so that only what will be opened is checked.
            with own_view(compiled / f"{precision}-{share.runs}x{share.threads}") as blobs:
                kept = {} if blobs is None else {"CACHE_DIR": str(blobs)}
                # By its path, as of a model that was read all weights are hashed to find it in the cache.
                network = _compiled(str(model), settings | kept, label)
        check_inputs([min(one.get_names(), default="") for one in network.inputs], label)
        self._requests: SimpleQueue[Any] = SimpleQueue()
        for _ in range(share.runs):
            self._requests.put(network.create_infer_request())
        self._share = share
        self._dtype = np.float16 if "f16" in network.inputs[0].element_type.get_type_name() else np.float32
        self.label = label
        self.input_shape = _shape(network.inputs[0])
        self.output_names = tuple(min(output.get_names(), default="") for output in network.outputs)
        self.output_shapes = tuple(_shape(output) for output in network.outputs)

    @property
    def batch(self) -> int | None:
        """See ``Network``."""
        return self.input_shape[0] if self.input_shape else None

    def run(self, blob: FloatArray, pad_to: int = 0) -> list[FloatArray]:
        """Run N rows, see ``Network``."""
        # OpenVINO would take other shapes and give numbers.
        fits = len(blob.shape) == len(self.input_shape) and all(
            wanted in (None, given) for wanted, given in zip(self.input_shape[1:], blob.shape[1:])
        )
        if not fits:
            raise UserError(f"{self.label} does not run on input {blob.shape}: it takes {self.input_shape}")
        if self.batch:
            return run_in_portions(self._run, blob, self.batch, self._share)
        return run_in_any_portions(self._run, blob, self._share)

    def _run(self, blob: FloatArray) -> list[FloatArray]:
        request = self._requests.get()
        try:
            # infer() would fill the request's own tensor: two threads that do so on one network may wait for ever.
            given = np.ascontiguousarray(blob, self._dtype)
            request.set_input_tensor(0, _tensor(given))
            request.start_async()
            request.wait()
            # The request's own memory is written again by the next run.
            outputs = [request.get_output_tensor(index).data for index in range(len(self.output_shapes))]
            return [np.array(output, np.float32) for output in outputs]
        except Exception as error:
            raise UserError(f"{self.label} does not run on input {blob.shape}: {_reason(error)}") from error
        finally:
            self._requests.put(request)


def read_openvino(model: Path | bytes | IrGraph, label: str) -> Any:
    """An ``openvino.Model``, not yet compiled.

    Args:
        model: ONNX or IR file (.xml, its .bin beside it), or a serialised graph.
        label: what to call it in error messages.

    Raises:
        UserError: when OpenVINO is absent or does not read it.
    """
    _check(model, label)
    try:
        if isinstance(model, IrGraph):
            return _core().read_model(model.xml, model.weights)
        return _core().read_model(str(model) if isinstance(model, Path) else model)
    except Exception as error:  # OpenVINO raises RuntimeError and its own kinds, by version
        raise UserError(f"{label} is not readable by OpenVINO: {_reason(error)}") from error


def _compiled(model: Any, settings: dict[str, Any], label: str) -> Any:
    """An ``openvino.CompiledModel`` of a model that was read, or of a path."""
    try:
        return _core().compile_model(model, "CPU", settings)
    except Exception as error:  # OpenVINO raises RuntimeError and its own kinds, by version
        raise UserError(f"{label} is not readable by OpenVINO: {_reason(error)}") from error


def _check(model: Path | bytes | IrGraph, label: str) -> None:
    if not has_openvino():
        raise UserError(f"{label} needs OpenVINO, which is not installed; run `pip install openvino`")
    if isinstance(model, Path) and model.suffix == ".xml" and not model.with_suffix(".bin").is_file():
        raise UserError(f"{label}: its weights {model.with_suffix('.bin').name} are not beside it; copy both files")


@cache
def _core() -> Any:
    if "openvino" not in sys.modules:
        # Its package loads the converter of other formats, which is half of what importing it takes, where it can.
        sys.modules[_CONVERTER] = None  # type: ignore[assignment]
    import openvino

    if sys.modules.get(_CONVERTER, openvino) is None:
        del sys.modules[_CONVERTER]
    return openvino.Core()


def _tensor(values: NDArray[Any]) -> Any:
    """What a request reads: the memory of the array, without a copy."""
    import openvino

    return openvino.Tensor(values, shared_memory=True)


def _shape(port: Any) -> Shape:
    return tuple(None if axis.is_dynamic else axis.get_length() for axis in port.get_partial_shape())


def _metadata(model: Any) -> dict[str, str]:
    """Key-value pairs of an ONNX file, which OpenVINO keeps under "framework"."""
    told = dict(model.get_rt_info()).get("framework")
    pairs = getattr(told, "value", told)
    return {str(name): str(getattr(value, "value", value)) for name, value in dict(pairs or {}).items()}


def _kept_metadata(model: Path, folder: Path, label: str) -> dict[str, str]:
    """Those of a model, which is read once for them: what is compiled of it does not hold them."""
    _check(model, label)
    path = folder / "metadata.json"
    if is_whole(path):
        return {str(name): str(value) for name, value in read_json(path).items()}
    found = _metadata(read_openvino(model, label))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(found, indent=1) + "\n")
        seal(path)
    except OSError:
        pass  # It is read again the next time.
    return found


def _reason(error: Exception) -> str:
    """The line of an OpenVINO message that says something: its first ones name source files."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith(("Exception from", "Check '"))]
    return telling[0] if telling else first_line(error)
