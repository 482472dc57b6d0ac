"""Ultralytics segmentation exports (YOLOv8-seg, 11-seg, ...) run without the ultralytics package: masks of people.

An export gives two tensors: the rows of a detector, each followed by mask coefficients, (4 box + classes + M, anchors),
or end to end (K, 4 box + score + class + M); and M prototype masks at a quarter of the input's resolution. A person's
mask is the sigmoid of its coefficients times the prototypes, inside its box (YOLACT, Bolya et al., ICCV 2019).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.errors import UserError
from data.kernels.images import to_blob
from data.networks import open_network
from data.records import FloatArray, Image
from data.runtime.network import Network
from data.weight_records import InputOptions, as_weights
from pipeline.backends.letterbox import Placement, letterbox
from pipeline.backends.selection import best_rows, clean, visible
from pipeline.backends.yolo import Export, describe, export_trial, input_size

# A cell of the grid is as full as the share of so many points per side that lie in the mask.
_POINTS = 4
_MAX_PEOPLE = 50
_NMS_IOU = 0.6


@dataclass(frozen=True, slots=True, eq=False)
class Instances:
    """The people of one picture, the surest first.

    Attributes:
        boxes: (N, 4) float32 xyxy px.
        scores: (N,) float32, 0-1.
        masks: (N, rows, columns) float32: the share of each cell of a grid over the picture that the person covers.
    """

    boxes: FloatArray
    scores: FloatArray
    masks: FloatArray

    def __len__(self) -> int:
        return len(self.boxes)


class YoloSegmenter:
    """Finds people and their outlines.

    Args:
        path: an Ultralytics segmentation export in ONNX.
        device: see ``data.runtime.onnx``.
        threads: CPU threads; 0 takes all cores.
        score_min: people below it are dropped.

    Raises:
        UserError: when the file is absent or no such export.
    """

    def __init__(self, path: Path, device: str = "auto", threads: int = 0, score_min: float = 0.25) -> None:
        if not path.is_file():
            raise UserError(f"there is no segmentation export {path}")
        options = InputOptions(colour="rgb", normalisation="0-1")
        self._network = open_network(as_weights(path), "auto", device, threads, 1, export_trial(options))
        self._export = describe(self._network.metadata, self._network.label, ("segment",))
        self._size = input_size(self._network.input_shape[2:], options, self._export, self._network.label)
        self._rows, self._prototypes = _outputs(self._network, self._export)
        self._score_min = score_min

    def __call__(self, image: Image, grid: tuple[int, int]) -> Instances:
        """People of one picture, (H, W, 3) uint8 RGB, with masks on a grid of rows and columns over it."""
        if not visible(image):
            return Instances(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, *grid), np.float32))
        canvas, placement = letterbox(image, *self._size, centred=True)
        outputs = self._network.run(to_blob(canvas[None], "rgb", "0-1"))
        boxes, scores, coefficients = self._candidates(outputs[self._rows][0])
        boxes = placement.boxes_back(boxes)
        overlap = 1.0 if self._export.end_to_end else _NMS_IOU
        found, kept = clean(boxes, scores, placement.width, placement.height, overlap, _MAX_PEOPLE)
        masks = _masks(coefficients[kept], outputs[self._prototypes][0], found.boxes, placement, self._size, grid)
        return Instances(found.boxes, found.scores, masks)

    def _candidates(self, output: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Corners in input pixels, scores and mask coefficients of the candidate rows."""
        if self._export.end_to_end:
            scores = np.where(output[:, 5].round() == self._export.person, output[:, 4], -1.0)
            table = output[best_rows(scores, self._score_min)]
            return table[:, :4], table[:, 4], table[:, 6:]
        table = output[:, best_rows(output[4 + self._export.person], self._score_min)].T
        half = table[:, 2:4] / 2
        boxes = np.concatenate([table[:, :2] - half, table[:, :2] + half], axis=1)
        return boxes, table[:, 4 + self._export.person], table[:, 4 + self._export.classes :]


def _outputs(network: Network, export: Export) -> tuple[int, int]:
    """Which output holds the rows and which the prototypes.

    Raises:
        UserError: when the shapes contradict what the export says of itself.
    """
    shapes = network.output_shapes
    ranks = [len(shape) for shape in shapes]
    if sorted(ranks) == [3, 4]:
        rows, prototypes = ranks.index(3), ranks.index(4)
        masks = shapes[prototypes][1]
        width = shapes[rows][2] if export.end_to_end else shapes[rows][1]
        told = (6 if export.end_to_end else 4 + export.classes) + (masks or 0)
        if masks is not None and width in (None, told):
            return rows, prototypes
    raise UserError(
        f"{network.label} gives outputs of shape {shapes}; a segmentation export of {export.classes} classes gives "
        f"rows of {4 + export.classes} + M numbers and M prototype masks"
    )


def _masks(
    coefficients: FloatArray,
    prototypes: FloatArray,
    boxes: FloatArray,
    placement: Placement,
    size: tuple[int, int],
    grid: tuple[int, int],
) -> FloatArray:
    """Share of each cell of a grid over the picture that each person covers, (N, rows, columns)."""
    import cv2

    count, rows, columns = len(boxes), *grid
    depth, high, wide = prototypes.shape
    logits = (coefficients @ prototypes.reshape(depth, -1)).reshape(count, high, wide)
    chances = 1 / (1 + np.exp(-np.clip(np.nan_to_num(logits), -50, 50)))
    x = (np.arange(columns * _POINTS) + 0.5) * placement.width / (columns * _POINTS)
    y = (np.arange(rows * _POINTS) + 0.5) * placement.height / (rows * _POINTS)
    # The middle of pixel u lies at u + 0.5, in the input and in the prototypes alike.
    across = (x * placement.gain + placement.left) * wide / size[1] - 0.5
    down = (y * placement.gain + placement.top) * high / size[0] - 0.5
    map_x, map_y = (np.ascontiguousarray(plane, np.float32) for plane in np.meshgrid(across, down))
    covered: NDArray[np.bool_] = np.zeros((count, rows * _POINTS, columns * _POINTS), bool)
    for row, chance in enumerate(chances.astype(np.float32)):
        covered[row] = cv2.remap(chance, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) > 0.5
    in_x = (x >= boxes[:, :1]) & (x <= boxes[:, 2:3])
    in_y = (y >= boxes[:, 1:2]) & (y <= boxes[:, 3:])
    covered &= in_y[:, :, None] & in_x[:, None, :]
    return covered.reshape(count, rows, _POINTS, columns, _POINTS).mean(axis=(2, 4), dtype=np.float32)
