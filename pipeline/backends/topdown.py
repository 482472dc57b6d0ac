"""Top-down pose estimators: each looks at one box at a time and gives the one person the box was drawn for.

Their confidences are not one scale: a MoveNet keypoint that is there often scores 0.3-0.6, RTMPose's SimCC peaks reach
0.5-1.0, heat-map peaks 0.5-0.9. Thresholds on keypoint confidence belong to an estimator.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.errors import UserError
from data.kernels.images import to_blob
from data.networks import open_network
from data.records import Detections, FloatArray, Image, Poses
from data.runtime.network import Network
from data.runtime.tflite import TfliteNetwork
from data.runtime.trial import Trial, sample_pictures
from data.weight_records import InputOptions, ResolvedWeights, as_weights, input_options
from pipeline.backends.config import PoseConfig
from pipeline.backends.crops import cut, points_back, windows

_KEYPOINTS = 17
_MOVENET_MARGIN = 1.1
# The margin the published heat-map and SimCC models were trained with (MMPose's GetBBoxCenterScale).
_MARGIN = 1.25

Estimate = Callable[[NDArray[np.uint8]], FloatArray]


class TopDownPose:
    """Estimates the keypoints of every box of every picture."""

    def __init__(self, estimate: Estimate, size: tuple[int, int], margin: float, batch: int) -> None:
        """Wrap a network.

        Args:
            estimate: (N, h, w, 3) uint8 RGB crops -> (N, 17, 3) x, y as shares of the crop's sides, confidence.
            size: height, width of a crop, px.
            margin: the box's sides are multiplied by this before it is cut out.
            batch: crops per run.
        """
        self._estimate, self._size, self._margin, self._batch = estimate, size, margin, batch

    def estimate(self, images: Sequence[Image], detections: Sequence[Detections]) -> list[Poses]:
        """Keypoints row-aligned with the detections, see ``PoseEstimator``; the crops of all pictures share batches."""
        height, width = self._size
        regions = [windows(found.boxes, self._margin, width / height) for found in detections]
        crops = np.concatenate(
            [np.zeros((0, height, width, 3), np.uint8)]
            + [cut(image, region, height, width) for image, region in zip(images, regions, strict=True)]
        )
        points = np.zeros((len(crops), _KEYPOINTS, 3), np.float32)
        for start in range(0, len(crops), self._batch):
            points[start : start + self._batch] = self._estimate(crops[start : start + self._batch])
        keypoints = points_back(points, np.concatenate([np.zeros((0, 4), np.float32), *regions]))
        ends = np.cumsum([0, *(len(found) for found in detections)])
        return [
            Poses(np.ascontiguousarray(keypoints[first:last]), np.zeros((0, _KEYPOINTS, 3), np.float32))
            for first, last in pairwise(ends)
        ]


def open_movenet(
    config: PoseConfig, weights: ResolvedWeights | str | Path, device: str = "auto", threads: int = 0
) -> TopDownPose:
    """Open a MoveNet SinglePose TFLite model: a square RGB crop in, 17 x (y, x, score) of 0-1 out.

    Raises:
        UserError: when the file is no such model.
    """
    weights = as_weights(weights)
    network = TfliteNetwork(weights.path, threads, config.batch)
    if network.output_shape != (1, 1, _KEYPOINTS, 3) or network.input_shape[1] != network.input_shape[2]:
        raise UserError(
            f"{weights.path} maps {network.input_shape} to {network.output_shape}; MoveNet SinglePose maps a square "
            "picture to (1, 1, 17, 3)"
        )

    def estimate(crops: NDArray[np.uint8]) -> FloatArray:
        return network.run(crops)[:, 0][..., [1, 0, 2]]

    return TopDownPose(estimate, (network.input_shape[1], network.input_shape[2]), _MOVENET_MARGIN, config.batch)


def open_onnx(
    config: PoseConfig, weights: ResolvedWeights | str | Path, device: str = "auto", threads: int = 0
) -> TopDownPose:
    """Open a top-down ONNX model that gives heat maps, (N, 17, h, w), or SimCC vectors, (N, 17, X) and (N, 17, Y).

    Raises:
        UserError: when the file is no such model, or nothing is known of its preprocessing.
    """
    weights = as_weights(weights)
    options = input_options(config, weights, "pose")
    colour, normalisation = str(options.colour), str(options.normalisation)

    def sample(network: Network) -> FloatArray:
        return to_blob(sample_pictures(*_crop_size(network, options)), colour, normalisation)

    network = open_network(weights, config.runtime, device, threads, config.batch, Trial(sample))
    height, width = _crop_size(network, options)
    decode = _decoder(network, height, width)

    def estimate(crops: NDArray[np.uint8]) -> FloatArray:
        return decode(network.run(to_blob(crops, colour, normalisation)))

    return TopDownPose(estimate, (height, width), _MARGIN, config.batch)


def _crop_size(network: Network, options: InputOptions) -> tuple[int, int]:
    shape = network.input_shape
    size = options.input_size if None in shape[2:] else shape[2:]
    if len(shape) != 4 or shape[1] not in (None, 3) or size is None:
        raise UserError(f"{network.label} takes input of shape {shape}; set pose.input_size to height, width px")
    return int(size[0] or 0), int(size[1] or 0)


def _decoder(network: Network, height: int, width: int) -> Callable[[list[FloatArray]], FloatArray]:
    shapes = network.output_shapes
    if any(len(shape) < 3 or shape[1] not in (None, _KEYPOINTS) for shape in shapes):
        raise UserError(
            f"{network.label} gives outputs of shape {shapes}; (batch, 17, ...) is expected (COCO keypoints)"
        )
    if len(shapes) == 1 and len(shapes[0]) == 4:
        return lambda outputs: heatmap_peaks(outputs[0])
    if len(shapes) == 2 and all(len(shape) == 3 for shape in shapes):
        first_is_x = _first_is_x(network, height, width)
        return lambda outputs: simcc_peaks(*(outputs if first_is_x else outputs[::-1]))
    raise UserError(
        f"{network.label} gives outputs of shape {shapes}; one (batch, 17, h, w) heat map, or two SimCC vectors "
        "(batch, 17, x) and (batch, 17, y) are expected"
    )


def _first_is_x(network: Network, height: int, width: int) -> bool:
    names = [name.lower() for name in network.output_names]
    if any(name.endswith("x") for name in names) and any(name.endswith("y") for name in names):
        return names[0].endswith("x")
    first, second = (shape[2] for shape in network.output_shapes)
    if first is None or second is None or height == width or first == second:
        raise UserError(f"{network.label}: which output is x and which y cannot be told; name them simcc_x and simcc_y")
    return first * height == second * width


def simcc_peaks(along: FloatArray, down: FloatArray) -> FloatArray:
    """Decode SimCC vectors (Li et al., 2022): the peak of each axis, the weaker of both as confidence.

    Args:
        along: (N, 17, X) scores over x, several bins per pixel.
        down: (N, 17, Y) scores over y.

    Returns:
        (N, 17, 3) x, y as shares 0-1 of the crop, confidence.
    """
    x, y = along.argmax(axis=-1), down.argmax(axis=-1)
    confidence = np.minimum(along.max(axis=-1), down.max(axis=-1))
    return np.stack([x / along.shape[-1], y / down.shape[-1], confidence], axis=-1).astype(np.float32)


def heatmap_peaks(maps: FloatArray) -> FloatArray:
    """Decode heat maps: the peak, moved a quarter of a cell towards its higher neighbour (Newell et al., 2016).

    Args:
        maps: (N, 17, h, w); a cell stands for the crop at cell / size, as in the models' targets.

    Returns:
        (N, 17, 3) x, y as shares 0-1 of the crop, confidence.
    """
    count, points, height, width = maps.shape
    flat = maps.reshape(count, points, -1)
    peak = flat.argmax(axis=-1)
    confidence = np.take_along_axis(flat, peak[..., None], axis=-1)[..., 0]
    row, column = peak // width, peak % width
    padded = np.pad(maps, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
    n, k = np.ogrid[:count, :points]
    across = np.sign(padded[n, k, row + 1, column + 2] - padded[n, k, row + 1, column])
    along = np.sign(padded[n, k, row + 2, column + 1] - padded[n, k, row, column + 1])
    return np.stack([(column + 0.25 * across) / width, (row + 0.25 * along) / height, confidence], axis=-1).astype(
        np.float32
    )
