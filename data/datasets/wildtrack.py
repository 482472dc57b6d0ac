"""WILDTRACK (Chavdarova et al., CVPR 2018): seven overlapping cameras in front of ETH, annotated twice a second.

``annotations_positions/<number>.json`` lists the people of an instant: ``personID`` over all cameras, ``positionID`` on
the ground grid, and one box per camera in ``views``, -1 where it does not see the person. Pictures and annotations are
numbered 0, 5, 10, ... of the video; here an annotated instant is a frame, from 0. Boxes are projections of a person's
cylinder and reach beyond the picture; they are cut at its edge, as no prediction lies beyond.
``calibrations`` holds OpenCV files: rotation vector, translation in centimetres, camera matrix without distortion.
Detections match a person within 50 cm (the evaluation script, ``td = 50 / 2.5`` cells); tracks within 1 m, as published
since.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np

from data.datasets.layout import find_root
from data.datasets.tracking import (
    GroundPlaces,
    Problem,
    TrackingDataset,
    TruthSequence,
    first_of_each,
    sound_rows,
)
from data.errors import UserError
from data.foreign import read_json
from data.formats.mot import MotTable
from data.formats.xml_in import read_xml
from data.listing import listed
from data.records import DoubleArray, IntArray

CAMERAS = ("C1", "C2", "C3", "C4", "C5", "C6", "C7")
_FILES = ("CVLab1", "CVLab2", "CVLab3", "CVLab4", "IDIAP1", "IDIAP2", "IDIAP3")
_GRID_WIDTH, _GRID_DEPTH = 480, 1440
_CELL_M = 0.025
_ORIGIN_M = (-3.0, -9.0)
_STEP = 5
_LARGEST = 2**31
_NAME = re.compile(r"[0-9]{8}\.json")
_FRAMES = 400
_CM_PER_M = 100.0
_SIZE = (1920, 1080)


def read_wildtrack(root: Path, split: str) -> TrackingDataset:
    """Read WILDTRACK.

    Args:
        root: the data set's folder, or the folder above it.
        split: "" only.

    Raises:
        UserError: the annotations are not there, or one is broken.
    """
    if split:
        raise UserError("WILDTRACK has no parts; leave --split out")
    place = find_root(root, "WILDTRACK", ("annotations_positions/*.json",), ("Wildtrack_dataset", "Wildtrack"))
    paths = listed(place / "annotations_positions", "*.json")
    numbers = [_number(path) for path in paths]
    problems = _gaps(place, numbers)
    rows, places = _rows(paths, numbers)
    length = max(numbers) // _STEP + 1
    annotated = None if len(paths) == length else np.array(numbers, np.int64) // _STEP
    sequences = []
    strange = int((rows[:, 1] >= len(CAMERAS)).sum())
    if strange:
        problems.append(Problem("row of an unknown camera", str(place / "annotations_positions"), strange))
    for index, camera in enumerate(CAMERAS):
        own = rows[rows[:, 1] == index]
        table = MotTable.make(own[:, 0], own[:, 2], own[:, 3:].clip(0, (*_SIZE, *_SIZE)).astype(np.float64))
        table, twice = first_of_each(camera, table)
        table, flat = sound_rows(camera, table)
        problems += twice + flat
        pictures = place / "Image_subsets" / camera
        sequences.append(
            TruthSequence(
                name=camera, length=length, truth=table, fps=2.0, size=_SIZE, annotated=annotated,
                pictures=pictures if pictures.is_dir() else None,
            )
        )  # fmt: skip
    calibration, missing = _calibration(place / "calibrations")
    return TrackingDataset(
        name="wildtrack", root=root, split="", sequences=tuple(sequences), one_site=True, shared_ids=True,
        frame_base=0, ground=places, detection_limit_m=0.5, calibration=calibration,
        problems=tuple(problems + missing),
    )  # fmt: skip


def grid_metres(positions: IntArray) -> DoubleArray:
    """(N, 2) metres on the ground of cells of the grid, x first: 480 by 1440 cells of 2.5 cm."""
    steps = np.stack([positions % _GRID_WIDTH, positions // _GRID_WIDTH], axis=1)
    return np.array(_ORIGIN_M) + _CELL_M * steps


def _number(path: Path) -> int:
    if not _NAME.fullmatch(path.name) or int(path.stem) % _STEP:
        raise UserError(f"{path}: annotations are named 00000000.json, 00000005.json, ... ({_STEP} apart, from 0)")
    return int(path.stem)


def _gaps(place: Path, numbers: list[int]) -> list[Problem]:
    expected = range(0, max(_FRAMES * _STEP, max(numbers) + 1), _STEP)
    absent = sorted(set(expected) - set(numbers))
    if not absent:
        return []
    where = str(place / "annotations_positions")
    return [Problem("missing frame", where, len(absent), f"{absent[0]:08d}.json")]


def _rows(paths: list[Path], numbers: list[int]) -> tuple[IntArray, GroundPlaces]:
    """(N, 7) frame, camera, id, x1, y1, x2, y2 of all views, and places of all people."""
    rows: list[list[int]] = []
    places: list[tuple[int, int, int]] = []
    for path, number in zip(paths, numbers, strict=True):
        frame = number // _STEP
        seen: set[int] = set()
        for person in _people(path):
            try:
                whose, position = _whole(person["personID"]), _whole(person["positionID"])
                views = [[_whole(view[key]) for key in _VIEW] for view in person["views"]]
            except (KeyError, TypeError, ValueError) as error:
                raise UserError(f"{path} is no annotation of WILDTRACK: {error!r}") from None
            if not 0 <= position < _GRID_WIDTH * _GRID_DEPTH:
                raise UserError(f"{path}: person {whose} stands at {position}, beyond the grid of 480 x 1440")
            if whose not in seen:
                places.append((frame, whose, position))
            seen.add(whose)
            rows += [[frame, view[0], whose, *view[1:]] for view in views if view[1:] != [-1, -1, -1, -1]]
    table = np.array(places, np.int64).reshape(-1, 3)
    ground = GroundPlaces.make(table[:, 0], table[:, 1], grid_metres(table[:, 2]))
    return np.array(rows, np.int64).reshape(-1, 7), ground


_VIEW = ("viewNum", "xmin", "ymin", "xmax", "ymax")


def _whole(value: Any) -> int:
    """A whole number of a believable size. Raises ``ValueError``."""
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > _LARGEST:
        raise ValueError(f"{str(value)[:40]} is no whole number")
    return value


def _people(path: Path) -> list[Any]:
    content = read_json(path)
    if not isinstance(content, list):
        raise UserError(f"{path} is no annotation of WILDTRACK: expected a list of people")
    return content


def _calibration(folder: Path) -> tuple[dict[str, DoubleArray], list[Problem]]:
    """Projections of ground metres by camera; cameras whose files are missing are left out."""
    found, absent = {}, []
    for camera, name in zip(CAMERAS, _FILES, strict=True):
        inner, outer = folder / "intrinsic_zero" / f"intr_{name}.xml", folder / "extrinsic" / f"extr_{name}.xml"
        if inner.is_file() and outer.is_file():
            found[camera] = _projection(inner, outer)
        else:
            absent += [str(path.relative_to(folder.parent)) for path in (inner, outer) if not path.is_file()]
    return found, [Problem("missing file", str(folder), len(absent), absent[0])] if absent else []


def _projection(inner: Path, outer: Path) -> DoubleArray:
    from scipy.spatial.transform import Rotation

    matrix = _numbers(inner, "camera_matrix/data", 9).reshape(3, 3)
    turn = Rotation.from_rotvec(_numbers(outer, "rvec", 3)).as_matrix()
    shift = _numbers(outer, "tvec", 3) / _CM_PER_M
    return np.asarray(matrix @ np.column_stack([turn, shift]), np.float64)


def _numbers(path: Path, name: str, count: int) -> DoubleArray:
    text = read_xml(path).findtext(name)
    try:
        values = np.array((text or "").split(), np.float64)
    except ValueError:
        values = np.zeros(0)
    if len(values) != count or not np.isfinite(values).all():
        raise UserError(f"{path}: expected {count} numbers in {name}")
    return values
