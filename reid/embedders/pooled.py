"""Body parts without training: a network's last feature map pooled where the skeleton says a part is.

The network runs up to its last feature map. Each part's mask averages the map in place of the global pooling, and the
layers after it (the embedding head) turn every average into a vector. Measured on PETS09-S2L1 (895 ground-truth boxes,
19 people, at least 3 s apart) with OSNet: with the head AUC .90, with the raw averages .86, so the head stays.
"""

from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path

import numpy as np

from data.errors import UserError
from data.kernels.images import to_blob
from data.networks import open_network
from data.records import EmbedRequest, FloatArray, Image, PartEmbeddings
from data.runtime.network import Network
from data.runtime.trial import Trial
from data.weight_records import ResolvedWeights, as_weights, input_options
from reid.config import ReidConfig
from reid.embedders.base import unit
from reid.embedders.graph import WEIGHED_MAP, split_at_pooling
from reid.embedders.onnx import crop_trial, input_layout, model_id, split_rows
from reid.embedders.part_masks import PARTS, part_masks, pooled
from reid.prompts.assignment import negatives_for
from reid.samples.crops import Crops, cut_crops

# Share that places outside a part's mask keep where the network weighs every place by weights of either sign: they were
# learnt together, so what is left out is missed. mAP of parts with 0, .5 and 1 (the whole crop), on PETS09-S2L1 (665
# ground-truth boxes of 10 people, 5 s apart): person-reidentification-retail-0277 86.7, 89.6, 87.4 and -0288 81.9,
# 85.7, 82.9; on rendered people (heldout1, seed 1) -0288 67.6, 72.3, 72.5. OSNet averages: 76.3, 76.8, 74.4 and 18.7,
# 12.5, 9.9.
_OUTSIDE_IF_WEIGHED = np.float32(0.5)

_NO_SKELETON = np.zeros((17, 3), np.float32)


class PooledPartsEmbedder:
    """Describes people by the whole crop ("global"), the person ("foreground") and five body parts.

    A part is as visible as its limbs are confident; the foreground is as visible as the best part; global is always
    visible, because it needs no skeleton. Without keypoints only global is visible.
    """

    part_names: tuple[str, ...] = ("global", "foreground", *PARTS)
    part_kinds: tuple[str, ...] = ("holistic", "holistic", *("part" for _ in PARTS))

    def __init__(
        self, config: ReidConfig, weights: ResolvedWeights | str | Path, device: str = "auto", threads: int = 0
    ) -> None:
        """Open a network.

        Raises:
            UserError: when the file does not end in global average pooling and an embedding head, or nothing is known
                of its preprocessing.
        """
        weights = as_weights(weights)
        self._options = input_options(config, weights, "reid")
        halves = cache(partial(split_at_pooling, weights.path))
        trial = crop_trial(self._options)
        self._trunk = open_network(
            weights, config.runtime, device, threads, config.batch, trial, part="trunk", graph=lambda: halves().trunk
        )
        trial = _head_trial(lambda: halves().channels)
        self._head = open_network(
            weights, config.runtime, device, threads, config.batch, trial, part="head", graph=lambda: halves().head
        )
        self._size, channels_first = input_layout(self._trunk, self._options)
        shape = self._head.output_shapes[0]
        if not channels_first or len(shape) != 2 or shape[1] is None:
            raise UserError(
                f"{weights.path} gives output of shape {shape}; (batch, D) after (batch, 3, H, W) is expected"
            )
        self._outside = _OUTSIDE_IF_WEIGHED if self._trunk.output_names == (WEIGHED_MAP,) else np.float32(0)
        self._config = config
        self.dim = shape[1]
        self.model_id = model_id(f"parts{len(PARTS)}", weights, config)

    def __call__(self, requests: Sequence[EmbedRequest]) -> list[PartEmbeddings]:
        """One ``PartEmbeddings`` per request, see ``Embedder``."""
        return [made for made, _ in self.with_masks(requests)]

    def with_masks(self, requests: Sequence[EmbedRequest]) -> list[tuple[PartEmbeddings, FloatArray]]:
        """As a call; with the masks the parts were pooled by, see ``AttentiveEmbedder``."""
        crops = cut_crops(requests, self._size, self._config.adapt)
        targets, others = _skeletons(requests, crops, self._config.keypoint_min)
        count = len(self.part_names)
        vectors = np.zeros((crops.total, count, self.dim), np.float32)
        visibility = np.zeros((crops.total, count), np.float32)
        attention = np.zeros((crops.total, count, 0, 0), np.float32)
        for start in range(0, len(crops.rows), self._config.batch):
            portion = slice(start, start + self._config.batch)
            rows = crops.rows[portion]
            vectors[rows], visibility[rows], looked = self._embed(
                crops.images[portion], targets[portion], others[portion]
            )
            if not attention.size:
                attention = np.zeros((crops.total, *looked.shape[1:]), np.float32)
            attention[rows] = looked
        made = split_rows(self, requests, vectors, visibility)
        ends = np.cumsum([len(rows) for rows in made])
        return list(zip(made, np.split(attention, ends[:-1]), strict=True)) if made else []

    def _embed(
        self, images: Image, targets: FloatArray, others: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """(B, h, w, 3) crops, skeletons in shares of the crop -> (B, P, D) unit vectors, (B, P) visibility, masks."""
        blob = to_blob(images, str(self._options.colour), str(self._options.normalisation))
        features = self._trunk.run(blob, pad_to=self._config.batch)[0]
        count, channels, rows, columns = features.shape
        aspect = self._size[1] / self._size[0]
        masks = part_masks(targets, others, (rows, columns), aspect, self._config.keypoint_min)
        whole = np.ones((count, 1, rows, columns), np.float32)
        weights = np.concatenate([whole, masks.weights.max(axis=1, keepdims=True), masks.weights], axis=1)
        averages = pooled(features, self._outside + (1 - self._outside) * weights).reshape(-1, channels, 1, 1)
        pad_to = self._config.batch * len(self.part_names)
        vectors = unit(self._head.run(np.ascontiguousarray(averages), pad_to=pad_to)[0])
        best = masks.visibility.max(axis=1, keepdims=True)
        visibility = np.concatenate([np.ones_like(best), best, masks.visibility], axis=1)
        vectors = vectors.reshape(count, len(self.part_names), self.dim) * (visibility > 0)[..., None]
        return vectors, visibility * vectors.any(axis=-1), weights


def _head_trial(channels: Callable[[], int]) -> Trial:
    """How runtimes of the head are compared: on averages as a feature map after its ReLU gives them."""

    def averages(_: Network) -> FloatArray:
        return np.abs(np.random.default_rng(0).normal(size=(28, channels(), 1, 1))).astype(np.float32)

    return Trial(averages)


def _skeletons(requests: Sequence[EmbedRequest], crops: Crops, min_confidence: float) -> tuple[FloatArray, FloatArray]:
    """The target of each crop (S, 17, 3) and the other skeletons in it (S, K, 17, 3), x and y as shares of the crop."""
    targets = [np.zeros((0, 17, 3), np.float32)]
    others: list[FloatArray] = []
    for request in requests:
        count = len(request.boxes)
        own = request.keypoints if request.keypoints is not None else np.broadcast_to(_NO_SKELETON, (count, 17, 3))
        targets.append(np.where(np.isfinite(own).all(axis=-1, keepdims=True), own, 0).astype(np.float32))
        boxes = np.nan_to_num(request.boxes, nan=0, posinf=0, neginf=0)
        others.append(negatives_for(boxes, own, request.negatives, min_confidence)[0])
    widest = max((found.shape[1] for found in others), default=0)
    padded = [np.zeros((0, widest, 17, 3), np.float32)]
    padded += [np.pad(found, ((0, 0), (0, widest - found.shape[1]), (0, 0), (0, 0))) for found in others]
    return (
        _shares(np.concatenate(targets)[crops.rows], crops.regions),
        _shares(np.concatenate(padded)[crops.rows], crops.regions[:, None]),
    )


def _shares(keypoints: FloatArray, regions: FloatArray) -> FloatArray:
    """Frame pixels to shares of a region's sides; unseen keypoints stay unseen."""
    low, high = regions[..., None, :2], regions[..., None, 2:]
    out = keypoints.copy()
    out[..., :2] = (keypoints[..., :2] - low) / (high - low)
    return out
