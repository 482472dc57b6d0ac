"""Person search of PoseTrack21: people to be searched for, and the pictures they are searched in.

``posetrack_person_search/query.json`` and ``val.json`` are annotations as of poses. The gallery are the pictures of
``val.json`` that have anybody annotated; a query is one annotated box.

Source: Döring et al., "PoseTrack21", CVPR 2022, and its person search kit.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.datasets.layout import find_root
from data.datasets.posetrack21 import FOLDERS, NOBODY, PERSON_SEARCH, PoseTrackImage, PoseTrackSplit, read_person_search
from data.datasets.tracking import Problem
from data.errors import UserError
from data.records import DoubleArray, IntArray

_BOX = slice(2, None)


@dataclass(frozen=True, slots=True, eq=False)
class SearchPeople:
    """N annotated people.

    Attributes:
        annotations: (N,) int64 ids of the annotations.
        pictures: (N,) int64 ids of the pictures.
        ids: (N,) int64 who it is; once per picture.
        boxes: (N, 4) float64 xyxy px.
    """

    annotations: IntArray
    pictures: IntArray
    ids: IntArray
    boxes: DoubleArray

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True, eq=False)
class SearchSet:
    """Queries and gallery.

    Attributes:
        queries: people to search for.
        gallery: everybody annotated in the gallery.
        images: pictures of both, by id.
        problems: what was carried past.
    """

    queries: SearchPeople
    gallery: SearchPeople
    images: dict[int, PoseTrackImage]
    problems: tuple[Problem, ...]


def read_search_set(root: Path) -> SearchSet:
    """Read queries and gallery.

    Args:
        root: the data set's folder, or the folder above it.

    Raises:
        UserError: the folder is not there, a file is broken, or nobody is left.
    """
    parts = (f"{PERSON_SEARCH}/query.json", f"{PERSON_SEARCH}/val.json")
    place = find_root(root, "person search of PoseTrack21", parts, FOLDERS)
    problems: list[Problem] = []
    images: dict[int, PoseTrackImage] = {}
    found = []
    for part in ("query", "val"):
        split = read_person_search(place, part)
        images.update({image.image_id: image for image in split.images})
        people, own = _people(split, str(place / PERSON_SEARCH / f"{part}.json"))
        if not len(people):
            raise UserError(f"{place / PERSON_SEARCH / part}.json: there is nobody in it")
        found.append(people)
        problems += own
    return SearchSet(found[0], found[1], images, tuple(problems))


def _people(split: PoseTrackSplit, where: str) -> tuple[SearchPeople, list[Problem]]:
    """Rows with an identity and an area, the first of each person and picture."""
    problems = []
    known = split.people != NOBODY
    flat = known & (split.boxes[:, _BOX] <= 0).any(axis=1)
    rows = np.flatnonzero(known & ~flat)
    order = np.lexsort((rows, split.people[rows], split.rows[rows]))
    again = np.zeros(len(rows), bool)
    again[order[1:]] = (np.diff(split.rows[rows][order]) == 0) & (np.diff(split.people[rows][order]) == 0)
    counts = (int((~known).sum()), int(flat.sum()), int(again.sum()))
    if counts[0]:
        problems.append(Problem("row without an identity", where, counts[0]))
    if counts[1]:
        problems.append(Problem("box without area", where, counts[1]))
    if counts[2]:
        problems.append(Problem("id twice in a frame", where, counts[2]))
    rows = rows[~again]
    boxes = split.boxes[rows].copy()
    boxes[:, 2:] += boxes[:, :2]
    pictures = np.array([split.images[row].image_id for row in split.rows[rows]], np.int64)
    return SearchPeople(split.ids[rows], pictures, split.people[rows], boxes), problems
