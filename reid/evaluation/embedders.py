"""Other appearance models under evaluation: any of the pipeline's embedders, PCB, and SAN while it is trained."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from reid.embedders.base import AttentiveEmbedder, Embedder
from reid.embedders.extraction import crop_request
from reid.evaluation.crops import LabelledCrop
from reid.evaluation.extract import in_mode
from reid.models.part_head import MaskUse, VisibilityMode
from reid.models.spec import IMAGENET_MEAN, IMAGENET_STD
from reid.samples.crops import resize_crop
from reid.samples.network_input import normalise
from reid.samples.textures import planes

if TYPE_CHECKING:
    from reid.models.pcb import PCB
    from reid.models.san import SAN


class EmbedderExtractor:
    """An embedder of the pipeline; a crop is a frame whose one box is the whole picture.

    Args:
        embedder: what a run would use.
        visibility: binary: every part that shows at all counts alike; continuous: as the embedder says.
    """

    labels: MaskUse | None = None

    def __init__(self, embedder: Embedder, visibility: VisibilityMode = "binary") -> None:
        self._embedder, self._mode = embedder, visibility
        self.model_id, self.part_names = embedder.model_id, embedder.part_names

    def describe(self, crops: Sequence[LabelledCrop]) -> tuple[Tensor, Tensor]:
        """See ``Extractor``."""
        found = self._embedder([crop_request(crop.image, crop.skeletons, f"c{crop.sample.camera}") for crop in crops])
        vectors = torch.from_numpy(np.concatenate([rows.vectors for rows in found]))
        visibility = torch.from_numpy(np.concatenate([rows.visibility for rows in found]))
        return vectors, in_mode(visibility, self._mode)

    def attention(self, crops: Sequence[LabelledCrop]) -> Tensor | None:
        """The masks the parts were pooled by, (N, P, h, w), from embedders that tell."""
        if not isinstance(self._embedder, AttentiveEmbedder):
            return None
        found = self._embedder.with_masks(
            [crop_request(crop.image, crop.skeletons, f"c{crop.sample.camera}") for crop in crops]
        )
        return torch.from_numpy(np.concatenate([masks for _, masks in found]))


class PcbExtractor:
    """PCB's descriptor of the whole picture, which is always visible.

    Args:
        model: in evaluation mode.
        device: torch device.
        model_id: name of the network in results.
    """

    part_names: tuple[str, ...] = ("global",)
    labels: MaskUse | None = None

    def __init__(self, model: "PCB", device: str, model_id: str) -> None:
        self._model, self._device, self.model_id = model.eval().to(device), device, model_id

    @torch.inference_mode()
    def describe(self, crops: Sequence[LabelledCrop]) -> tuple[Tensor, Tensor]:
        """See ``Extractor``."""
        from reid.samples.pcb_input import resize

        images = torch.stack([resize(crop.image) for crop in crops]).to(self._device)
        vectors = self._model.descriptor(normalise(images, IMAGENET_MEAN, IMAGENET_STD)).cpu()[:, None]
        return vectors, torch.ones(len(crops), 1, dtype=torch.bool)

    def attention(self, crops: Sequence[LabelledCrop]) -> None:
        """Strips need no attention."""


class SanExtractor:
    """SAN's embedding of the whole picture, which is always visible; its decoder is not run.

    Args:
        model: its training mode is kept.
        model_id: name of the network in results.
    """

    part_names: tuple[str, ...] = ("global",)
    labels: MaskUse | None = None

    def __init__(self, model: "SAN", model_id: str) -> None:
        self._model, self.model_id = model, model_id

    @torch.inference_mode()
    def describe(self, crops: Sequence[LabelledCrop]) -> tuple[Tensor, Tensor]:
        """See ``Extractor``."""
        spec, encoder = self._model.spec, self._model.encoder
        training = encoder.training
        encoder.eval()
        try:
            images = planes(resize_crop(crop.image, (spec.height, spec.width)) for crop in crops)
            pictures = images.to(next(encoder.parameters()).device).float() / 255
            found = encoder.embed(normalise(pictures, IMAGENET_MEAN, IMAGENET_STD))
        finally:
            encoder.train(training)
        vectors = torch.nn.functional.normalize(found, dim=1).cpu()[:, None]
        return vectors, torch.ones(len(crops), 1, dtype=torch.bool)

    def attention(self, crops: Sequence[LabelledCrop]) -> None:
        """SAN does not tell where it looks."""
