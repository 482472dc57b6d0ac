"""KPR and BPBReID networks under evaluation."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from data.errors import UserError
from reid.evaluation.crops import LabelledCrop
from reid.models.bpbreid import BPBReID
from reid.models.kpr import KPR
from reid.models.part_head import ExternalMasks, Kind, MaskUse, PartOutput, VisibilityMode, part_visibility
from reid.samples.camera_tokens import NO_TOKEN
from reid.samples.labels import part_masks
from reid.samples.network_input import network_input
from reid.samples.part_labels import PartGrouping, label_masks

TestFeature = Literal[
    "globl", "foreg", "backg", "conct", "parts", "bn_globl", "bn_foreg", "bn_backg", "bn_conct", "bn_parts"
]
ForegroundRule = Literal["best_part", "always"]

PUBLISHED_FEATURES: tuple[TestFeature, ...] = ("bn_foreg", "parts")
"""What the published networks compare: the foreground after the BN-neck, the parts before it."""

_NAMES: dict[Kind, str] = {"globl": "global", "foreg": "foreground", "backg": "background", "conct": "all_parts"}


class NetworkExtractor:
    """Embeddings of unit length (BPBReID, WACV 2023, section 3.4; KPR, ECCV 2024).

    A part is visible where it wins a pixel; in continuous mode its visibility is then its highest probability.

    Args:
        model: its training mode is kept.
        visibility: binary or continuous.
        foreground: best_part: the foreground is as visible as the most visible part, so that a crop which shows only
            background is no evidence. always: the originals' rule, visible in every crop (and in continuous mode a part
            has its highest probability even where it wins no pixel).
        features: kinds of embedding that are compared.
        labels: what the masks of the parsing labels do; None: nothing.
        grouping: which parsing fields make up a part, where labels are used.
        cameras: camera of a crop -> number of the camera token it gets; crops of other cameras get none.
        model_id: name of the network in results.

    Raises:
        UserError: when the network's part masks must come from outside, and do not.
    """

    def __init__(
        self,
        model: KPR | BPBReID,
        visibility: VisibilityMode = "binary",
        foreground: ForegroundRule = "best_part",
        features: Sequence[TestFeature] = PUBLISHED_FEATURES,
        labels: MaskUse | None = None,
        grouping: PartGrouping | None = None,
        cameras: Mapping[int, int] | None = None,
        model_id: str = "network",
    ) -> None:
        if model.spec.needs_masks and labels != "fixed":
            raise UserError(f"{model_id} has no attention of its own: it needs parsing labels")
        self._model, self._mode, self._foreground = model, visibility, foreground
        self._features, self._grouping, self._cameras = tuple(features), grouping, cameras or {}
        self.labels, self.model_id = labels, model_id
        self.part_names = _names(self._features, model.spec.part_names)

    def describe(self, crops: Sequence[LabelledCrop]) -> tuple[Tensor, Tensor]:
        """See ``Extractor``."""
        output = self._run(crops)
        found = [
            (output.bn_embeddings if name.startswith("bn_") else output.embeddings)[_kind(name)]
            for name in self._features
        ]
        vectors = torch.cat([_columns(vector, 3) for vector in found], 1)
        visibility = self._visibility(output)
        seen = torch.cat([_columns(visibility[_kind(name)], 2) for name in self._features], 1)
        return F.normalize(vectors.float(), dim=-1).cpu(), seen.cpu()

    def attention(self, crops: Sequence[LabelledCrop]) -> Tensor:
        """The masks the embeddings were pooled under, (N, P, h, w)."""
        masks = self._run(crops).masks
        return torch.cat([_columns(masks[_kind(name)], 4) for name in self._features], 1).float().cpu()

    def _visibility(self, output: PartOutput) -> dict[Kind, Tensor]:
        seen = dict(output.visibility)
        if self._foreground == "best_part":
            if self._mode == "continuous" and output.pixel_logits is not None and self.labels != "visibility":
                seen["parts"] = seen["parts"] * part_visibility(output.pixel_logits, "binary")["parts"]
            seen["foreg"] = seen["conct"] = seen["parts"].amax(1)
        return seen

    @torch.inference_mode()
    def _run(self, crops: Sequence[LabelledCrop]) -> PartOutput:
        training = self._model.training
        self._model.eval()
        try:
            device = next(self._model.parameters()).device
            given = network_input(
                [crop.image for crop in crops], [crop.skeletons for crop in crops], self._model.spec, device
            )
            if isinstance(self._model, KPR):
                features = self._model.feature_map(given.images, given.prompts, self._tokens(crops, device))
            else:
                features = self._model.feature_map(given.images)
            # The parts' visibility also decides about the foreground's.
            kinds = {"parts", *map(_kind, self._features)}
            return self._model.describe(features, self._masks(crops, features), self._mode, kinds, scores=False)
        finally:
            self._model.train(training)

    def _tokens(self, crops: Sequence[LabelledCrop], device: torch.device) -> Tensor | None:
        if not self._cameras:
            return None
        return torch.tensor([self._cameras.get(crop.sample.camera, NO_TOKEN) for crop in crops], device=device)

    def _masks(self, crops: Sequence[LabelledCrop], features: Tensor) -> ExternalMasks | None:
        if self.labels is None:
            return None
        size = (self._model.spec.height, self._model.spec.width)
        parts = np.stack([self._parts(crop, size) for crop in crops])
        masks = label_masks(
            torch.from_numpy(parts).to(features.device).float() / 255, (features.shape[2], features.shape[3])
        )
        return ExternalMasks(masks, self.labels)

    def _parts(self, crop: LabelledCrop, size: tuple[int, int]) -> NDArray[np.uint8]:
        if crop.fields is None or self._grouping is None:
            raise ValueError(f"{self.model_id} uses part masks: read crops with their labels, and name their grouping")
        return part_masks(crop.fields, self._grouping, size)


def _names(features: Sequence[TestFeature], parts: tuple[str, ...]) -> tuple[str, ...]:
    """Names of the embeddings, one each; those after the neck keep their bn_ where the same is there before it too."""
    names: list[str] = []
    for feature in features:
        kind = _kind(feature)
        mark = "bn_" if feature != kind and kind in features else ""
        names += [mark + name for name in (parts if kind == "parts" else (_NAMES[kind],))]
    return tuple(names)


def _kind(feature: TestFeature) -> Kind:
    kind: Kind = feature.removeprefix("bn_")  # type: ignore[assignment]
    return kind


def _columns(values: Tensor, dimensions: int) -> Tensor:
    """One value per crop becomes one column; the parts have a column each already."""
    return values if values.ndim == dimensions else values[:, None]
