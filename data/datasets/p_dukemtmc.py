"""P-DukeMTMC-reID (Zhuo et al., "Occluded Person Re-identification", ICME 2018), from DukeMTMC-reID.

``train`` and ``test`` each hold ``whole_body_images`` and ``occluded_body_images`` with a folder per person and
pictures named ``<identity>_...``: 665 people to train on; occluded people are searched for among whole ones. DukeMTMC
was withdrawn by its authors: this reads copies that already exist.
"""

from pathlib import Path

from data.datasets.reid_crops import CropSplits, ReidCrop, Use, numbered_crops
from data.datasets.reid_folders import data_root

_FOLDERS = ("P-DukeMTMC-reID", "P-DukeMTMC_reid", "P-DukeMTMC")
_OCCLUDED, _WHOLE = "occluded_body_images", "whole_body_images"


def list_p_dukemtmc(root: Path, use: Use = "all") -> CropSplits:
    """List the crops: occluded people are camera 0, whole ones camera 1.

    Args:
        root: the data set's folder, or the folder above it.
        use: which splits to list; others need not be there.

    Raises:
        UserError: when a folder is absent or empty, or a name is of another form.
    """
    halves = {"all": ("train", "test"), "train": ("train",), "test": ("test",)}[use]
    wanted = [f"{half}/{kind}" for half in halves for kind in (_OCCLUDED, _WHOLE)]
    place = data_root(root, "P-DukeMTMC-reID", _FOLDERS, wanted)

    def crops(half: str, kind: str, camera: int) -> tuple[ReidCrop, ...]:
        return tuple(numbered_crops(place, f"{half}/{kind}", camera, per_person=True)) if half in halves else ()

    return CropSplits(
        place,
        crops("train", _OCCLUDED, 0) + crops("train", _WHOLE, 1),
        crops("test", _OCCLUDED, 0),
        crops("test", _WHOLE, 1),
    )
