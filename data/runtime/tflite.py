"""Running TFLite networks with ai-edge-litert (the successor of the TensorFlow Lite runtime)."""

import json
import zipfile
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.errors import UserError, first_line
from data.runtime.cores import Share


class TfliteNetwork:
    """A network with one input and one output, run row by row on the CPU, several rows at once.

    Attributes:
        input_shape: (1, H, W, 3).
        input_dtype: uint8 and int8 networks take pixels, float32 ones values.
        output_shape: with the leading 1.
        metadata: the ``metadata.json`` that Ultralytics appends to its exports; empty elsewhere.
    """

    def __init__(self, path: Path, cores: int, at_once: int) -> None:
        """Load a model.

        Args:
            path: the file.
            cores: CPU cores all networks together may use; 0: all.
            at_once: rows that are given together.

        Raises:
            UserError: when ai-edge-litert is not installed or the file is no TFLite model with an image input.
        """
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise UserError(f"{path}: TFLite models need ai-edge-litert; run `pip install ai-edge-litert`") from error
        try:
            self._share = Share.of(cores, at_once=at_once)
            self._interpreters: SimpleQueue[Any] = SimpleQueue()
            for _ in range(self._share.runs):
                interpreter = Interpreter(str(path), num_threads=self._share.threads)
                interpreter.allocate_tensors()
                self._interpreters.put(interpreter)
        except (ValueError, RuntimeError) as error:
            raise UserError(f"{path} is not a readable TFLite model: {first_line(error)}") from error
        source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
        self.input_shape = tuple(int(size) for size in source["shape"])
        self.output_shape = tuple(int(size) for size in target["shape"])
        if len(self.input_shape) != 4 or self.input_shape[0] != 1 or self.input_shape[3] != 3:
            raise UserError(f"{path} takes input of shape {self.input_shape}; one RGB picture (1, H, W, 3) is expected")
        self.input_dtype = np.dtype(source["dtype"])
        self.metadata = _metadata(path)
        self._source, self._target = source, target

    def run(self, rows: NDArray[Any]) -> NDArray[np.float32]:
        """Run N rows.

        Args:
            rows: (N, H, W, 3); values in the unit of the network's input: uint8 pixels for an unquantised uint8 input,
                else real numbers that are quantised here where the input is an integer.

        Returns:
            (N, ...) float32 of the output, dequantised.
        """
        out = np.empty((len(rows), *self.output_shape[1:]), np.float32)

        def run(indices: range) -> None:
            interpreter = self._interpreters.get()
            try:
                for index in indices:
                    interpreter.set_tensor(self._source["index"], _quantise(rows[index][None], self._source))
                    interpreter.invoke()
                    out[index] = _dequantise(interpreter.get_tensor(self._target["index"]), self._target)[0]
            finally:
                self._interpreters.put(interpreter)

        size = self._share.portion(max(len(rows), 1))
        self._share.each(run, [range(start, min(start + size, len(rows))) for start in range(0, len(rows), size)])
        return out


def _quantise(values: NDArray[Any], details: dict[str, Any]) -> NDArray[Any]:
    scale, zero = details["quantization"]
    dtype = np.dtype(details["dtype"])
    if scale == 0:
        return values.astype(dtype)
    limits = np.iinfo(dtype)
    return np.clip(np.rint(values / scale + zero), limits.min, limits.max).astype(dtype)


def _dequantise(values: NDArray[Any], details: dict[str, Any]) -> NDArray[np.float32]:
    scale, zero = details["quantization"]
    if scale == 0:
        return values.astype(np.float32)
    return ((values.astype(np.float32) - zero) * scale).astype(np.float32)


def _metadata(path: Path) -> dict[str, Any]:
    if not zipfile.is_zipfile(path):
        return {}
    try:
        with zipfile.ZipFile(path) as bundle:
            return dict(json.loads(bundle.read("metadata.json")))
    except (KeyError, ValueError, zipfile.BadZipFile):
        return {}
