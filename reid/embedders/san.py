"""SAN as the pipeline's appearance model; its decoder is not even loaded."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from data.records import EmbedRequest, Image, PartEmbeddings
from data.runtime.threads import set_torch_threads
from data.runtime.torch_device import torch_device
from data.weight_records import ResolvedWeights, as_weights
from reid.config import ReidConfig
from reid.embedders.onnx import describe_whole, model_id
from reid.models.precision import reduced_dtype
from reid.models.spec import IMAGENET_MEAN, IMAGENET_STD
from reid.samples.network_input import normalise
from reid.samples.textures import planes
from reid.weights.san import load_san


class SanEmbedder:
    """Describes people by one vector of their whole crop; visibility is 1 where the box shows a pixel.

    The published distance is Euclidean between vectors of any length; here they have unit length, as all embedders'.
    """

    part_names: tuple[str, ...] = ("global",)
    part_kinds: tuple[str, ...] = ("holistic",)

    def __init__(
        self, config: ReidConfig, weights: ResolvedWeights | str | Path, device: str = "auto", threads: int = 0
    ) -> None:
        """Open a network.

        Raises:
            UserError: when the file is absent, damaged, or no SAN, or the precision is unknown.
        """
        weights = as_weights(weights)
        set_torch_threads(threads)
        self._device = torch.device(torch_device(device))
        self._reduced = reduced_dtype(config.precision, self._device)
        model, _ = load_san(weights.path)
        self._encoder = model.encoder.to(self._device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._size, self._config = (model.spec.height, model.spec.width), config
        self.dim: int = model.encoder.dim
        self.model_id = model_id("san", weights, config)

    def __call__(self, requests: Sequence[EmbedRequest]) -> list[PartEmbeddings]:
        """One ``PartEmbeddings`` per request, see ``Embedder``."""
        return describe_whole(self, requests, self._size, self._config, self._embed)

    @torch.inference_mode()
    def _embed(self, images: Image) -> np.ndarray:
        pictures = planes(images).to(self._device, memory_format=torch.channels_last).float() / 255
        with torch.autocast(self._device.type, self._reduced, enabled=self._reduced is not None):
            found = self._encoder.embed(normalise(pictures, IMAGENET_MEAN, IMAGENET_STD))
        vectors: np.ndarray = found.float().cpu().numpy()
        return vectors
