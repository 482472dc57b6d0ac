"""CAMPUS (Xu et al., CVPR 2016) and the EPFL sequences (Fleuret et al., PAMI 2008) as Xu et al. annotated them.

One text file per camera, rows of ``track xmin ymin xmax ymax frame lost occluded generated "label"``; frames count from
0, ids hold over the cameras of a sequence, "lost" rows are out of the picture. CAMPUS names its files
``<Sequence>/view-<camera>.txt``, EPFL ``<sequence>/<recording>-c<k>.txt``.
"""

import re
import shlex
from pathlib import Path

import numpy as np

from data.datasets.layout import choose_part, find_root
from data.datasets.tracking import Problem, TrackingDataset, TruthSequence, first_of_each, sound_rows
from data.errors import UserError
from data.foreign import read_text
from data.formats.mot import PEDESTRIAN, MotTable
from data.labels import PEOPLE, is_person
from data.listing import listed

_COLUMNS = 10
_LARGEST = 2.0**31
# MOTChallenge's numbers of what is no person.
_OTHERS = {"car/vehicle": 3, "car": 3, "vehicle": 3, "bicycle": 4}


def read_campus(root: Path, split: str) -> TrackingDataset:
    """Read a sequence of CAMPUS; see ``_read``."""
    return _read("campus", root, split, "view-*.txt", re.compile(r"view-([\w-]+)\.txt"), 30.0, (1920, 1080))


def read_epfl(root: Path, split: str) -> TrackingDataset:
    """Read a sequence of EPFL; see ``_read``."""
    return _read("epfl", root, split, "*-c[0-9]*.txt", re.compile(r"[\w]+-(c\d+)\.txt"), 25.0, (360, 288))


def _read(
    name: str, root: Path, split: str, pattern: str, named: re.Pattern[str], fps: float, size: tuple[int, int]
) -> TrackingDataset:
    """Read the cameras of one sequence.

    Args:
        name: key of the registry.
        root: folder of the sequence or of all sequences.
        split: name of the sequence's folder; "" where one only is there.
        pattern: of the files of the cameras.
        named: how a file names its camera.
        fps: frames per second.
        size: of the pictures, px.

    Raises:
        UserError: nothing is there, no sequence was chosen, or a row is broken.
    """
    what = name.upper()
    if listed(root, pattern):
        folder, part = root, ""
        if split:
            raise UserError(f"{root} is one sequence of {what}; leave --split out or give the folder above it")
    else:
        place = find_root(root, what, (f"*/{pattern}",), (what,))
        parts = sorted({path.parent.name for path in listed(place, f"*/{pattern}")})
        part = choose_part(split, "", parts, what)
        folder = place / part
    problems: list[Problem] = []
    tables: dict[str, MotTable] = {}
    for path in listed(folder, pattern):
        match = named.fullmatch(path.name)
        if match is None:
            raise UserError(f"{path}: the name does not tell the camera")
        table, twice = first_of_each(str(path), _read_file(path))
        tables[match[1]], flat = sound_rows(str(path), table)
        problems += twice + flat
    length = max((int(table.frames[-1]) + 1 for table in tables.values() if len(table)), default=0)
    if not length:
        raise UserError(f"{folder}: nobody is in the picture in any file")
    sequences = tuple(
        TruthSequence(camera, length, table, fps, size, open_end=True) for camera, table in tables.items()
    )
    return TrackingDataset(
        name=name, root=root, split=part, sequences=sequences, one_site=True, shared_ids=True, frame_base=0,
        problems=tuple(problems),
    )  # fmt: skip


def _read_file(path: Path) -> MotTable:
    """Rows in the picture. Raises ``UserError`` with file and line for the first broken row."""
    rows: list[list[float]] = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        try:
            words = shlex.split(line)
            if not words:
                continue
            values = [float(word) for word in words[: _COLUMNS - 1]]
            label = " ".join(words[_COLUMNS - 1 :]).lower()
        except ValueError:
            raise UserError(f"{path}:{number}: not a row of VATIC: {line.strip()[:60]!r}") from None
        whole = len(values) == _COLUMNS - 1 and all(value % 1 == 0 for value in (values[0], *values[5:]))
        whole = whole and all(abs(value) < _LARGEST for value in values)
        if len(words) < _COLUMNS or not whole:
            raise UserError(f"{path}:{number}: expected track xmin ymin xmax ymax frame lost occluded generated label")
        if values[5] < 0 or values[0] < 0 or values[3] < values[1] or values[4] < values[2]:
            raise UserError(f"{path}:{number}: a frame or id below 0, or a box with right before left; mend the row")
        kind = PEDESTRIAN if is_person(label) else _OTHERS.get(label)
        if kind is None:
            raise UserError(f"{path}:{number}: the label '{label}' is none of {', '.join((*PEOPLE, *_OTHERS))}")
        if not values[6]:
            rows.append([*values[:6], kind])
    table = np.array(rows, np.float64).reshape(-1, 7)
    return MotTable.make(
        table[:, 5].astype(np.int64), table[:, 0].astype(np.int64), table[:, 1:5],
        class_ids=table[:, 6].astype(np.int64),
    )  # fmt: skip
