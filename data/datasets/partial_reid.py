"""Partial-ReID (Zheng et al., "Partial Person Re-identification", ICCV 2015): 60 people, for testing only.

``occluded_body_images/<identity>_<number>.jpg`` are searched for in ``whole_body_images``, five pictures of each person
in both. Keypoints and parsing labels lie beside a picture: ``<picture>.predictions.json`` (a list of skeletons, the
first of which is the person's) and ``<picture>.confidence_fields.npy``.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from data.datasets.reid_crops import CropSplits, ReidCrop, Use, numbered_crops
from data.datasets.reid_folders import data_root
from data.errors import UserError
from data.listing import listed

_FOLDERS = ("Partial_REID", "Partial-REID", "PartialREID")
_OCCLUDED, _WHOLE = "occluded_body_images", "whole_body_images"


def list_partial_reid(root: Path, use: Use = "all") -> CropSplits:
    """List the crops: queries are camera 0, the gallery is camera 1.

    Args:
        root: the data set's folder, or the folder above it.
        use: which splits are wanted.

    Raises:
        UserError: when training pictures are asked for, a folder is absent or empty, or a name is of another form.
    """
    if use == "train":
        raise UserError(f"{root}: Partial-ReID has no training pictures; name it as 'test' and train on another set")
    place = data_root(root, "Partial-ReID", _FOLDERS, (_OCCLUDED, _WHOLE))
    query, gallery = (tuple(_crops(place, folder, camera)) for camera, folder in enumerate((_OCCLUDED, _WHOLE)))
    return CropSplits(place, (), query, gallery)


def _crops(root: Path, folder: str, camera: int) -> Iterator[ReidCrop]:
    """Where a folder has any keypoint file, every picture is expected to have one; the same holds for labels."""
    posed, labelled = (
        bool(listed(root / folder, f"*{ending}")) for ending in (".predictions.json", ".confidence_fields.npy")
    )
    for crop in numbered_crops(root, folder, camera, per_person=False):
        beside = crop.path.with_name
        yield replace(
            crop,
            keypoints=beside(f"{crop.path.name}.predictions.json") if posed else None,
            labels=beside(f"{crop.path.name}.confidence_fields.npy") if labelled else None,
        )
