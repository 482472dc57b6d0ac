"""A network that also looks at every crop in a mirror, as many published figures are made."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from data.errors import UserError
from data.records import FloatArray
from data.skeletons import COCO17
from reid.evaluation.crops import LabelledCrop
from reid.evaluation.extract import Extractor
from reid.models.part_head import MaskUse
from reid.models.spec import mirrored_parts


class Mirrored:
    """Describes a crop by the sum of its vectors and those of its mirror image, each weighed by its visibility.

    Keypoints are mirrored too, and a left part is added to the mirror image's right one (within the one vector of all
    parts, ``conct``, they stay where they are). A part is as visible as where it is seen best.

    Args:
        extractor: describes the pictures.

    Raises:
        UserError: when it uses parsing labels, which have no mirror image here.
    """

    def __init__(self, extractor: Extractor) -> None:
        if extractor.labels is not None:
            raise UserError(f"{extractor.model_id} uses parsing labels: they cannot be mirrored")
        self._extractor = extractor
        self.labels: MaskUse | None = None
        self.model_id = f"{extractor.model_id}, mirrored too"
        self.part_names = extractor.part_names
        self._partners = mirrored_parts(self.part_names)

    def describe(self, crops: Sequence[LabelledCrop]) -> tuple[Tensor, Tensor]:
        """See ``Extractor``."""
        vectors, seen = self._extractor.describe(crops)
        other_vectors, other_seen = self._extractor.describe([mirrored(crop) for crop in crops])
        other_vectors, other_seen = other_vectors[:, self._partners], other_seen[:, self._partners]
        weight, other_weight = (one.to(vectors.dtype)[..., None] for one in (seen, other_seen))
        unseen = (weight + other_weight) == 0
        total = torch.where(unseen, vectors + other_vectors, weight * vectors + other_weight * other_vectors)
        return F.normalize(total, dim=-1), torch.maximum(seen, other_seen)

    def attention(self, crops: Sequence[LabelledCrop]) -> Tensor | None:
        """Where each embedding looks in the pictures as they are."""
        return self._extractor.attention(crops)


def mirrored(crop: LabelledCrop) -> LabelledCrop:
    """A crop and its skeletons, left and right exchanged."""
    width = crop.image.shape[1]

    def turned(skeletons: FloatArray) -> FloatArray:
        out = skeletons[..., list(COCO17.mirror), :].copy()
        out[..., 0] = np.where(out[..., 2] > 0, width - 1 - out[..., 0], out[..., 0])
        return out

    own = crop.skeletons
    skeletons = replace(own, target=turned(own.target), negatives=turned(own.negatives))
    return replace(crop, image=np.ascontiguousarray(crop.image[:, ::-1]), skeletons=skeletons)
