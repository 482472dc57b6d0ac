"""Any ONNX or OpenVINO network that turns a crop into one vector: the single holistic part "global"."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from data.errors import UserError
from data.kernels.images import to_blob
from data.networks import open_network
from data.records import EmbedRequest, FloatArray, Image, PartEmbeddings
from data.runtime.network import Network
from data.runtime.trial import Trial, sample_pictures
from data.weight_records import InputOptions, ResolvedWeights, as_weights, input_options
from reid.config import ReidConfig
from reid.embedders.base import Embedder, unit
from reid.samples.crops import cut_crops


class OnnxEmbedder:
    """Describes people by one vector of their whole crop; visibility is 1 where the box shows a pixel."""

    part_names: tuple[str, ...] = ("global",)
    part_kinds: tuple[str, ...] = ("holistic",)

    def __init__(
        self, config: ReidConfig, weights: ResolvedWeights | str | Path, device: str = "auto", threads: int = 0
    ) -> None:
        """Open a network.

        Raises:
            UserError: when the file is no embedding network, or nothing is known of its preprocessing.
        """
        weights = as_weights(weights)
        self._options = input_options(config, weights, "reid")
        self._network = open_network(weights, config.runtime, device, threads, config.batch, crop_trial(self._options))
        self._size, self._channels_first = input_layout(self._network, self._options)
        shape = self._network.output_shapes[0]
        if len(shape) != 2 or shape[1] is None:
            raise UserError(
                f"{weights.path} gives output of shape {shape}; one vector per crop is expected: (batch, D)"
            )
        self._config = config
        self.dim = shape[1]
        self.model_id = model_id("global", weights, config)

    def __call__(self, requests: Sequence[EmbedRequest]) -> list[PartEmbeddings]:
        """One ``PartEmbeddings`` per request, see ``Embedder``."""
        return describe_whole(self, requests, self._size, self._config, self._run)

    def _run(self, images: Image) -> FloatArray:
        return self._network.run(self._blob(images), pad_to=self._config.batch)[0]

    def _blob(self, images: Image) -> FloatArray:
        return to_blob(images, str(self._options.colour), str(self._options.normalisation), self._channels_first)


def crop_trial(options: InputOptions) -> Trial:
    """How runtimes of a network of crops are compared."""

    def blob(network: Network) -> FloatArray:
        size, channels_first = input_layout(network, options)
        return to_blob(sample_pictures(*size), str(options.colour), str(options.normalisation), channels_first)

    return Trial(blob)


def input_layout(network: Network, options: InputOptions) -> tuple[tuple[int, int], bool]:
    """Height and width of the crops a network takes, and whether channels come first.

    Raises:
        UserError: when its input is no picture of a known size.
    """
    shape = network.input_shape
    if len(shape) != 4 or (shape[1] == 3) == (shape[3] == 3):
        raise UserError(
            f"{network.label} takes input of shape {shape}; (batch, 3, H, W) or (batch, H, W, 3) is expected"
        )
    channels_first = shape[1] == 3
    height, width = shape[2:] if channels_first else shape[1:3]
    if height is None or width is None:
        if options.input_size is None:
            raise UserError(f"{network.label} takes crops of any size; set reid.input_size to height, width px")
        return options.input_size, channels_first
    return (height, width), channels_first


def model_id(scheme: str, weights: ResolvedWeights, config: ReidConfig) -> str:
    """What embeddings must have in common to be compared: how they are made, the weights, the colour correction."""
    return f"{scheme}:{weights.model_id}" + ("" if config.adapt == "none" else f"+{config.adapt}")


def describe_whole(
    embedder: Embedder,
    requests: Sequence[EmbedRequest],
    size: tuple[int, int],
    config: ReidConfig,
    run: Callable[[Image], FloatArray],
) -> list[PartEmbeddings]:
    """Describe people by one vector of their whole crop; visibility is 1 where the box shows a pixel.

    Args:
        embedder: whose embeddings they are.
        requests: frames and boxes.
        size: height, width of a crop, px.
        config: batch and colour correction.
        run: crops (B, h, w, 3) uint8 -> vectors (B, D), B at most the batch.
    """
    crops = cut_crops(requests, size, config.adapt)
    vectors = np.zeros((crops.total, 1, embedder.dim), np.float32)
    visibility = np.zeros((crops.total, 1), np.float32)
    for start in range(0, len(crops.rows), config.batch):
        rows = crops.rows[start : start + config.batch]
        vectors[rows, 0] = unit(run(crops.images[start : start + config.batch]))
        visibility[rows, 0] = vectors[rows, 0].any(axis=-1)
    return split_rows(embedder, requests, vectors, visibility)


def split_rows(
    embedder: Embedder, requests: Sequence[EmbedRequest], vectors: FloatArray, visibility: FloatArray
) -> list[PartEmbeddings]:
    """Hand the rows of all requests back to their requests."""
    ends = np.cumsum([0, *(len(request.boxes) for request in requests)])
    return [
        PartEmbeddings(
            vectors[first:last], visibility[first:last], embedder.part_names, embedder.part_kinds, embedder.model_id
        )
        for first, last in pairwise(ends)
    ]
