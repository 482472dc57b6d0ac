"""Ultralytics exports (YOLOv8, 11, 12, 26 and their pose models) run without the ultralytics package.

The export describes itself: task, class names, input size. Pictures go in as RGB 0-1, letterboxed in the centre. Two
output layouts exist: one row per anchor, (4 box + classes [+ 17 x 3], anchors), cx cy w h in input pixels, which needs
suppression; and the end-to-end one, (K, 4 box + score + class [+ 17 x 3]), corners in input pixels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.errors import UserError
from data.foreign import parse_yaml
from data.kernels.images import to_blob
from data.networks import open_network
from data.records import Detections, FloatArray, Image, Poses
from data.runtime.network import Network
from data.runtime.tflite import TfliteNetwork
from data.runtime.trial import Trial, sample_pictures
from data.weight_records import InputOptions, ResolvedWeights, as_weights
from pipeline.backends.config import DetectorConfig, PoseConfig
from pipeline.backends.letterbox import Placement, letterbox
from pipeline.backends.selection import best_rows, clean, visible

_STRIDES = (8, 16, 32)
_TASKS = {"detect": "detection", "pose": "pose", "segment": "segmentation"}
_DEFAULT_INPUT = InputOptions(colour="rgb", normalisation="0-1")
_KEYPOINT_COLUMNS = 17 * 3
# Rows of an end-to-end export that runtimes must agree on; weaker ones come in any order.
_SURE = 0.25

Run = Callable[[NDArray[np.uint8]], FloatArray]


@dataclass(frozen=True, slots=True)
class Export:
    """What an Ultralytics export says of itself.

    Attributes:
        pose: it gives keypoints too.
        person: column of the class "person".
        classes: number of classes.
        end_to_end: the network itself suppresses duplicates.
        input_size: height, width px, or None.
    """

    pose: bool
    person: int
    classes: int
    end_to_end: bool
    input_size: tuple[int, int] | None


def describe(metadata: dict[str, Any], label: str, tasks: tuple[str, ...] = ("detect", "pose")) -> Export:
    """Read the metadata of an export.

    Args:
        metadata: key -> value; ONNX files hold every value as text.
        label: name of the file, for messages.
        tasks: jobs it may do.

    Raises:
        UserError: when it is no Ultralytics export, does another job, knows no people or has other keypoints.
    """
    known = {key: parse_yaml(value, label) if isinstance(value, str) else value for key, value in _relevant(metadata)}
    task, names = known.get("task"), known.get("names")
    if task not in tasks or not isinstance(names, dict):
        raise UserError(
            f"{label} is no Ultralytics {' or '.join(_TASKS[name] for name in tasks)} export "
            f"(task: {task or 'not given'}); export one with `yolo export`, or choose another back-end"
        )
    people = [int(index) for index, name in names.items() if str(name).lower() in ("person", "people", "pedestrian")]
    if not people:
        raise UserError(f"{label} knows no class 'person', only: {', '.join(map(str, list(names.values())[:8]))}")
    if task == "pose" and list(known.get("kpt_shape") or (17, 3)) != [17, 3]:
        raise UserError(f"{label} gives keypoints {known['kpt_shape']}; 17 COCO keypoints with confidence are needed")
    arguments = known.get("args") or {}
    size = known.get("imgsz")
    return Export(
        pose=task == "pose",
        person=people[0],
        classes=len(names),
        # Metadata are Python's words read as YAML: a None comes as text.
        end_to_end=known.get("end2end") is True or arguments.get("nms") is True,
        input_size=(int(size[0]), int(size[1])) if isinstance(size, list) and len(size) == 2 else None,
    )


class YoloNetwork:
    """A detector, and where the export is a pose model a one-pass perceiver."""

    def __init__(self, run: Run, export: Export, size: tuple[int, int], portion: int, options: "_Options") -> None:
        """Wrap a network.

        Args:
            run: (N, h, w, 3) uint8 RGB letterboxed pictures -> (N, channels, anchors) or (N, K, columns) float32 in
                input pixels.
            export: what it says of itself.
            size: height, width of its input, px.
            portion: pictures per run.
            options: thresholds.
        """
        self._run, self._export, self._size = run, export, size
        self._portion, self._options = portion, options
        self.gives_poses = export.pose

    def __call__(self, images: Sequence[Image]) -> list[Detections]:
        """Boxes of each picture, see ``Detector``."""
        return [detections for detections, _ in self.perceive(images)]

    def perceive(self, images: Sequence[Image]) -> list[tuple[Detections, Poses]]:
        """Boxes and skeletons, see ``OnePassPerceiver``; without a pose model every skeleton is zero."""
        found: list[tuple[Detections, Poses]] = [(Detections.empty(), Poses.empty()) for _ in images]
        seen = [index for index, image in enumerate(images) if visible(image)]
        for start in range(0, len(seen), self._portion):
            portion = seen[start : start + self._portion]
            placed = [letterbox(images[index], *self._size, centred=True) for index in portion]
            outputs = self._run(np.stack([canvas for canvas, _ in placed]))
            for index, output, (_, placement) in zip(portion, outputs, placed):
                found[index] = self._decode(output, placement)
        return found

    def _decode(self, output: FloatArray, placement: Placement) -> tuple[Detections, Poses]:
        boxes, scores, keypoints = self._rows(output)
        boxes = placement.boxes_back(boxes)
        overlap = 1.0 if self._export.end_to_end else self._options.nms_iou
        detections, kept = clean(
            boxes, scores, placement.width, placement.height, overlap, self._options.max_detections
        )
        points = placement.points_back(keypoints[kept])
        return detections, Poses(_sane(points), np.zeros((0, 17, 3), np.float32))

    def _rows(self, output: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Corners in input pixels, scores and keypoints of the candidate rows."""
        if self._export.end_to_end:
            scores = np.where(output[:, 5].round() == self._export.person, output[:, 4], -1.0)
            table = output[best_rows(scores, self._options.score_min)]
            boxes, scores, rest = table[:, :4], table[:, 4], table[:, 6:]
        else:
            rows = best_rows(output[4 + self._export.person], self._options.score_min)
            table = output[:, rows].T
            half = table[:, 2:4] / 2
            boxes = np.concatenate([table[:, :2] - half, table[:, :2] + half], axis=1)
            scores, rest = table[:, 4 + self._export.person], table[:, 4 + self._export.classes :]
        keypoints = np.zeros((len(table), _KEYPOINT_COLUMNS), np.float32)
        if self._export.pose:
            keypoints = rest[:, :_KEYPOINT_COLUMNS].astype(np.float32)
        return boxes, scores, keypoints.reshape(-1, 17, 3)


@dataclass(frozen=True, slots=True)
class _Options:
    score_min: float
    nms_iou: float
    max_detections: int


def _options(config: DetectorConfig | PoseConfig) -> _Options:
    if isinstance(config, DetectorConfig):
        return _Options(config.score_min, config.nms_iou, config.max_detections)
    defaults = DetectorConfig()
    return _Options(config.score_min, defaults.nms_iou, defaults.max_detections)


def open_onnx(
    config: DetectorConfig | PoseConfig, weights: ResolvedWeights | str | Path, device: str = "auto", threads: int = 0
) -> YoloNetwork:
    """Open an Ultralytics ONNX export.

    Raises:
        UserError: when the file is none, or its shapes contradict what it says of itself.
    """
    weights = as_weights(weights)
    options = config.over(weights.record.input if weights.record else None).over(_DEFAULT_INPUT)
    network = open_network(weights, config.runtime, device, threads, config.batch, export_trial(options))
    export = describe(network.metadata, network.label)
    size = input_size(network.input_shape[2:], options, export, network.label)
    _check_output(network.output_shapes[0], export, size, network.label)
    colour, normalisation = str(options.colour), str(options.normalisation)

    def run(canvases: NDArray[np.uint8]) -> FloatArray:
        return network.run(to_blob(canvases, colour, normalisation))[0]

    return YoloNetwork(run, export, size, config.batch, _options(config))


def open_tflite(
    config: DetectorConfig | PoseConfig, weights: ResolvedWeights | str | Path, device: str = "auto", threads: int = 0
) -> YoloNetwork:
    """Open an Ultralytics TFLite export; TFLite exports give coordinates 0-1 of the letterboxed input.

    Raises:
        UserError: when the file is none, or its shapes contradict what it says of itself.
    """
    weights = as_weights(weights)
    network = TfliteNetwork(weights.path, threads, config.batch)
    export = describe(network.metadata, str(weights.path))
    size = (network.input_shape[1], network.input_shape[2])
    _check_output(network.output_shape, export, size, str(weights.path))
    options = config.over(weights.record.input if weights.record else None).over(_DEFAULT_INPUT)
    colour, normalisation = str(options.colour), str(options.normalisation)
    channels = [0, 1, 2, 3]
    if export.pose:
        first = 4 + export.classes
        channels += [first + 3 * point + axis for point in range(17) for axis in (0, 1)]
    spans = np.array([size[1], size[0]] * (len(channels) // 2), np.float32)

    def run(canvases: NDArray[np.uint8]) -> FloatArray:
        output = network.run(to_blob(canvases, colour, normalisation, channels_first=False))
        output[:, channels] *= spans[:, None]
        return output

    if export.end_to_end:
        raise UserError(f"{weights.path}: end-to-end TFLite exports are not read; export it with `nms=False`")
    return YoloNetwork(run, export, size, config.batch, _options(config))


def export_trial(options: InputOptions, tasks: tuple[str, ...] = tuple(_TASKS)) -> Trial:
    """How runtimes of an export are compared: boxes, scores of people, and the keypoints or mask coefficients."""

    def blob(network: Network) -> FloatArray:
        export = describe(network.metadata, network.label, tasks)
        size = input_size(network.input_shape[2:], options, export, network.label)
        return to_blob(sample_pictures(*size), str(options.colour), str(options.normalisation))

    def select(network: Network, outputs: list[FloatArray]) -> list[FloatArray]:
        export = describe(network.metadata, network.label, tasks)
        rows = min(outputs, key=np.ndim)
        if export.end_to_end:
            return [picture[picture[:, 4] >= _SURE, :6] for picture in rows]
        return [rows[:, :4], rows[:, 4 + export.person], rows[:, 4 + export.classes :]]

    return Trial(blob, select)


def _relevant(metadata: dict[str, Any]) -> list[tuple[str, Any]]:
    wanted = ("task", "names", "kpt_shape", "args", "imgsz", "end2end")
    return [(key, metadata[key]) for key in wanted if key in metadata]


def input_size(shape: tuple[int | None, ...], options: InputOptions, export: Export, label: str) -> tuple[int, int]:
    """Height and width of an export's input, px: what its graph fixes, else what is configured or it says of itself.

    Raises:
        UserError: when these contradict one another, or nothing is known.
    """
    fixed = (shape[0], shape[1])
    chosen = options.input_size or export.input_size
    if fixed[0] is not None and fixed[1] is not None:
        if options.input_size and options.input_size != fixed:
            raise UserError(
                f"{label} takes pictures of {fixed[0]}x{fixed[1]} only; remove input_size or export it anew"
            )
        return fixed[0], fixed[1]
    if chosen is None or any(side % _STRIDES[-1] for side in chosen):
        raise UserError(f"{label} takes any size; set input_size to a height and width that are multiples of 32")
    return chosen


def _check_output(shape: tuple[int | None, ...], export: Export, size: tuple[int, int], label: str) -> None:
    keypoints = _KEYPOINT_COLUMNS if export.pose else 0
    if export.end_to_end:
        expected: tuple[int | None, ...] = (None, None, 6 + keypoints)
    else:
        anchors = sum((size[0] // stride) * (size[1] // stride) for stride in _STRIDES)
        expected = (None, 4 + export.classes + keypoints, anchors)
    fits = len(shape) == 3 and all(a is None or b is None or a == b for a, b in zip(shape, expected))
    if not fits:
        raise UserError(f"{label} gives output of shape {shape}; its metadata promise {expected}")


def _sane(keypoints: FloatArray) -> FloatArray:
    """Keypoints with NaN become unseen; confidences stay within 0-1."""
    broken = ~np.isfinite(keypoints).all(axis=-1)
    keypoints[broken] = 0
    np.clip(keypoints[..., 2], 0, 1, out=keypoints[..., 2])
    return keypoints
