"""Occluded-ReID (Zhuo et al., "Occluded Person Re-identification", ICME 2018): 200 people, for testing only.

``occluded_body_images/<person>/<identity>_<number>.tif`` are searched for in ``whole_body_images``, five pictures of
each person in both.
"""

from pathlib import Path

from data.datasets.reid_crops import CropSplits, Use, numbered_crops
from data.datasets.reid_folders import data_root
from data.errors import UserError

_FOLDERS = ("Occluded_REID", "Occluded-REID", "OccludedREID")
_OCCLUDED, _WHOLE = "occluded_body_images", "whole_body_images"


def list_occluded_reid(root: Path, use: Use = "all") -> CropSplits:
    """List the crops: queries are camera 0, the gallery is camera 1.

    Args:
        root: the data set's folder, or the folder above it.
        use: which splits are wanted.

    Raises:
        UserError: when training pictures are asked for, a folder is absent or empty, or a name is of another form.
    """
    if use == "train":
        raise UserError(f"{root}: Occluded-ReID has no training pictures; name it as 'test' and train on another set")
    place = data_root(root, "Occluded-ReID", _FOLDERS, (_OCCLUDED, _WHOLE))
    query, gallery = (
        tuple(numbered_crops(place, folder, camera, per_person=True))
        for camera, folder in enumerate((_OCCLUDED, _WHOLE))
    )
    return CropSplits(place, (), query, gallery)
