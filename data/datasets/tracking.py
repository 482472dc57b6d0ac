"""What every tracking data set comes down to: cameras or sequences with the truth about each, and what was wrong in it.

One adapter per data set reads its published layout into these records. Frames count from 0, whatever the files do;
``frame_base`` says what they do. What a reader could carry past is a ``Problem``, named and counted; what it could not
is a ``UserError``. docs/datasets.md has the rules.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from data.datasets.layout import choose_names
from data.formats.mot import PEDESTRIAN, MotTable
from data.formats.solids import SolidTable
from data.records import DoubleArray, FloatArray, IntArray

ProblemKind = Literal[
    "missing sequence",
    "missing file",
    "missing frame",
    "box without area",
    "id twice in a frame",
    "row of an unknown camera",
    "row beyond the last frame",
    "row without an identity",
    "row without a box",
    "skeleton without a head box",
]
Rule = Literal["plain", "mot15", "mot17"]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong that was carried past.

    Attributes:
        kind: which rule of docs/datasets.md it falls under.
        where: file, folder or camera.
        count: how many rows, files or frames.
        example: the first of them, in words; may be empty.
    """

    kind: ProblemKind
    where: str
    count: int
    example: str = ""

    def __str__(self) -> str:
        first = f", first: {self.example}" if self.example else ""
        return f"{self.where}: {self.kind} ({self.count}{first})"


@dataclass(frozen=True, slots=True, eq=False)
class TruthSequence:
    """One camera of a site, or one sequence by itself.

    Attributes:
        name: as predictions are named: ``<name>.txt``.
        length: number of frames.
        truth: N rows, sorted by (frame, id); flags, classes and visibility as the data set gives them.
        fps: frames per second; NaN where the data set does not say.
        size: (width, height) px; (0, 0) where it does not say.
        annotated: (A,) int64, rising, the frames that were annotated; None: all of them.
        keypoints: (N, 17, 3) float32 row for row with ``truth``: x px, y px, 0 where not labelled; or None.
        places: (N, 2) float64 metres on the ground row for row with ``truth``, where each camera states its own; or
            None.
        region: (P, 2) px, corners of the region of interest; predictions count whose feet stand in it. None: anywhere.
        offset: of its clock: frame f was taken at frame ``f + offset`` of the site. A whole number, from 0.
        open_end: nobody says how long it is: the last row of all ends it.
        pictures: folder of its pictures, where they are there.
    """

    name: str
    length: int
    truth: MotTable
    fps: float = math.nan
    size: tuple[int, int] = (0, 0)
    annotated: IntArray | None = None
    keypoints: FloatArray | None = None
    places: DoubleArray | None = None
    region: DoubleArray | None = None
    offset: int = 0
    open_end: bool = False
    pictures: Path | None = None

    @property
    def annotated_count(self) -> int:
        """Number of annotated frames."""
        return self.length if self.annotated is None else len(self.annotated)


@dataclass(frozen=True, slots=True, eq=False)
class GroundPlaces:
    """Where people stood, over all cameras of a site; rows sorted by (frame, id).

    Attributes:
        frames: (N,) int64, from 0, on the clock of the site.
        ids: (N,) int64, those of the boxes.
        xy: (N, 2) float64 metres on the ground.
    """

    frames: IntArray
    ids: IntArray
    xy: DoubleArray

    def __len__(self) -> int:
        return len(self.frames)

    @staticmethod
    def make(frames: IntArray, ids: IntArray, xy: DoubleArray) -> "GroundPlaces":
        """Sort rows by (frame, id)."""
        order = np.lexsort((ids, frames))
        return GroundPlaces(frames[order], ids[order], xy[order].reshape(-1, 2))


@dataclass(frozen=True, slots=True)
class Window:
    """Part of the common clock that is scored by itself.

    Attributes:
        first: frame of the site, from 0.
        last: included.
    """

    first: int
    last: int


@dataclass(frozen=True, slots=True, eq=False)
class TrackingDataset:
    """A data set, or one split of it.

    Attributes:
        name: key of the registry.
        root: the folder given.
        split: as asked for; "" where there are none.
        sequences: sorted as the data set lists them; none where only places on the ground are there.
        one_site: the sequences are cameras of one site on one clock.
        shared_ids: an id is the same person in all sequences.
        frame_base: what frames of its files count from, 0 or 1.
        classes: numbers of ``truth.class_ids`` that are people to be scored; None: nobody says who is a person, all
            are.
        rule: which truth counts, one of ``pipeline.evaluation.rules``.
        min_visibility: truth less visible, 0-1, is don't-care.
        ground: places in metres, or None.
        solids: boxes in the world, of all classes; or None.
        ground_limit_m: distance below which places may be one person in tracks, by the data set's own rules.
        detection_limit_m: the same for MODA and MODP, which are about single frames.
        skeleton: of ``keypoints``, a key of ``data.skeletons.SKELETONS``; "" where there are none.
        window: part of the clock of the site that the split is; None: all of it.
        calibration: (3, 4) projection of ground metres to px by camera, where the data set brings it.
        problems: what was carried past.
    """

    name: str
    root: Path
    split: str
    sequences: tuple[TruthSequence, ...]
    one_site: bool
    shared_ids: bool
    frame_base: int
    classes: tuple[int, ...] | None = (PEDESTRIAN,)
    rule: Rule = "plain"
    min_visibility: float = 0.0
    ground: GroundPlaces | None = None
    solids: SolidTable | None = None
    ground_limit_m: float = 1.0
    detection_limit_m: float = 1.0
    skeleton: str = ""
    window: Window | None = None
    calibration: dict[str, DoubleArray] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Of the sequences."""
        return tuple(one.name for one in self.sequences)

    def choose(self, wanted: Sequence[str]) -> list[str]:
        """Names of the sequences to score; none wanted takes all.

        Raises:
            UserError: one that is wanted is not there.
        """
        return choose_names(self.root, self.names, wanted)

    def first(self, frames: int) -> "TrackingDataset":
        """The truth about the first so many frames of every sequence."""
        cut = [
            replace(
                one,
                length=min(one.length, frames),
                truth=one.truth.select(one.truth.frames < frames),
                annotated=None if one.annotated is None else one.annotated[one.annotated < frames],
                keypoints=None if one.keypoints is None else one.keypoints[one.truth.frames < frames],
                places=None if one.places is None else one.places[one.truth.frames < frames],
            )
            for one in self.sequences
        ]
        return replace(self, sequences=tuple(cut))

    def sequence(self, name: str) -> TruthSequence:
        """The sequence of a name.

        Raises:
            KeyError: there is none.
        """
        return next(one for one in self.sequences if one.name == name)

    def are_people(self, table: MotTable) -> NDArray[np.bool_]:
        """Which rows of a truth are of ``classes``."""
        if self.classes is None:
            return np.ones(len(table), bool)
        return np.asarray(np.isin(table.class_ids, self.classes), bool)

    def people(self, sequence: TruthSequence) -> IntArray:
        """The ids of a sequence that are people to be scored, sorted: of ``classes``, flag set."""
        table = sequence.truth
        return np.unique(table.ids[table.flags & self.are_people(table)])


ReadDataset = Callable[[Path, str], TrackingDataset]
"""(root, split; "" is the usual one) -> the data set. Raises ``UserError``."""


def sound_rows(where: str, table: MotTable) -> tuple[MotTable, list[Problem]]:
    """Leave out boxes without area, which nothing can overlap."""
    sizes = table.boxes[:, 2:] - table.boxes[:, :2]
    flat = np.asarray((sizes <= 0).any(axis=1), bool)
    if not flat.any():
        return table, []
    row = int(np.flatnonzero(flat)[0])
    example = f"id {table.ids[row]} in frame {table.frames[row]} (from 0)"
    return table.select(~flat), [Problem("box without area", where, int(flat.sum()), example)]


def first_of_each(where: str, table: MotTable) -> tuple[MotTable, list[Problem]]:
    """Keep the first row of an id that owns several in a frame."""
    again = np.zeros(len(table), bool)
    again[1:] = (np.diff(table.frames) == 0) & (np.diff(table.ids) == 0)
    if not again.any():
        return table, []
    row = int(np.flatnonzero(again)[0])
    example = f"id {table.ids[row]} in frame {table.frames[row]} (from 0)"
    return table.select(~again), [Problem("id twice in a frame", where, int(again.sum()), example)]


def missing_names(kind: ProblemKind, where: Path, expected: Iterable[str], found: Iterable[str]) -> list[Problem]:
    """A problem where names are expected that are not there."""
    there = set(found)
    absent = [name for name in expected if name not in there]
    return [Problem(kind, str(where), len(absent), ", ".join(absent))] if absent else []
