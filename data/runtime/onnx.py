"""Running ONNX networks on ONNX Runtime: devices, threads, batches, errors in the user's words."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.errors import UserError

FloatArray = NDArray[np.float32]


def execution_providers(device: str) -> list[Any]:
    """ONNX Runtime providers of a device.

    Args:
        device: "auto" (CUDA where ONNX Runtime has it), "cpu", "cuda" or "cuda:<index>".

    Raises:
        UserError: for another name, or when CUDA is asked for and ONNX Runtime was built without it.
    """
    import onnxruntime

    if device == "cpu":
        return ["CPUExecutionProvider"]
    kind, _, index = device.partition(":")
    if device != "auto" and (kind != "cuda" or (index and not index.isdigit())):
        raise UserError(f"unknown device '{device}'; there are: auto, cpu, cuda, cuda:<index>")
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        return [("CUDAExecutionProvider", {"device_id": index or "0"}), "CPUExecutionProvider"]
    if device == "auto":
        return ["CPUExecutionProvider"]
    raise UserError(f"device '{device}': this onnxruntime has no CUDA; install onnxruntime-gpu, or use device cpu")


class OnnxNetwork:
    """A network with one image input, run with a fixed number of threads and without non-deterministic kernels.

    Attributes:
        input_shape: of the first input; None where an axis is dynamic.
        output_names: in the order ``run`` gives them.
        output_shapes: None where an axis is dynamic.
        metadata: the file's own key-value pairs.
        batch: fixed size of the first axis, or None where it is dynamic.
    """

    def __init__(self, model: Path | bytes, device: str, threads: int, label: str) -> None:
        """Load a model.

        Args:
            model: file, or a serialised graph.
            device: see ``execution_providers``.
            threads: CPU threads of one run; 0 takes all cores.
            label: what to call the model in error messages.

        Raises:
            UserError: when the file is no readable ONNX model.
        """
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Waiting threads would otherwise burn the cores that decoding and tracking need.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.use_deterministic_compute = True
        options.log_severity_level = 3
        providers = execution_providers(device)
        try:
            self._session = onnxruntime.InferenceSession(
                model if isinstance(model, bytes) else str(model), options, providers=providers
            )
        except Exception as error:
            raise UserError(f"{label} is not a readable ONNX model: {_first_line(error)}") from error
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        self._on_gpu = "CUDAExecutionProvider" in self._session.get_providers()
        self._input = inputs[0].name
        self._dtype = np.float16 if inputs[0].type == "tensor(float16)" else np.float32
        self.label = label
        self.input_shape = _shape(inputs[0].shape)
        self.output_names = tuple(output.name for output in outputs)
        self.output_shapes = tuple(_shape(output.shape) for output in outputs)
        self.metadata: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)
        self.batch: int | None = self.input_shape[0] if self.input_shape else None

    def run(self, blob: FloatArray, pad_to: int = 0) -> list[FloatArray]:
        """Run N rows; a network of fixed batch size gets them in zero-padded portions of that size.

        On a CPU a row's result does not depend on the rows beside it. On a GPU the kernels, and with them the last
        bits, depend on the batch size: ``pad_to`` fixes it there.

        Args:
            blob: (N, ...) float32, N >= 1, C-contiguous.
            pad_to: on a GPU, rows are padded with zeros to a multiple of this; 0: not at all.

        Returns:
            The outputs, (N, ...) float32 each.

        Raises:
            UserError: when the network does not take input of this shape.
        """
        size = self.batch or (pad_to if self._on_gpu else 0) or len(blob)
        if size == len(blob):
            return self._run(blob)
        portions = []
        for start in range(0, len(blob), size):
            portion = blob[start : start + size]
            padded = np.zeros((size, *blob.shape[1:]), blob.dtype)
            padded[: len(portion)] = portion
            portions.append([output[: len(portion)] for output in self._run(padded)])
        return [np.concatenate(outputs) for outputs in zip(*portions)]

    def _run(self, blob: FloatArray) -> list[FloatArray]:
        try:
            outputs = self._session.run(None, {self._input: blob.astype(self._dtype, copy=False)})
        except Exception as error:
            raise UserError(f"{self.label} does not run on input {blob.shape}: {_first_line(error)}") from error
        return [np.asarray(output, np.float32) for output in outputs]


def _shape(shape: list[Any]) -> tuple[int | None, ...]:
    return tuple(size if isinstance(size, int) else None for size in shape)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
