"""Ultralytics networks run by the ultralytics package (AGPL-3.0): .pt, .onnx and OpenVINO folders, any architecture.

A run that imports this module falls under AGPL-3.0; ``yolo`` and ``yolox`` are the way around it. A ``.pt`` file is a
pickle: it is read with torch's restricted loader and the package's list of known classes, never with plain pickle.
"""

import logging
import os
from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from data.errors import UserError, first_line
from data.records import Detections, FloatArray, Image, Poses
from data.runtime.threads import set_torch_threads
from data.runtime.torch_device import torch_device
from data.runtime.torchvision_cure import ensure_torchvision
from data.runtime.uploads import on_device
from data.weight_records import ResolvedWeights, as_weights
from pipeline.backends.config import DetectorConfig, PoseConfig
from pipeline.backends.selection import clean, visible

if TYPE_CHECKING:
    import torch

# What the package takes for the longer side where nothing is asked for.
_PACKAGE_SIDE = 640
_PEOPLE = ("person", "people", "pedestrian")


class UltralyticsNetwork:
    """A detector, and where the model is a pose model a one-pass perceiver."""

    def __init__(
        self,
        config: DetectorConfig | PoseConfig,
        weights: ResolvedWeights | str | Path,
        device: str = "auto",
        threads: int = 0,
    ) -> None:
        """Load a model.

        Args:
            config: thresholds and input size.
            weights: .pt, .onnx or an OpenVINO folder.
            device: "auto", "cpu", "cuda" or "cuda:<index>".

        Raises:
            UserError: when the package or the device is missing, the file is no model of a known kind, or it finds no
                people.
        """
        weights = as_weights(weights)
        set_torch_threads(threads)
        self._device = torch_device(device)
        try:
            self._model = _load(weights)
        except UserError:
            raise
        except Exception as error:
            raise UserError(f"{weights.path} is not a readable Ultralytics model: {first_line(error)}") from error
        defaults = DetectorConfig()
        self._config = config
        self._nms_iou = config.nms_iou if isinstance(config, DetectorConfig) else defaults.nms_iou
        limit = config.max_detections if isinstance(config, DetectorConfig) else defaults.max_detections
        self._max_detections = limit
        # Exported models of a fixed batch refuse any other number of pictures.
        self._portion = config.batch if weights.path.suffix == ".pt" else 1
        self._scales_on_device = self._device != "cpu" and weights.path.suffix == ".pt"
        self._model.add_callback("on_predict_start", _without_pictures)
        names = dict(self._model.names)
        self._people = [index for index, name in names.items() if str(name).lower() in _PEOPLE]
        if not self._people:
            raise UserError(
                f"{weights.path} knows no class 'person', only: {', '.join(map(str, list(names.values())[:8]))}"
            )
        if self._model.task not in ("detect", "pose"):
            raise UserError(f"{weights.path} is a model for '{self._model.task}'; a detection or pose model is needed")
        self.gives_poses = self._model.task == "pose"

    def __call__(self, images: Sequence[Image]) -> list[Detections]:
        """Boxes of each picture, see ``Detector``."""
        return [detections for detections, _ in self.perceive(images)]

    def perceive(self, images: Sequence[Image]) -> list[tuple[Detections, Poses]]:
        """Boxes and skeletons, see ``OnePassPerceiver``; without a pose model every skeleton is zero.

        Pictures of one size share a run: mixed sizes would be padded differently than alone.
        """
        found: list[tuple[Detections, Poses]] = [(Detections.empty(), Poses.empty()) for _ in images]
        shapes: dict[tuple[int, ...], list[int]] = {}
        for index, image in enumerate(images):
            if visible(image):
                shapes.setdefault(image.shape, []).append(index)
        for indices in shapes.values():
            for start in range(0, len(indices), self._portion):
                portion = indices[start : start + self._portion]
                chosen = [images[index] for index in portion]
                for index, one in zip(portion, self._look(chosen), strict=True):
                    found[index] = one
        return found

    def _look(self, images: list[Image]) -> list[tuple[Detections, Poses]]:
        """Pictures of one size."""
        if not self._scales_on_device:
            bgr = [np.ascontiguousarray(image[..., ::-1]) for image in images]
            return [self._read(*rows, image) for rows, image in zip(self._predict(bgr), images, strict=True)]
        import torch

        from pipeline.backends.device_letterbox import letterbox_tensors

        device = torch.device(self._device)
        pictures, placements = letterbox_tensors(
            [on_device(image, device) for image in images], *self._input_size(images[0]), centred=True
        )
        found = []
        for (boxes, scores, points), placement, image in zip(self._predict(pictures), placements, images, strict=True):
            points = placement.points_back(points)
            # As the package does with pictures that it scales itself.
            points[..., :2] = points[..., :2].clip(0, (placement.width, placement.height))
            found.append(self._read(placement.boxes_back(boxes), scores, points, image))
        return found

    def _input_size(self, image: Image) -> tuple[int, int]:
        """Height and width that the package gives pictures of this size: no more padding than strides ask for."""
        stride = int(self._model.model.stride.max())
        most = self._config.input_size or (_PACKAGE_SIDE, _PACKAGE_SIDE)
        bounds = [ceil(side / stride) * stride for side in most]
        gain = min(bounds[0] / image.shape[0], bounds[1] / image.shape[1])
        height, width = (ceil(max(round(side * gain), 1) / stride) * stride for side in image.shape[:2])
        return height, width

    def _predict(self, pictures: "list[Image] | torch.Tensor") -> list[tuple[FloatArray, FloatArray, FloatArray]]:
        """Boxes (N, 4), scores (N,) and keypoints (N, 17, 3) or none of each picture, in its own pixels.

        Args:
            pictures: (H, W, 3) uint8 BGR; or (B, 3, H, W) RGB 0-1 on the device, which are not scaled any more.
        """
        import torch

        options: dict[str, Any] = {}
        if self._config.input_size is not None:
            options["imgsz"] = list(self._config.input_size)
        results = list(
            self._model.predict(
                pictures,
                conf=max(self._config.score_min, 1e-3),
                iou=self._nms_iou,
                classes=self._people,
                max_det=self._max_detections,
                device=self._device,
                half=self._config.half and self._device != "cpu",
                verbose=False,
                save=False,
                **options,
            )
        )

        counts = [len(result.boxes) for result in results]
        tables = [result.boxes.data[:, :5] for result in results]
        if self.gives_poses:
            shape = tuple(results[0].keypoints.data.shape[1:])
            if any(counts) and shape != (17, 3):
                raise UserError(f"the pose model gives keypoints of shape {shape}; 17 COCO keypoints are needed")
            tables = [
                torch.cat([table, result.keypoints.data.flatten(1)[: len(table)]], 1)
                if len(table)
                else table.new_zeros(0, 56)
                for table, result in zip(tables, results, strict=True)
            ]
        # The rows of all pictures come in one copy.
        rows: FloatArray = torch.cat(tables).float().cpu().numpy()
        portions = np.split(rows, np.cumsum(counts)[:-1])
        return [(one[:, :4], one[:, 4], one[:, 5:].reshape(len(one), (rows.shape[1] - 5) // 3, 3)) for one in portions]

    def _read(self, boxes: FloatArray, scores: FloatArray, given: FloatArray, image: Image) -> tuple[Detections, Poses]:
        height, width = image.shape[:2]
        detections, kept = clean(boxes, scores, width, height, 1.0, self._max_detections)
        keypoints: FloatArray = np.zeros((len(boxes), 17, 3), np.float32)
        if self.gives_poses:
            keypoints = np.where(np.isfinite(given).all(axis=-1, keepdims=True), given, np.float32(0))
        return detections, Poses(keypoints[kept], np.zeros((0, 17, 3), np.float32))


def _without_pictures(predictor: Any) -> None:
    """Keep the package from bringing pictures back that were scaled on the device: it only reads their size."""
    postprocess = type(predictor).postprocess

    def on_blank_pictures(predictions: Any, pictures: "torch.Tensor", originals: Any, **others: Any) -> Any:
        if not isinstance(originals, list):
            originals = [np.broadcast_to(np.uint8(0), (*pictures.shape[2:], 3))] * len(pictures)
        return postprocess(predictor, predictions, pictures, originals, **others)

    predictor.postprocess = on_blank_pictures


def _load(weights: ResolvedWeights) -> Any:
    # Read when the package is imported: no network probing, no installing, no settings outside our cache, no pickles.
    from pipeline.weights.store import default_cache_dir

    for name, value in {
        "YOLO_OFFLINE": "true",
        "YOLO_AUTOINSTALL": "false",
        "YOLO_CONFIG_DIR": str(default_cache_dir()),
    }.items():
        os.environ.setdefault(name, value)
    os.environ["ULTRALYTICS_SAFE_LOAD"] = "1"
    default_cache_dir().mkdir(parents=True, exist_ok=True)
    ensure_torchvision()
    try:
        from ultralytics import YOLO
        from ultralytics.nn import tasks
    except ImportError as error:
        raise UserError(f"{weights.path} needs the package ultralytics; run `pip install ultralytics`") from error
    if not tasks._SafeLoad.SUPPORTED and weights.path.suffix == ".pt":
        raise UserError(f"{weights.path} is a pickle and needs torch 2.6 or newer to be read safely; update torch")
    # The package reads the variable once, at its first import, which may have been someone else's.
    tasks.SAFE_LOAD = True
    logging.getLogger("ultralytics").setLevel(logging.ERROR)
    task = None if weights.path.suffix == ".pt" else _task_of_export(weights)
    return YOLO(str(weights.path), task=task)


def _task_of_export(weights: ResolvedWeights) -> str:
    """Exports do not tell the package their task before the first run; their own metadata do."""
    from data.foreign import read_yaml

    if weights.path.is_dir():
        described = weights.path / "metadata.yaml"
        if not described.exists():
            raise UserError(f"{weights.path} holds no metadata.yaml; export the model again with `yolo export`")
        told = read_yaml(described)
        return str(told.get("task", "detect")) if isinstance(told, dict) else "detect"
    import onnxruntime

    session = onnxruntime.InferenceSession(str(weights.path), providers=["CPUExecutionProvider"])
    return str(session.get_modelmeta().custom_metadata_map.get("task", "detect"))
