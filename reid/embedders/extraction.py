"""Features of crops that lie in files."""

import re
from collections.abc import Sequence
from pathlib import PurePath

import numpy as np
from numpy.typing import NDArray

from data.errors import UserError
from data.formats.part_features import PartFeatures
from data.formats.reid_keypoints import CropSkeletons
from data.records import EmbedRequest, Image, PartEmbeddings
from reid.embedders.base import AttentiveEmbedder, Embedder
from reid.samples.crop_files import Crop, CropFolder


def crop_request(image: Image, skeletons: CropSkeletons | None, camera: str = "") -> EmbedRequest:
    """A crop as a frame that shows one person, from edge to edge.

    Args:
        image: (H, W, 3) uint8 RGB.
        skeletons: in its pixels, or None where nothing is known.
        camera: its name; "" where it is not known.
    """
    box = np.array([[0, 0, image.shape[1], image.shape[0]]], np.float32)
    if skeletons is None:
        return EmbedRequest(image, box, None, np.zeros((0, 17, 3), np.float32), camera)
    return EmbedRequest(image, box, skeletons.target[None], skeletons.negatives, camera)


def camera_of(name: str) -> str:
    """Camera of a crop named as in Market-1501 or DukeMTMC-reID, "c1", "c2", ...; "" where the name tells none."""
    found = re.search(r"_(c[1-9]\d*)(?:s\d+)?_f?\d", PurePath(name).name)
    return found.group(1) if found else ""


def extract_features(crops: CropFolder, embedder: Embedder, batch: int, masks: bool = False) -> PartFeatures:
    """Describe every crop that can be read, in the order of their names.

    Args:
        crops: what to read.
        embedder: the appearance model.
        batch: crops that are read and given to the model together.
        masks: also keep where each part looked.

    Raises:
        UserError: when a crop cannot be read (see ``CropFolder``), or the model knows no masks.
    """
    names: list[str] = []
    rows: list[PartEmbeddings] = []
    looked: list[NDArray[np.float16]] = []
    for portion in crops.batches(batch):
        names += [crop.name for crop in portion]
        if masks:
            for made, attention in describe_with_masks(embedder, portion):
                rows.append(_rounded(made))
                looked.append(attention.astype(np.float16))
        else:
            rows += [_rounded(made) for made in embedder([_request(crop) for crop in portion])]
    crops.tell()
    vectors = np.concatenate([made.vectors for made in rows])
    visibility = np.concatenate([made.visibility for made in rows])
    made = PartEmbeddings(vectors, visibility, embedder.part_names, embedder.part_kinds, embedder.model_id)
    return PartFeatures(tuple(names), made, np.concatenate(looked) if masks else None)


def describe_with_masks(embedder: Embedder, crops: Sequence[Crop]) -> list[tuple[PartEmbeddings, NDArray[np.float32]]]:
    """One row and its (1, P, h, w) masks per crop.

    Raises:
        UserError: when the model does not say where its parts look.
    """
    if not isinstance(embedder, AttentiveEmbedder):
        raise UserError(
            f"{embedder.model_id} does not say where it looks, so there are no masks; take kpr or osnet_parts"
        )
    return embedder.with_masks([_request(crop) for crop in crops])


def _request(crop: Crop) -> EmbedRequest:
    return crop_request(crop.image, crop.skeletons, camera_of(crop.name))


def _rounded(made: PartEmbeddings) -> PartEmbeddings:
    """Vectors as they are stored."""
    return PartEmbeddings(
        made.vectors.astype(np.float16), made.visibility, made.part_names, made.part_kinds, made.model_id
    )
