"""Our own one-pass detector with keypoints (``pipeline.person_pose``) as a back-end."""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from data.errors import UserError
from data.records import Detections, FloatArray, Image, Poses
from data.runtime.torch_device import set_torch_threads, torch_device
from data.weight_records import ResolvedWeights, as_weights
from pipeline.backends.config import DetectorConfig, PoseConfig
from pipeline.backends.letterbox import Placement, letterbox
from pipeline.backends.selection import best_rows, clean, visible
from pipeline.person_pose.files import load_network
from pipeline.person_pose.network import STRIDES, Candidates

_NO_SPARE: FloatArray = np.zeros((0, 17, 3), np.float32)


class PersonPoseNetwork:
    """Boxes and skeletons in one pass; a keypoint's confidence is the probability that it is visible."""

    gives_poses = True

    def __init__(
        self,
        config: DetectorConfig | PoseConfig,
        weights: ResolvedWeights | str | Path,
        device: str = "auto",
        threads: int = 0,
    ) -> None:
        """Load the network.

        Args:
            config: thresholds; its colour and normalisation are the file's own.
            weights: a ``person_pose`` file.
            device: "auto", "cpu", "cuda" or "cuda:<index>".
            threads: torch threads; 0 leaves torch's own number.

        Raises:
            UserError: for a file of another kind, or an input size that is no multiple of 32.
        """
        weights = as_weights(weights)
        set_torch_threads(threads)
        model, info = load_network(weights.path)
        self._size = config.input_size or (info.spec.height, info.spec.width)
        if any(side % STRIDES[-1] for side in self._size):
            raise UserError(f"input_size {list(self._size)}: person_pose needs multiples of {STRIDES[-1]}")
        self._device = torch.device(torch_device(device))
        self._model = _fused(model).to(self._device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._half = config.half and self._device.type == "cuda"
        self._batch, self._score_min = config.batch, config.score_min
        self._overlap = getattr(config, "nms_iou", 0.6)
        self._most = getattr(config, "max_detections", 300)

    def __call__(self, images: Sequence[Image]) -> list[Detections]:
        """Boxes of each picture, see ``Detector``."""
        return [detections for detections, _ in self.perceive(images)]

    def perceive(self, images: Sequence[Image]) -> list[tuple[Detections, Poses]]:
        """Boxes and skeletons, see ``OnePassPerceiver``."""
        found: list[tuple[Detections, Poses]] = [(Detections.empty(), Poses.empty()) for _ in images]
        seen = [index for index, image in enumerate(images) if visible(image)]
        for start in range(0, len(seen), self._batch):
            portion = seen[start : start + self._batch]
            placed = [letterbox(images[index], *self._size, centred=False) for index in portion]
            candidates = self._run(np.stack([canvas for canvas, _ in placed]))
            for row, (index, (_, placement)) in enumerate(zip(portion, placed, strict=True)):
                found[index] = self._decode(candidates, row, placement)
        return found

    @torch.inference_mode()
    def _run(self, canvases: np.ndarray) -> Candidates:
        pictures = torch.from_numpy(canvases).to(self._device).permute(0, 3, 1, 2).float() / 255
        with torch.autocast("cuda", torch.float16) if self._half else nullcontext():
            out = self._model(pictures.contiguous(memory_format=torch.channels_last))
        assert isinstance(out, Candidates)
        return out

    def _decode(self, found: Candidates, row: int, placement: Placement) -> tuple[Detections, Poses]:
        scores = _array(found.logits[row].sigmoid())
        rows = best_rows(scores, self._score_min)
        chosen = torch.from_numpy(rows).to(self._device)
        boxes = placement.boxes_back(_array(found.boxes[row, chosen]))
        detections, kept = clean(boxes, scores[rows], placement.width, placement.height, self._overlap, self._most)
        seen = found.seen[row, chosen].sigmoid()[..., None]
        points = _array(torch.cat([found.points[row, chosen], seen], -1))[kept]
        return detections, Poses(np.ascontiguousarray(placement.points_back(points)), _NO_SPARE)


def _array(values: Tensor) -> FloatArray:
    array: FloatArray = values.float().cpu().numpy()
    return array


def _fused(model: nn.Module) -> nn.Module:
    """Batch normalisation folded into the convolutions before it."""
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    for module in model.modules():
        if isinstance(module, nn.Sequential) and len(module) > 1:
            convolution, norm = module[0], module[1]
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                module[0], module[1] = fuse_conv_bn_eval(convolution, norm), nn.Identity()
    return model
