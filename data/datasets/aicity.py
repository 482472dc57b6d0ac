"""AI City Challenge, multi-camera people tracking since 2024 (Wang et al., "The 8th AI City Challenge", 2024).

``<train|val>/scene_<k>/ground_truth.txt`` has rows of camera, id, frame, left, top, width, height, world x, world y in
metres, for all cameras ``camera_<number>`` of the scene; frames count from 0. ``camera_<number>/calibration.json``
holds the projection. Similarity of places is 1 - distance / 2 m (TrackEval's ``zero_distance``, which the challenge's
evaluator uses).
"""

import re
from pathlib import Path

import numpy as np

from data.datasets.layout import choose_part, find_root
from data.datasets.tracking import GroundPlaces, Problem, TrackingDataset, TruthSequence, first_of_each, sound_rows
from data.errors import UserError
from data.foreign import read_json
from data.formats.camera_rows import CameraRows, read_camera_rows
from data.listing import listed
from data.records import DoubleArray

TRUTH_FILE = "ground_truth.txt"
_CAMERA = re.compile(r"camera_(\d+)")
_MATRIX = "camera projection matrix"
_FPS, _SIZE = 30.0, (1920, 1080)
_LIMIT_M = 2.0
_PARTS = ("train", "val")


def read_aicity(root: Path, split: str) -> TrackingDataset:
    """Read one scene.

    Args:
        root: folder of a scene, of the scenes of a part, or of all parts.
        split: name of the scene; "" where one only is there.

    Raises:
        UserError: no truth is there, no scene was chosen, or a file is broken.
    """
    scenes = find_scenes(root)
    folder = scenes[choose_part(split, "", list(scenes), "AI City")]
    path = folder / TRUTH_FILE
    rows = read_camera_rows(path, "AI City", 0, ("camera", "id", "frame"), 9)
    if not len(rows):
        raise UserError(f"{path} holds no row")
    folders = {int(match[1]): one for one in listed(folder, "*") if (match := _CAMERA.fullmatch(one.name))}
    numbers = sorted(folders) or np.unique(rows.cameras).tolist()
    problems: list[Problem] = []
    unknown = ~np.isin(rows.cameras, numbers)
    if unknown.any():
        example = f"camera {rows.cameras[unknown][0]}"
        problems.append(Problem("row of an unknown camera", str(path), int(unknown.sum()), example))
        rows = rows.select(~unknown)
    if not folders:
        problems.append(Problem("missing file", str(folder), 1, "no camera_<number>: cameras are those of the truth"))
    length = int(rows.frames.max(initial=-1)) + 1
    sequences, calibration = [], {}
    for number in numbers:
        name = folders[number].name if number in folders else f"camera_{number:04d}"
        table, twice = first_of_each(name, rows.of_camera(number).table())
        table, flat = sound_rows(name, table)
        problems += twice + flat
        sequences.append(TruthSequence(name, length, table, _FPS, _SIZE, open_end=True))
        matrix = _projection(folders[number] / "calibration.json") if number in folders else None
        if matrix is not None:
            calibration[name] = matrix
    absent = len(folders) - len(calibration)
    if absent:
        problems.append(Problem("missing file", str(folder / "camera_*" / "calibration.json"), absent))
    return TrackingDataset(
        name="aicity", root=root, split=folder.name, sequences=tuple(sequences), one_site=True, shared_ids=True,
        frame_base=0, ground=first_places(rows), ground_limit_m=_LIMIT_M, calibration=calibration,
        problems=tuple(problems),
    )  # fmt: skip


def find_scenes(root: Path, files: tuple[str, ...] = (TRUTH_FILE,)) -> dict[str, Path]:
    """Folders of the scenes by name: the one given, or those below it.

    Args:
        root: folder of a scene, of the scenes of a part, or of all parts.
        files: names the truth of a scene may have.

    Raises:
        UserError: there is none.
    """
    if any((root / name).is_file() for name in files):
        # "." has no name.
        return {root.absolute().name: root.absolute()}
    patterns = [f"*/{name}" for name in files]
    place = next((one for one in (root, *(root / part for part in _PARTS)) if listed(one, *patterns)), None)
    if place is None:
        place = find_root(root, "AI City", patterns[:1], _PARTS)
    return {path.parent.name: path.parent for path in listed(place, *patterns)}


def first_places(rows: CameraRows) -> GroundPlaces:
    """One place per person and frame: that of its first row, as the challenge's evaluator has it."""
    keys, first = np.unique(np.column_stack([rows.frames, rows.ids]), axis=0, return_index=True)
    return GroundPlaces.make(keys[:, 0], keys[:, 1], rows.xy[first])


def _projection(path: Path) -> DoubleArray | None:
    if not path.is_file():
        return None
    content = read_json(path)
    try:
        matrix = np.array(content[_MATRIX], np.float64)
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{path}: expected a '{_MATRIX}' of 3 x 4 numbers") from None
    if matrix.shape != (3, 4):
        raise UserError(f"{path}: '{_MATRIX}' has the shape {matrix.shape}, expected (3, 4)")
    return matrix
