"""Our own one-pass detector with keypoints (``pipeline.person_pose``) as a back-end."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from data.errors import UserError
from data.records import Detections, FloatArray, Image, Poses
from data.runtime.cuda_graphs import GraphedNetwork
from data.runtime.threads import set_torch_threads
from data.runtime.torch_device import torch_device
from data.runtime.uploads import start_upload
from data.weight_records import ResolvedWeights, as_weights
from pipeline.backends.config import DetectorConfig, PoseConfig
from pipeline.backends.device_letterbox import network_input
from pipeline.backends.letterbox import Placement
from pipeline.backends.selection import best_rows, clean, visible
from pipeline.person_pose.files import load_network
from pipeline.person_pose.network import STRIDES, Candidates

# Columns of a row on its way from the device.
_PICTURE, _SCORE, _BOX, _SKELETON = 0, 1, slice(2, 6), slice(6, None)
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
        self._dtype = torch.float16 if config.half and self._device.type == "cuda" else torch.float32
        fused = _fused(model).to(self._device, self._dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._label = weights.path.name
        self._network = GraphedNetwork(partial(_columns, fused), self._label)
        self._batch, self._score_min = config.batch, config.score_min
        self._overlap = getattr(config, "nms_iou", 0.6)
        self._most = getattr(config, "max_detections", 300)

    def __call__(self, images: Sequence[Image]) -> list[Detections]:
        """Boxes of each picture, see ``Detector``."""
        return [detections for detections, _ in self.perceive(images)]

    def perceive(self, images: Sequence[Image]) -> list[tuple[Detections, Poses]]:
        """Boxes and skeletons, see ``OnePassPerceiver``.

        Raises:
            UserError: when the network gives what is no number, as half precision does where values grow too large.
        """
        found: list[tuple[Detections, Poses]] = [(Detections.empty(), Poses.empty()) for _ in images]
        seen = [index for index, image in enumerate(images) if visible(image)]
        for start in range(0, len(seen), self._batch):
            portion, following = seen[start : start + self._batch], seen[start + self._batch : start + 2 * self._batch]
            placements, candidates = self._look([images[index] for index in portion])
            # While the device computes, and before anything waits for it.
            start_upload((images[index] for index in following), self._device)
            table: FloatArray = self._likely(*candidates).cpu().numpy()
            if not np.isfinite(table).all():
                cure = "set detector.half=false" if self._dtype == torch.float16 else "fetch it anew"
                raise UserError(f"{self._label} gives values that are not finite; {cure}")
            for place, (index, placement) in enumerate(zip(portion, placements, strict=True)):
                found[index] = self._decode(table[table[:, _PICTURE] == place], placement)
        return found

    @torch.inference_mode()
    def _look(self, images: Sequence[Image]) -> tuple[list[Placement], tuple[Tensor, ...]]:
        """Where each picture lies, and all columns of ``Candidates`` but the centres, on the device."""
        pictures, placements = network_input(images, self._device, *self._size, centred=False)
        return placements, self._network(pictures.to(self._dtype))

    @torch.inference_mode()
    def _likely(self, logits: Tensor, boxes: Tensor, points: Tensor, seen: Tensor) -> Tensor:
        """The likely rows of all pictures, (M, 57) on the device: one copy brings them back."""
        scores = logits.sigmoid()
        # What is not a number is not below the threshold either, and must not be passed over.
        picture, cell = (~(scores < self._score_min)).nonzero(as_tuple=True)
        skeletons = torch.cat([points[picture, cell], seen[picture, cell].sigmoid()[..., None]], -1)
        columns = [picture[:, None], scores[picture, cell, None], boxes[picture, cell], skeletons.flatten(1)]
        return torch.cat([column.float() for column in columns], 1)

    def _decode(self, table: FloatArray, placement: Placement) -> tuple[Detections, Poses]:
        table = table[best_rows(table[:, _SCORE], self._score_min)]
        boxes = placement.boxes_back(table[:, _BOX])
        detections, kept = clean(boxes, table[:, _SCORE], placement.width, placement.height, self._overlap, self._most)
        points = table[kept, _SKELETON].reshape(-1, 17, 3)
        return detections, Poses(np.ascontiguousarray(placement.points_back(points)), _NO_SPARE)


def _columns(model: nn.Module, pictures: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    out = model(pictures)
    assert isinstance(out, Candidates)
    return out.logits, out.boxes, out.points, out.seen


def _fused(model: nn.Module) -> nn.Module:
    """Batch normalisation folded into the convolutions before it."""
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    for module in model.modules():
        if isinstance(module, nn.Sequential) and len(module) > 1:
            convolution, norm = module[0], module[1]
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                module[0], module[1] = fuse_conv_bn_eval(convolution, norm), nn.Identity()
    return model
