"""Running ONNX networks on ONNX Runtime: devices, threads, batches, errors in the user's words."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from data.errors import UserError, first_line
from data.runtime.cores import Share
from data.runtime.device_names import card_of
from data.runtime.network import FloatArray, Shape, check_inputs, run_in_any_portions, run_in_portions

logger = logging.getLogger(__name__)


def execution_providers(device: str) -> list[Any]:
    """ONNX Runtime providers of a device.

    Args:
        device: see ``data.runtime.device_names``; "auto" takes CUDA where ONNX Runtime has it.

    Raises:
        UserError: for another name, or when CUDA is asked for and ONNX Runtime was built without it.
    """
    if device == "cpu":
        return ["CPUExecutionProvider"]
    card = card_of(device)
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        # Not by a race of all algorithms, its default: others may win it at the next start, with other last bits.
        options = {"device_id": str(card or 0), "cudnn_conv_algo_search": "HEURISTIC"}
        return [("CUDAExecutionProvider", options), "CPUExecutionProvider"]
    if device == "auto":
        return ["CPUExecutionProvider"]
    raise UserError(f"device '{device}': this onnxruntime has no CUDA; install onnxruntime-gpu, or use device cpu")


class OnnxNetwork:
    """A ``Network`` on ONNX Runtime, without non-deterministic kernels."""

    def __init__(self, model: Path | bytes, device: str, share: Share, label: str) -> None:
        """Load a model.

        Args:
            model: file, or a serialised graph.
            device: see ``execution_providers``.
            share: how it uses the cores.
            label: what to call the model in error messages.

        Raises:
            UserError: when the file is no readable ONNX model, or the GPU that was asked for cannot be had.
        """
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = share.threads
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
            raise UserError(f"{label} is not a readable ONNX model: {first_line(error)}") from error
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        check_inputs([one.name for one in inputs], label)
        self._on_gpu = "CUDAExecutionProvider" in self._session.get_providers()
        if len(providers) > 1 and not self._on_gpu:
            _tell_of_cpu(device, label)
        self._input = inputs[0].name
        self._dtype = np.float16 if inputs[0].type == "tensor(float16)" else np.float32
        # A GPU is one, whoever asks.
        self._share = replace(share, runs=1) if self._on_gpu else share
        self.label = label
        self.input_shape = _shape(inputs[0].shape)
        self.output_names: tuple[str, ...] = tuple(output.name for output in outputs)
        self.output_shapes = tuple(_shape(output.shape) for output in outputs)
        self.metadata: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)

    @property
    def batch(self) -> int | None:
        """See ``Network``."""
        return self.input_shape[0] if self.input_shape else None

    def run(self, blob: FloatArray, pad_to: int = 0) -> list[FloatArray]:
        """Run N rows, see ``Network``."""
        size = self.batch or (pad_to if self._on_gpu else 0)
        if size:
            return run_in_portions(self._run, blob, size, self._share)
        return run_in_any_portions(self._run, blob, self._share)

    def _run(self, blob: FloatArray) -> list[FloatArray]:
        try:
            outputs = self._session.run(None, {self._input: blob.astype(self._dtype, copy=False)})
        except Exception as error:
            raise UserError(f"{self.label} does not run on input {blob.shape}: {first_line(error)}") from error
        return [np.asarray(output, np.float32) for output in outputs]


def _tell_of_cpu(device: str, label: str) -> None:
    """ONNX Runtime goes on with the CPU, and says so only in a log of its own, where a library of CUDA is missing."""
    line = (
        f"{label}: this onnxruntime was built with CUDA and cannot open it; install the CUDA and cuDNN it was built "
        "for (`pip install onnxruntime-gpu[cuda,cudnn]`)"
    )
    if device != "auto":
        raise UserError(f"{line}, or use device cpu")
    logger.warning("%s; until then the CPU computes it", line)


def _shape(shape: list[Any]) -> Shape:
    return tuple(size if isinstance(size, int) else None for size in shape)
