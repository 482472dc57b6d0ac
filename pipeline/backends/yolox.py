"""YOLOX detectors in ONNX (Ge et al., 2021): one row per grid cell, box offsets and log sizes in strides.

A row is (x, y, w, h, objectness, class scores...): centre = (xy + cell) * stride, size = exp(wh) * stride, score =
objectness * class score (both already through a sigmoid). Pictures lie in the top left corner of the input. Colour
order and scale changed between releases of YOLOX, so they come from the weights' record or the configuration.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.errors import UserError
from data.kernels.images import to_blob
from data.networks import open_network
from data.records import Detections, FloatArray, Image
from data.runtime.network import Network
from data.runtime.trial import Trial, sample_pictures
from data.weight_records import ResolvedWeights, as_weights, input_options
from pipeline.backends.config import DetectorConfig
from pipeline.backends.letterbox import Placement, letterbox
from pipeline.backends.selection import best_rows, clean, visible

_STRIDES = (8, 16, 32)
_PERSON = 0


class YoloxDetector:
    """Finds people with a YOLOX network."""

    def __init__(
        self, config: DetectorConfig, weights: ResolvedWeights | str | Path, device: str = "auto", threads: int = 0
    ) -> None:
        """Open a model.

        Raises:
            UserError: when the file is no YOLOX export, or nothing is known of its preprocessing.
        """
        weights = as_weights(weights)
        self._options = input_options(config, weights, "detector")
        trial = Trial(lambda network: self._blob(sample_pictures(*self._input_size(network))), _significant)
        self._network = open_network(weights, config.runtime, device, threads, config.batch, trial)
        self._size = self._input_size(self._network)
        self._cells, self._steps = _grid(self._size)
        output = self._network.output_shapes[0]
        if len(output) != 3 or output[1] not in (None, len(self._cells)) or (output[2] or 6) < 6:
            raise UserError(
                f"{weights.path} gives output of shape {output}; YOLOX gives (batch, {len(self._cells)}, 5 + classes) "
                f"for pictures of {self._size[0]}x{self._size[1]}"
            )
        self._config = config

    def __call__(self, images: Sequence[Image]) -> list[Detections]:
        """Boxes of each picture, see ``Detector``."""
        found = [Detections.empty() for _ in images]
        seen = [index for index, image in enumerate(images) if visible(image)]
        for start in range(0, len(seen), self._config.batch):
            portion = seen[start : start + self._config.batch]
            placed = [letterbox(images[index], *self._size, centred=False) for index in portion]
            canvases = np.stack([canvas for canvas, _ in placed])
            for index, output, (_, placement) in zip(portion, self._network.run(self._blob(canvases))[0], placed):
                found[index] = self._decode(output, placement)
        return found

    def _input_size(self, network: Network) -> tuple[int, int]:
        shape = network.input_shape
        size = self._options.input_size if None in shape[2:] else shape[2:]
        if len(shape) != 4 or size is None:
            raise UserError(f"{network.label} takes input of shape {shape}; set detector.input_size to height, width")
        return int(size[0] or 0), int(size[1] or 0)

    def _blob(self, canvases: NDArray[np.uint8]) -> FloatArray:
        return to_blob(canvases, str(self._options.colour), str(self._options.normalisation))

    def _decode(self, output: FloatArray, placement: Placement) -> Detections:
        scores = output[:, 4] * output[:, 5 + _PERSON]
        rows = best_rows(scores, self._config.score_min)
        table, steps = output[rows], self._steps[rows, None]
        centres = (table[:, :2] + self._cells[rows]) * steps
        # A broken weight file can give any exponent; what overflows is not finite and is dropped with the rest.
        with np.errstate(over="ignore"):
            half = np.exp(table[:, 2:4]) * steps / 2
        boxes = placement.boxes_back(np.concatenate([centres - half, centres + half], axis=1))
        detections, _ = clean(
            boxes, scores[rows], placement.width, placement.height, self._config.nms_iou, self._config.max_detections
        )
        return detections


def _significant(_: Network, outputs: list[FloatArray]) -> list[FloatArray]:
    """Offsets, log sizes and scores of people."""
    rows = outputs[0]
    return [rows[..., :2], rows[..., 2:4], rows[..., 4] * rows[..., 5 + _PERSON]]


def _grid(size: tuple[int, int]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Cell (column, row) and stride of every output row, (A, 2) and (A,)."""
    cells, steps = [], []
    for stride in _STRIDES:
        rows, columns = size[0] // stride, size[1] // stride
        grid = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1).reshape(-1, 2)
        cells.append(grid.astype(np.float32))
        steps.append(np.full(len(grid), stride, np.float32))
    return np.concatenate(cells), np.concatenate(steps)
