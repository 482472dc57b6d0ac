"""NLPR_MCT (Chen et al., "An Equalised Global Graphical Model-Based Approach for Multi-Camera Object Tracking", 2016).

Four recordings of 3 to 5 cameras that hardly overlap. ``annotation/Dataset<k>/Cam<c>.dat`` has rows of camera, frame,
person, left, top, width, height, separated by white space; frames and cameras count from 1, ids hold over cameras.
"""

import re
from pathlib import Path

from data.datasets.layout import choose_part, find_root
from data.datasets.tracking import Problem, TrackingDataset, TruthSequence, first_of_each, missing_names, sound_rows
from data.errors import UserError
from data.formats.camera_rows import read_camera_rows
from data.listing import listed

_PARTS = ("Dataset1", "Dataset2", "Dataset3", "Dataset4")
_CAMERAS = {"Dataset1": 3, "Dataset2": 3, "Dataset3": 4, "Dataset4": 5}
_FPS = {"Dataset1": 20.0, "Dataset2": 20.0, "Dataset3": 25.0, "Dataset4": 25.0}
_SIZE = (320, 240)
_NAME = re.compile(r"Cam(\d+)\.dat")
_BELOW = ("annotation", "annotation_files/annotation", "NLPR_MCT_Dataset/annotation", "data/annotation")


def read_nlpr_mct(root: Path, split: str) -> TrackingDataset:
    """Read one of the four recordings.

    Args:
        root: the data set's folder.
        split: "Dataset1" to "Dataset4"; "" where one only is there.

    Raises:
        UserError: nothing is there, no recording was chosen, or a file is broken.
    """
    place = find_root(root, "NLPR_MCT", ("Dataset*/Cam*.dat",), _BELOW)
    there = [part for part in _PARTS if listed(place / part, "Cam*.dat")]
    part = choose_part(split, "", there, "NLPR_MCT")
    folder = place / part
    found = {path.stem: path for path in listed(folder, "Cam*.dat") if _NAME.fullmatch(path.name)}
    names = tuple(f"Cam{number}" for number in range(1, _CAMERAS[part] + 1))
    problems = missing_names("missing file", folder, names, found)
    tables = {}
    for name, path in found.items():
        rows = read_camera_rows(path, "NLPR_MCT", 1, ("camera", "frame", "id"), 7)
        own = rows.of_camera(int(name[3:]))
        if len(own.frames) < len(rows.frames):
            problems.append(Problem("row of an unknown camera", str(path), len(rows.frames) - len(own.frames)))
        table, twice = first_of_each(str(path), own.table())
        tables[name], flat = sound_rows(str(path), table)
        problems += twice + flat
    length = max((int(table.frames[-1]) + 1 for table in tables.values() if len(table)), default=0)
    if not length:
        raise UserError(f"{folder}: no file holds a row")
    sequences = tuple(
        TruthSequence(name, length, table, _FPS[part], _SIZE, open_end=True) for name, table in tables.items()
    )
    return TrackingDataset(
        name="nlpr_mct", root=root, split=part, sequences=sequences, one_site=True, shared_ids=True, frame_base=1,
        problems=tuple(problems),
    )  # fmt: skip
