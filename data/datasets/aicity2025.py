"""AI City Challenge, multi-camera 3-D perception since 2025 (Tang et al., "The 9th AI City Challenge", 2025).

``<train|val>/<scene>/ground_truth.json`` has the objects of each frame, from 0: "object type", "object id", which is
unique within a type, "3d location" of the middle, "3d bounding box scale" (width, length, height) in metres, "3d
bounding box rotation" (pitch, roll, yaw) in radians, and "2d bounding box visible", left, top, right, bottom px by
camera.
``calibration.json`` beside it lists the "sensors" with "cameraMatrix" and the size of their pictures. The sets of 2024
are published in this format too, as ``ground_truth_2025_format.json``.

People are class 1 of the boxes, every other type a class of its own; ids of other types are told from those of people
by millions, or by the power of ten above the largest id. Places on the ground are those of people.
"""

from pathlib import Path
from typing import Any

import numpy as np

from data.datasets.aicity import find_scenes
from data.datasets.layout import choose_part
from data.datasets.tracking import GroundPlaces, Problem, TrackingDataset, TruthSequence, first_of_each, sound_rows
from data.errors import UserError
from data.foreign import read_json, whole
from data.formats.mot import MotTable
from data.formats.solids import CLASSES, SolidTable
from data.records import DoubleArray

TRUTH_FILES = ("ground_truth.json", "ground_truth_2025_format.json")
_CALIBRATIONS = ("calibration.json", "calibration_2025_format.json")
_FPS, _SIZE = 30.0, (1920, 1080)
_LEAST_PER_TYPE = 10**6
_MOST_BYTES = 1 << 30
_PERSON = 0


def read_aicity2025(root: Path, split: str) -> TrackingDataset:
    """Read one scene.

    Args:
        root: folder of a scene, of the scenes of a part, or of all parts.
        split: name of the scene; "" where one only is there.

    Raises:
        UserError: no truth is there, no scene was chosen, or a file is broken.
    """
    scenes = find_scenes(root, TRUTH_FILES)
    folder = scenes[choose_part(split, "", list(scenes), "AI City")]
    path = next(folder / name for name in TRUTH_FILES if (folder / name).is_file())
    solids, views, problems = _objects(path)
    sensors = _sensors(folder)
    if sensors is None:
        problems.append(Problem("missing file", str(folder / _CALIBRATIONS[0]), 1, "cameras are those of the truth"))
        sensors = dict.fromkeys(sorted(views), (None, _SIZE))
    strange = [name for name in sorted(views) if name not in sensors]
    if strange:
        count = sum(len(views[name]) for name in strange)
        problems.append(Problem("row of an unknown camera", str(path), count, f"camera {strange[0]}"))
    length, per_type = int(solids.frames.max(initial=-1)) + 1, _per_type(path, int(solids.ids.max()))
    sequences = []
    for name, (_, size) in sensors.items():
        rows = np.array(views.get(name, []), np.float64).reshape(-1, 7)
        frames, ids, classes = rows[:, :3].astype(np.int64).T
        table = MotTable.make(frames, ids + (classes - 1) * per_type, rows[:, 3:], class_ids=classes)
        table, twice = first_of_each(name, table)
        table, flat = sound_rows(name, table)
        problems += twice + flat
        sequences.append(TruthSequence(name, length, table, _FPS, size, open_end=True))
    people = solids.select(solids.class_ids == _PERSON)
    return TrackingDataset(
        name="aicity2025", root=root, split=folder.name, sequences=tuple(sequences), one_site=True, shared_ids=True,
        frame_base=0, ground=GroundPlaces.make(people.frames, people.ids, people.boxes[:, :2]), solids=solids,
        calibration={name: matrix for name, (matrix, _) in sensors.items() if matrix is not None},
        problems=tuple(problems),
    )  # fmt: skip


def _objects(path: Path) -> tuple[SolidTable, dict[str, list[list[float]]], list[Problem]]:
    """Boxes in the world; rows of frame, id, class, left, top, right, bottom by camera."""
    content = read_json(path, _MOST_BYTES)
    keys: list[tuple[int, int, int]] = []
    boxes: list[list[float]] = []
    views: dict[str, list[list[float]]] = {}
    try:
        for frame_text, objects in content.items():
            frame = int(frame_text)
            if frame < 0:
                raise ValueError(f"frame {frame} is below 0")
            for told in objects:
                kind, number = _class(told["object type"]), whole(told["object id"])
                box = [*told["3d location"], *told["3d bounding box scale"], told["3d bounding box rotation"][2]]
                if number < 0:
                    raise ValueError(f"the id {number} in frame {frame} is below 0")
                if len(box) != 7:
                    raise ValueError(f"object {number} in frame {frame} has no place and size of three numbers each")
                keys.append((frame, number, kind))
                boxes.append([float(value) for value in box])
                for camera, corners in (told.get("2d bounding box visible") or {}).items():
                    left, top, right, bottom = map(float, corners)
                    views.setdefault(str(camera), []).append([frame, number, kind + 1, left, top, right, bottom])
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise UserError(f"{path} is no truth of AI City 2025: {error!r}") from None
    table, values = np.array(keys, np.int64).reshape(-1, 3), np.array(boxes, np.float64).reshape(-1, 7)
    if not len(table):
        raise UserError(f"{path} holds no object")
    if not np.isfinite(values).all() or (values[:, 3:6] <= 0).any():
        raise UserError(f"{path}: a place or size is not finite, or a size is not above 0; mend it")
    solids = SolidTable.make(table[:, 0], table[:, 1], table[:, 2], values)
    again = solids.repeated()
    if not len(again):
        return solids, views, []
    example = f"id {solids.ids[again[0]]} in frame {solids.frames[again[0]]} (from 0)"
    kept = np.ones(len(solids), bool)
    kept[again] = False
    return solids.select(kept), views, [Problem("id twice in a frame", str(path), len(again), example)]


def _per_type(path: Path, largest: int) -> int:
    """How far apart the ids of two types lie in the boxes of cameras, where an id stands alone.

    Raises:
        UserError: ids are so large that those of all types cannot be told apart in 53 bits.
    """
    apart = max(_LEAST_PER_TYPE, 10 ** len(str(largest)))
    if apart * len(CLASSES) > 2**53:
        raise UserError(f"{path}: the id {largest} is too large; number the objects anew")
    return apart


def _class(name: Any) -> int:
    places = [number for number, one in enumerate(CLASSES) if one.lower() == str(name).lower()]
    if not places:
        raise ValueError(f"the type '{name}' is none of {', '.join(CLASSES)}")
    return places[0]


def _sensors(folder: Path) -> dict[str, tuple[DoubleArray | None, tuple[int, int]]] | None:
    """Projection and picture size of each camera; None where there is no file."""
    path = next((folder / name for name in _CALIBRATIONS if (folder / name).is_file()), None)
    if path is None:
        return None
    found: dict[str, tuple[DoubleArray | None, tuple[int, int]]] = {}
    try:
        for told in read_json(path)["sensors"]:
            stated = {str(one["name"]): one["value"] for one in told.get("attributes", ())}
            size = (int(stated.get("frameWidth", _SIZE[0])), int(stated.get("frameHeight", _SIZE[1])))
            found[str(told["id"])] = (np.array(told["cameraMatrix"], np.float64).reshape(3, 4), size)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{path}: expected a list of 'sensors' with 'id' and a 3 x 4 'cameraMatrix' ({error!r})"
        ) from None
    return found
