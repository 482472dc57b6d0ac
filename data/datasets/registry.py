"""Tracking data sets by name. Adding one is a module that gives a ``TrackingDataset`` and one line here."""

from pathlib import Path

from data.datasets.tracking import ReadDataset, TrackingDataset
from data.registry import Registry

TRACKING = Registry[ReadDataset](
    "data set",
    {
        "aicity": "data.datasets.aicity:read_aicity",
        "aicity2025": "data.datasets.aicity2025:read_aicity2025",
        "campus": "data.datasets.vatic:read_campus",
        "cmc": "data.datasets.cmc:read_cmc",
        "dukemtmc": "data.datasets.dukemtmc:read_dukemtmc",
        "epfl": "data.datasets.vatic:read_epfl",
        "mot15": "data.datasets.mot_challenge:read_mot15",
        "mot16": "data.datasets.mot_challenge:read_mot16",
        "mot17": "data.datasets.mot_challenge:read_mot17",
        "mot20": "data.datasets.mot_challenge:read_mot20",
        "nlpr_mct": "data.datasets.nlpr_mct:read_nlpr_mct",
        "posetrack21": "data.datasets.posetrack21_tracking:read_posetrack21_poses",
        "posetrack21_mot": "data.datasets.posetrack21_tracking:read_posetrack21_boxes",
        "site": "data.datasets.mot_folder:read_site",
        "wildtrack": "data.datasets.wildtrack:read_wildtrack",
    },
)


def read_dataset(name: str, root: Path, split: str = "") -> TrackingDataset:
    """Read a data set.

    Args:
        name: key of ``TRACKING``.
        root: its folder, or the folder above it.
        split: part of it; "" is the usual one.

    Raises:
        UserError: the name is unknown, or the folder is no such data set; what could be carried past is in
            ``problems``.
    """
    return TRACKING.load(name)(root, split)
