"""OpenPifPaf (AGPL-3.0): bottom-up skeletons of the whole picture, which may also give the boxes.

Kreiss et al., "OpenPifPaf: Composite Fields for Semantic Keypoint Detection", 2021. `make pifpaf` builds the package;
the user brings the checkpoint, a pickled module: it is read with torch's restricted loader, and only classes of torch
and openpifpaf are allowed in it. Confidences are those of the
composite fields, on another scale than those of top-down estimators.
"""

import importlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data.errors import UserError, first_line
from data.kernels.images import to_blob
from data.records import Detections, FloatArray, Image, Poses
from data.runtime.threads import set_torch_threads
from data.runtime.torch_device import torch_device
from data.runtime.torchvision_cure import ensure_torchvision
from data.weight_records import ResolvedWeights, as_weights
from pipeline.backends.config import DetectorConfig, PoseConfig
from pipeline.backends.perceiver import boxes_from_skeletons
from pipeline.backends.selection import visible
from reid.samples.part_labels import FIELDS

_STEP = 16
_PADDING = (124, 116, 104)
_CONFIDENCE = 1
# How a numpy array is pickled; nothing else of numpy is needed. Older numpy calls its private module "core".
_ARRAYS = {f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("_reconstruct", "scalar")} | {
    "numpy.ndarray",
    "numpy.dtype",
}


class OpenPifPafNetwork:
    """Finds skeletons, and boxes round them."""

    gives_poses = True

    def __init__(
        self,
        config: DetectorConfig | PoseConfig,
        weights: ResolvedWeights | str | Path,
        device: str = "auto",
        threads: int = 0,
    ) -> None:
        """Load a checkpoint.

        Raises:
            UserError: when the package is not built, or the file is no checkpoint with COCO keypoints.
        """
        weights = as_weights(weights)
        set_torch_threads(threads)
        package = import_openpifpaf()
        self._device = torch_device(device)
        model = load_checkpoint(weights.path)
        try:
            self._model = package.network.Factory().init_net(model).to(self._device).eval()
            metas = self._model.head_metas
            if len(metas[0].keypoints) != 17:
                raise UserError(
                    f"{weights.path} gives {len(metas[0].keypoints)} keypoints; 17 COCO keypoints are needed"
                )
            self._decoder = package.decoder.factory(metas)
        except (AttributeError, TypeError, IndexError) as error:
            raise UserError(f"{weights.path} is no OpenPifPaf keypoint checkpoint: {error}") from error
        self._long_edge = max(config.input_size) if config.input_size else None
        self._score_min = config.score_min
        defaults = PoseConfig()
        self._keypoint_min = config.keypoint_min if isinstance(config, PoseConfig) else defaults.keypoint_min
        self._limit = config.max_detections if isinstance(config, DetectorConfig) else DetectorConfig().max_detections

    def __call__(self, images: Sequence[Image]) -> list[Detections]:
        """Boxes round the skeletons of each picture, see ``Detector``."""
        return [detections for detections, _ in self.perceive(images)]

    def perceive(self, images: Sequence[Image]) -> list[tuple[Detections, Poses]]:
        """Boxes and skeletons, see ``OnePassPerceiver``."""
        return [self._look(image) if visible(image) else (Detections.empty(), Poses.empty()) for image in images]

    def _look(self, image: Image) -> tuple[Detections, Poses]:
        import torch

        padded, scale, left, top = self._prepare(image)
        batch = torch.from_numpy(to_blob(padded[None], "rgb", "imagenet"))
        found = self._decoder.batch(self._model, batch, device=self._device)[0]
        skeletons, scores = read_annotations(found, scale, left, top)
        sound = scores >= self._score_min
        height, width = image.shape[:2]
        return boxes_from_skeletons(skeletons[sound], scores[sound], width, height, self._keypoint_min, self._limit)

    def confidence_fields(self, image: Image, grid: tuple[int, int]) -> FloatArray:
        """How sure the network is of each keypoint and each limb at each place of a picture.

        Args:
            image: (H, W, 3) uint8 RGB, not empty.
            grid: rows and columns the fields are brought to.

        Returns:
            (36, rows, columns) float32, 0-1: 17 keypoints, then 19 limbs, as in ``reid.samples.part_labels``.

        Raises:
            UserError: when the network has other fields.
        """
        import torch

        padded, scale, left, top = self._prepare(image)
        batch = torch.from_numpy(to_blob(padded[None], "rgb", "imagenet"))
        heads = self._decoder.fields_batch(self._model, batch, device=self._device)[0]
        # A head is (fields, components, h, w): the width of its vectors first, then the confidence.
        fields = np.concatenate([np.asarray(head, np.float32)[:, _CONFIDENCE] for head in heads[:2]])
        if len(fields) != FIELDS:
            raise UserError(f"the OpenPifPaf checkpoint gives {len(fields)} confidence fields; COCO's are {FIELDS}")
        return spread_fields(fields, padded.shape[:2], scale, (left, top), image.shape[:2], grid)

    def _prepare(self, image: Image) -> tuple[Image, float, int, int]:
        """Scale to the long edge and pad each side to 16 n + 1, as in training; with scale and padding."""
        import cv2

        scale = self._long_edge / max(image.shape[:2]) if self._long_edge else 1.0
        if scale != 1.0:
            size = (max(round(image.shape[1] * scale), 1), max(round(image.shape[0] * scale), 1))
            how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
            image = cv2.resize(image, size, interpolation=how).astype(np.uint8, copy=False)
        height, width = image.shape[:2]
        rows, columns = (math.ceil((side - 1) / _STEP) * _STEP + 1 for side in (height, width))
        top, left = (rows - height) // 2, (columns - width) // 2
        canvas = np.empty((rows, columns, 3), np.uint8)
        canvas[:] = _PADDING
        canvas[top : top + height, left : left + width] = image
        return canvas, scale, left, top


def spread_fields(
    fields: FloatArray,
    padded: tuple[int, int],
    scale: float,
    corner: tuple[int, int],
    picture: tuple[int, int],
    grid: tuple[int, int],
) -> FloatArray:
    """Bring fields from the cells of the padded input to a grid over the picture (bilinear).

    Args:
        fields: (F, h, w); cell (i, j) stands for the pixel (i, j) times the stride, (side - 1) / (cells - 1).
        padded: height, width of the padded input, px.
        scale: input pixels per picture pixel.
        corner: left, top: where the picture begins in the input, px.
        picture: height, width of the picture, px.
        grid: rows, columns.

    Returns:
        (F, rows, columns) float32, 0-1.
    """
    import cv2

    places = []
    for axis in (1, 0):
        middles = (np.arange(grid[axis]) + 0.5) * picture[axis] / grid[axis]
        pixels = middles * scale - 0.5 + corner[1 - axis]
        stride = (padded[axis] - 1) / max(fields.shape[1 + axis] - 1, 1)
        places.append(pixels / stride)
    map_x, map_y = (np.ascontiguousarray(plane, np.float32) for plane in np.meshgrid(*places))
    sound = np.nan_to_num(fields.astype(np.float32))
    spread = [cv2.remap(field, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) for field in sound]
    return np.stack(spread).clip(0, 1).astype(np.float32)


def import_openpifpaf() -> Any:
    """The package, with what it misses in current torchvision and matplotlib.

    Raises:
        UserError: when it is not installed.
    """
    ensure_torchvision()
    import matplotlib

    colormaps = importlib.import_module("matplotlib.cm")
    if not hasattr(colormaps, "get_cmap"):
        vars(colormaps)["get_cmap"] = lambda name: matplotlib.colormaps[name]
    try:
        return importlib.import_module("openpifpaf")
    except ImportError as error:
        raise UserError(f"the back-end openpifpaf is not installed ({error}); run `make pifpaf`") from error


def load_checkpoint(path: Path) -> Any:
    """Read the network of a checkpoint without running any code that it brings.

    Raises:
        UserError: when the file is no checkpoint, or holds anything but classes of torch and openpifpaf.
    """
    import torch

    try:
        names = torch.serialization.get_unsafe_globals_in_checkpoint(str(path))
    except Exception as error:
        raise UserError(f"{path} is not a readable checkpoint: {first_line(error)}") from error
    # Under the name it has in the file: numpy moved its array code, the classes stayed.
    allowed: list[Any] = [(_resolve(name), name) for name in names]
    for found, name in allowed:
        if name not in _ARRAYS and not _is_layer(found):
            raise UserError(f"{path} holds {name}, which no OpenPifPaf checkpoint needs; it is not loaded")
    try:
        with torch.serialization.safe_globals([*allowed, *_array_types()]):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise UserError(f"{path} is not a readable checkpoint: {first_line(error)}") from error
    if not isinstance(content, dict) or not isinstance(content.get("model"), torch.nn.Module):
        raise UserError(f"{path} is no OpenPifPaf checkpoint: it holds no model")
    importlib.import_module("openpifpaf.network.model_migration").model_migration(content["model"])
    return content["model"]


def read_annotations(found: Sequence[Any], scale: float, left: int, top: int) -> tuple[FloatArray, FloatArray]:
    """Decoded annotations in padded pixels -> skeletons (M, 17, 3) in frame pixels and scores (M,), best first."""
    skeletons = np.zeros((len(found), 17, 3), np.float32)
    for row, annotation in enumerate(found):
        skeletons[row] = annotation.data
    scores = np.array([annotation.score for annotation in found], np.float32)
    order = np.argsort(-scores, kind="stable")
    skeletons, scores = skeletons[order], scores[order]
    skeletons[..., 0] = (skeletons[..., 0] - left) / scale
    skeletons[..., 1] = (skeletons[..., 1] - top) / scale
    unseen = ~np.isfinite(skeletons).all(axis=-1) | (skeletons[..., 2] <= 0)
    skeletons[unseen] = 0
    return skeletons, scores


def _is_layer(found: Any) -> bool:
    """A class of network layers, or of the package's head descriptions (plain data)."""
    import torch

    if not isinstance(found, type):
        return False
    package = found.__module__.partition(".")[0]
    layer = issubclass(found, torch.nn.Module) and package in ("torch", "openpifpaf")
    return layer or found.__module__ == "openpifpaf.headmeta"


def _array_types() -> list[type]:
    """The classes behind numpy's dtypes, which a pickled array names."""
    return [type(np.dtype(code)) for code in "?bBhHiIlLqQefd"]


def _resolve(name: str) -> Any:
    module, _, attribute = name.rpartition(".")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError):
        return None
