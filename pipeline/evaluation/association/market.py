"""Tracklets of named pictures: real appearance and real transit times, as Market-1501's file names carry them."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.errors import UserError
from data.formats.part_features import read_part_features
from data.formats.reid_names import ReidNames, Style, parse_names
from data.records import IntArray, PartEmbeddings, Tracklet
from pipeline.evaluation.association.truth import Key, TrackletTruth

VISIT_GAP_S = 20.0
_MOST_PICTURES = 16
# Boxes are made up, so the size of the picture is left unknown: where people stand must say nothing.
_FRAME = (0, 0)
_BOX = (64.0, 128.0)
# Pictures with one time in one camera follow one another by this, so that times rise.
_TICK_S = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class NamedFeatures:
    """Features of N pictures whose names say who, where and when.

    Attributes:
        names: N parsed names.
        looks: N rows.
    """

    names: ReidNames
    looks: PartEmbeddings

    def of_people(self, people: IntArray) -> "NamedFeatures":
        """The pictures of some people."""
        chosen = np.isin(self.names.identities, people)
        return NamedFeatures(select_names(self.names, chosen), self.looks.select(chosen))


def select_names(names: ReidNames, chosen: NDArray[np.bool_]) -> ReidNames:
    """Keep some names, given as a mask."""
    return parse_names([name for name, keep in zip(names.names, chosen.tolist()) if keep], names.style)


def read_features(path: Path, style: Style | None = None) -> NamedFeatures:
    """Read a feature file, see ``data.formats.part_features``.

    Distractors and junk (identities 0 and -1) are left out.

    Raises:
        UserError: when it is no such file, or the naming carries no time.
    """
    found = read_part_features(path)
    parsed = parse_names(found.names, style)
    if parsed.style == "mars":
        raise UserError(f"{path}: MARS names carry no time; give a Market-1501 or DukeMTMC feature file")
    people = parsed.identities > 0
    return NamedFeatures(select_names(parsed, people), found.embeddings.select(people))


def split_people(features: NamedFeatures, second: bool = False) -> tuple[IntArray, IntArray]:
    """Every other person teaches, the rest is associated: teachers and tested, the other way round with ``second``."""
    people = np.unique(features.names.identities)
    halves = people[::2], people[1::2]
    return (halves[1], halves[0]) if second else halves


def tracklets_of_pictures(pictures: NamedFeatures) -> tuple[list[Tracklet], TrackletTruth]:
    """One tracklet per visit of a person to a camera; a gap over ``VISIT_GAP_S`` ends it.

    Boxes of different people lie apart: there are none in the names.

    Args:
        pictures: of the people to associate.
    """
    names, seconds = pictures.names, pictures.names.times_s
    order = np.lexsort((seconds, names.cameras, names.identities))
    changes = (
        (np.diff(names.identities[order]) != 0)
        | (np.diff(names.cameras[order]) != 0)
        | (np.diff(seconds[order]) > VISIT_GAP_S)
    )
    tracklets, people, rows = [], {}, {}
    number: dict[tuple[int, int], int] = {}
    for visit in np.split(order, np.flatnonzero(changes) + 1) if len(order) else []:
        person, camera = int(names.identities[visit[0]]), int(names.cameras[visit[0]])
        number[person, camera] = number.get((person, camera), -1) + 1
        _, first = np.unique(seconds[visit], return_index=True)
        picked = visit[first][:_MOST_PICTURES]
        local_id = person * 100 + number[person, camera]
        key: Key = f"c{camera}", local_id
        tracklets.append(_tracklet(key, person, seconds[picked], names.fps, pictures.looks.select(picked)))
        people[key], rows[key] = person, len(visit)
    return tracklets, TrackletTruth.of_pure(people, rows)


def _tracklet(key: Key, person: int, times_s: NDArray[np.float64], fps: float, looks: PartEmbeddings) -> Tracklet:
    count, left = len(times_s), float(person * 97 % 1500)
    box = np.array([left, 10.0, left + _BOX[0], 10.0 + _BOX[1]], np.float32)
    return Tracklet(
        camera=key[0],
        local_id=key[1],
        times_s=times_s + np.arange(count) * _TICK_S,
        frames=np.rint(times_s * fps).astype(np.int64) + np.arange(count),
        boxes=np.tile(box, (count, 1)),
        scores=np.ones(count, np.float32),
        prototypes=replace(looks, vectors=looks.vectors.astype(np.float16)),
        prototype_rows=np.arange(count),
        frame_size=_FRAME,
    )
