"""Keypoint files for a folder of crops: who is in each crop, and whom it is about."""

import csv
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from data.atomic import open_atomic
from data.errors import UserError
from data.formats.reid_keypoints import CropSkeletons, write_keypoint_file
from data.output_folder import prepare_folder
from data.records import Detections, FloatArray, Image, Poses
from pipeline.backends.base import Perceiver, PoseEstimator
from pipeline.backends.registry import build_perceiver, build_pose
from pipeline.config import Config
from pipeline.weights.store import WeightStore
from reid.prompts.assignment import distinct, head_distances
from reid.samples.crop_files import Crop, CropFolder, named

logger = logging.getLogger(__name__)

TABLE = "targets.csv"
_COLUMNS = ("name", "index", "skeletons", "note")
_NO_SKELETON, _NO_TARGET, _SEVERAL = "no skeleton", "no target", "several candidates"
# A second head that is hardly further from the top centre than the first, in shares of the crop's width.
_RIVAL = 0.25

Look = Callable[[Sequence[Image]], list[Poses]]


@dataclass(slots=True)
class PromptCounts:
    """What was found in a folder of crops.

    Attributes:
        crops: crops looked at.
        skeletons: skeletons written.
        notes: by kind of trouble, the crops it befell.
        by_hand: crops whose target was given.
    """

    crops: int = 0
    skeletons: int = 0
    by_hand: int = 0
    notes: dict[str, list[str]] = field(
        default_factory=lambda: {kind: [] for kind in (_NO_SKELETON, _NO_TARGET, _SEVERAL)}
    )


def look_with(perceiver: Perceiver) -> Look:
    """A detector finds people in each crop, and each of them gets a skeleton.

    Raises:
        UserError: on the first call, when the perceiver gives no skeletons.
    """

    def look(images: Sequence[Image]) -> list[Poses]:
        found = [poses for _, poses in perceiver(images)]
        sound = [poses for poses in found if poses is not None]
        if len(sound) < len(found):
            raise UserError("pose.name=none gives no keypoints; name a pose estimator in pose.name")
        return sound

    return look


def look_whole(estimator: PoseEstimator) -> Look:
    """The crop itself is the box of its one person; an estimator of full pictures still finds the others."""

    def look(images: Sequence[Image]) -> list[Poses]:
        boxes = [np.array([[0, 0, image.shape[1], image.shape[0]]], np.float32) for image in images]
        return estimator.estimate(
            images, [Detections(box, np.ones(1, np.float32), np.zeros(1, np.int64)) for box in boxes]
        )

    return look


def open_look(config: Config, weights: WeightStore, whole: bool) -> tuple[Look, int]:
    """The networks that a configuration names, and how many crops they take at once.

    Args:
        config: sections ``detector``, ``pose`` and ``run``.
        weights: where weights come from.
        whole: take the crop itself for the box, see ``look_whole``.

    Raises:
        UserError: for networks that are missing or cannot do this.
    """
    device, threads = config.run.device, config.run.threads
    if not whole:
        return look_with(build_perceiver(config.detector, config.pose, device, weights, threads)), config.detector.batch
    if config.pose.name in ("none", "detector"):
        raise UserError("--no-detector needs a pose estimator of its own, such as pose.name=movenet")
    estimator = build_pose(config.pose, device, weights, threads)
    assert estimator is not None
    return look_whole(estimator), config.pose.batch


def crop_skeletons(crop: Crop, poses: Poses, min_confidence: float) -> CropSkeletons:
    """Who is in a crop, and whom it is about (the head nearest the middle of its upper edge)."""
    skeletons = _tidy(poses, crop.size, min_confidence)
    target, _ = _target(crop, skeletons, None, min_confidence)
    rest = np.arange(len(skeletons)) != target
    own = skeletons[target] if target >= 0 else CropSkeletons.none().target
    return CropSkeletons(own, skeletons[rest])


def make_prompts(
    crops: CropFolder,
    out: Path,
    look: Look,
    batch: int,
    min_confidence: float,
    by_hand: Mapping[str, int] | None = None,
    overwrite: bool = False,
) -> PromptCounts:
    """Write ``<crop>_keypoints.json`` for every crop that can be read, and the table of targets.

    The target is the skeleton whose head is nearest the middle of the upper edge. A crop where a second head is nearly
    as near (a quarter of the crop's width) is told as having several candidates; the nearest still is its target.

    Args:
        crops: what to read.
        out: folder of the files, in the same sub-folders as the crops.
        look: finds the skeletons of pictures.
        batch: crops per look.
        min_confidence: keypoints at or below it do not count.
        by_hand: index of the target by crop, -1 for nobody; it overrules the heads.
        overwrite: files may be there already.

    Raises:
        UserError: when a crop cannot be read (see ``CropFolder``), a file cannot be written, or a target is given for
            a crop or skeleton that there is not.
    """
    chosen, there = dict(by_hand or {}), set(crops.names)
    unknown = [name for name in chosen if name not in there]
    if unknown:
        raise UserError(f"targets are given for {len(unknown)} crops that {crops.folder} lacks: {named(unknown)}")
    paths = {name: out / f"{name}_keypoints.json" for name in crops.names}
    prepare_folder(out, [*paths.values(), out / TABLE], overwrite)
    counts, rows = PromptCounts(), []
    for portion in crops.batches(batch):
        for crop, poses in zip(portion, look([crop.image for crop in portion]), strict=True):
            skeletons = _tidy(poses, crop.size, min_confidence)
            target, note = _target(crop, skeletons, chosen.get(crop.name), min_confidence)
            write_keypoint_file(paths[crop.name], skeletons, target)
            rows.append((crop.name, target, len(skeletons), note))
            counts.crops += 1
            counts.skeletons += len(skeletons)
            counts.by_hand += crop.name in chosen
            if note:
                counts.notes[note].append(crop.name)
    crops.tell()
    _write_table(out / TABLE, rows)
    for note, names in counts.notes.items():
        if names:
            logger.warning("%s: %d of %d crops: %s", note, len(names), counts.crops, named(names))
    return counts


def read_targets(path: Path) -> dict[str, int]:
    """Read targets chosen by hand: a CSV table with the columns name and index (others are passed over).

    Raises:
        UserError: when it is absent or no such table, an index is no number, or a crop has two.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            rows = list(reader)
            columns = reader.fieldnames or ()
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"cannot read {path}: {error}") from None
    if not {"name", "index"} <= set(columns):
        raise UserError(f"{path}: expected a table with the columns name and index, found {', '.join(columns) or '-'}")
    chosen: dict[str, int] = {}
    for line, row in enumerate(rows, start=2):
        try:
            index = int(row["index"])
        except (TypeError, ValueError):
            raise UserError(f"{path}, line {line}: '{row['index']}' is no index of a skeleton") from None
        if not row["name"]:
            raise UserError(f"{path}, line {line}: it names no crop")
        if chosen.setdefault(row["name"], index) != index:
            raise UserError(f"{path}, line {line}: a second target of {row['name']}; a crop has one")
    return chosen


def _tidy(poses: Poses, size: tuple[int, int], min_confidence: float) -> FloatArray:
    """All skeletons of a crop that show in it, each person once, without points outside, (M, 17, 3)."""
    everyone = np.concatenate([poses.keypoints, poses.spare_keypoints]).astype(np.float32)
    points = everyone[..., :2]
    sound = np.asarray(np.isfinite(everyone).all(-1) & ((points >= 0) & (points < size)).all(-1))
    everyone = np.where(sound[..., None], everyone, 0).astype(np.float32)
    everyone = everyone[(everyone[..., 2] > min_confidence).any(axis=1)]
    return everyone[distinct(everyone, min_confidence)]


def _target(crop: Crop, skeletons: FloatArray, given: int | None, min_confidence: float) -> tuple[int, str]:
    """Row of the target, -1 for nobody, and what is to be said about it."""
    if given is not None:
        if not -1 <= given < len(skeletons):
            raise UserError(
                f"target {given} of {crop.name}: it has {len(skeletons)} skeletons, counted from 0 (-1: nobody)"
            )
        return given, ""
    if not len(skeletons):
        return -1, _NO_SKELETON
    distance = head_distances(skeletons, crop.size, min_confidence)
    best = int(np.argmin(distance))
    if not np.isfinite(distance[best]):
        return -1, _NO_TARGET
    rivals = distance - distance[best] < _RIVAL * crop.size[0]
    return best, _SEVERAL if rivals.sum() > 1 else ""


def _write_table(path: Path, rows: Sequence[tuple[str, int, int, str]]) -> None:
    try:
        with open_atomic(path, newline="") as stream:
            csv.writer(stream).writerows([_COLUMNS, *rows])
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from None
