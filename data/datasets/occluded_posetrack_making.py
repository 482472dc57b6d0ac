"""Cuts the crops of Occluded-PoseTrack-ReID out of PoseTrack21's frames, and notes who else is in them."""

import json
import logging
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from data.atomic import write_bytes, write_text
from data.datasets.occluded_posetrack import (
    BOX,
    HEIGHT,
    NEGATIVES,
    PATH,
    REID_FOLDER,
    TEST,
    TRAIN,
    WIDTH,
    crops_file,
    into_box,
)
from data.datasets.occluded_posetrack_sampling import RULES, read_sampling, sample_by_rules, sampling_file
from data.datasets.posetrack21 import ANNOTATIONS, FOLDERS, PoseTrackImage, PoseTrackSplit, read_posetrack21
from data.datasets.reid_folders import data_root
from data.errors import UserError
from data.pictures import read_picture
from data.records import Image

logger = logging.getLogger(__name__)

Sampling = Literal["auto", "file", "rules"]

# Larger crops are scaled to exactly this width and height, px, whatever their shape.
LARGEST = (128, 384)


@dataclass(frozen=True, slots=True)
class MadeSplit:
    """What became of a split.

    Attributes:
        crops: number written.
        people: number of identities among them.
        lost: one line for every frame that could not be read and every crop that could not be cut.
    """

    crops: int
    people: int
    lost: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    """A frame and the rows of the people to cut out of it."""

    image: PoseTrackImage
    chosen: tuple[int, ...]
    everybody: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Cut:
    row: int
    told: Mapping[str, Any]


def make_occluded_posetrack(
    root: Path, sampling: Sampling = "auto", skip_bad: bool = False, overwrite: bool = False, workers: int = 4
) -> dict[str, MadeSplit]:
    """Make the crops of both splits, in ``occluded_posetrack_reid`` of PoseTrack21's folder.

    The tables are written when all crops are there, so an interrupted run leaves none behind.

    Args:
        root: PoseTrack21's folder, or the folder above it.
        sampling: ``file`` takes the published choice of people, ``rules`` chooses by its rules, ``auto`` takes the file
            where there is one.
        skip_bad: leave out, and count, frames that cannot be read; else they are an error.
        overwrite: replace what was made before.
        workers: threads that read and write pictures.

    Returns:
        By split, ``train`` and ``val``.

    Raises:
        UserError: when annotations, frames or the published choice are absent or broken, crops are there already, or
            the folder cannot be written.
    """
    place = data_root(root, "PoseTrack21", FOLDERS, (ANNOTATIONS, "images"))
    made = [path for path in (crops_file(place, split) for split in (TRAIN, TEST)) if path.exists()]
    if made and not overwrite:
        raise UserError(f"{made[0]} was made before; add --overwrite to make the crops anew")
    done: dict[str, MadeSplit] = {}
    tables: dict[str, dict[str, dict[str, Any]]] = {}
    try:
        for split in (TRAIN, TEST):
            done[split], tables[split] = _make_split(place, split, sampling, skip_bad, workers)
        for split, table in tables.items():
            _write_table(crops_file(place, split), table)
    except OSError as error:
        raise UserError(f"cannot write below {place / REID_FOLDER}: {error.strerror or error}") from None
    return done


def _make_split(
    root: Path, split: str, sampling: Sampling, skip_bad: bool, workers: int
) -> tuple[MadeSplit, dict[str, dict[str, Any]]]:
    """Cut the crops; also the table about them, column by column as pandas would write it."""
    people = read_posetrack21(root, split)
    path = sampling_file(root, split)
    if sampling == "file" or (sampling == "auto" and path.exists()):
        chosen = read_sampling(path, people)
    else:
        chosen = sample_by_rules(people, RULES[split])
        logger.info("%s: people are chosen by the published rules, not by %s", split, path.name)
    if not chosen.any():
        raise UserError(f"{root / ANNOTATIONS / split}: no annotation is chosen; nothing to make")
    folder = root / REID_FOLDER / "images" / split
    cuts: list[_Cut] = []
    lost: list[str] = []
    with ThreadPoolExecutor(max(1, workers)) as pool:
        for found in pool.map(lambda job: _cut_frame(job, people, folder, skip_bad), _jobs(people, chosen)):
            cuts += found[0]
            lost += found[1]
    if not cuts:
        raise UserError(f"no crop of {root / 'images' / split} could be cut: {lost[0]}")
    rows = [cut.row for cut in cuts]
    ids = people.ids[rows].tolist()
    table: dict[str, dict[str, Any]] = {"id": {str(number): number for number in ids}}
    for name in (PATH, WIDTH, HEIGHT, NEGATIVES, BOX):
        table[name] = {str(number): cut.told[name] for number, cut in zip(ids, cuts, strict=True)}
    return MadeSplit(len(cuts), len(np.unique(people.people[rows])), tuple(lost)), table


def _jobs(people: PoseTrackSplit, chosen: NDArray[np.bool_]) -> Iterator[_Job]:
    by_image = np.argsort(people.rows, kind="stable")
    bounds = np.searchsorted(people.rows[by_image], np.arange(len(people.images) + 1))
    for number, image in enumerate(people.images):
        rows = by_image[bounds[number] : bounds[number + 1]]
        if chosen[rows].any():
            yield _Job(image, tuple(rows[chosen[rows]].tolist()), rows)


def _cut_frame(job: _Job, people: PoseTrackSplit, folder: Path, skip_bad: bool) -> tuple[list[_Cut], list[str]]:
    """Write the crops of a frame; also tell what could not be cut."""
    try:
        frame = read_picture(job.image.file)
    except UserError as error:
        if not skip_bad:
            raise
        return [], [f"{error}; {len(job.chosen)} crops are left out"]
    cuts: list[_Cut] = []
    lost: list[str] = []
    names: list[str] = []
    for row in job.chosen:
        name = f"{job.image.video}/{people.people[row]}_{job.image.video}_{job.image.image_id}.jpg"
        box = _visible_box(people.boxes[row].tolist(), (frame.shape[1], frame.shape[0]))
        where = f"{job.image.file}: annotation {people.ids[row]}"
        if min(box[2:]) < 1:
            lost.append(f"{where} has no pixel in the frame; left out")
        elif name in names:
            lost.append(f"{where} is a second one of person {people.people[row]}; left out")
        else:
            names.append(name)
            crop = _scaled(frame[box[1] : box[1] + box[3], box[0] : box[0] + box[2]])
            _write_picture(folder / name, crop)
            others = into_box(people.keypoints[job.everybody[job.everybody != row]], box)
            told = others[others[..., 2].any(axis=1)]
            size = {WIDTH: crop.shape[1], HEIGHT: crop.shape[0]}
            cuts.append(_Cut(row, {PATH: name, **size, NEGATIVES: told.tolist(), BOX: box}))
    return cuts, lost


def _visible_box(box: list[float], size: tuple[int, int]) -> list[int]:
    """Left, top, width and height in whole px, cut off at the borders of a frame of that width and height."""
    starts = [min(max(box[axis], 0), size[axis]) for axis in (0, 1)]
    lengths = [min(box[axis] + box[axis + 2], size[axis]) - starts[axis] for axis in (0, 1)]
    return [int(value) for value in (*starts, *lengths)]


def _scaled(crop: Image) -> Image:
    import cv2

    if crop.shape[1] <= LARGEST[0] and crop.shape[0] <= LARGEST[1]:
        return crop
    return np.asarray(cv2.resize(crop, LARGEST, interpolation=cv2.INTER_LINEAR), np.uint8)


def _write_picture(path: Path, crop: Image) -> None:
    import cv2

    write_bytes(path, cv2.imencode(".jpg", crop[..., ::-1])[1].tobytes(), durable=False)


def _write_table(path: Path, table: Mapping[str, Any]) -> None:
    write_text(path, json.dumps(table))
