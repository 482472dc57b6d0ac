"""PoseTrack21: skeletons over videos.

Layout: ``posetrack_data/<split>/<video>.json``, COCO-like. Predictions are files of the same names with ``images`` (at
least the ids) and ``annotations`` of ``image_id``, ``person_id`` (or ``track_id``), ``keypoints`` and, where the third
values of these are no scores, ``scores``. Only labelled frames are scored; joints in ignore regions are taken away on
both sides.

Source: Döring et al., "PoseTrack21", CVPR 2022, and its evaluation kit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data.datasets.posetrack21 import ANNOTATIONS
from data.errors import UserError
from data.foreign import read_json
from data.listing import by_stem, listed
from pipeline.evaluation.benchmarks.request import BenchmarkRequest
from pipeline.evaluation.benchmarks.result import BenchmarkResult, Cell, Table
from pipeline.evaluation.bootstrap import bootstrap
from pipeline.evaluation.hota import HotaTally
from pipeline.evaluation.pose_tracking import (
    PoseScores,
    VideoSums,
    average_precision,
    mota_per_joint,
    protocol_1,
    protocol_2,
    video_events,
    video_tallies,
)
from pipeline.evaluation.poses import PoseComparison, PoseTable
from pipeline.evaluation.region import inside

_KEYPOINTS = 17
Regions = dict[int, list[np.ndarray]]


@dataclass(frozen=True, slots=True, eq=False)
class VideoTruth:
    """One annotated video.

    Attributes:
        images: (L,) ids of its labelled frames, in their order.
        unlabelled: (U,) ids of the others.
        poses: frames from 0 over the labelled ones.
        regions: polygons to ignore by frame, each (P, 2) px.
    """

    images: np.ndarray
    unlabelled: np.ndarray
    poses: PoseTable
    regions: Regions


def read_video(path: Path) -> VideoTruth:
    """Read one file of annotations.

    Raises:
        UserError: it is no such file.
    """
    content = read_json(path)
    try:
        images = {int(told["id"]): told for told in content["images"]}
        labelled = [number for number, told in images.items() if told.get("is_labeled", True)]
        frame_of = {number: frame for frame, number in enumerate(labelled)}
        people = [told for told in content["annotations"] if int(told["image_id"]) in frame_of]
        lost = sum(int(told["image_id"]) not in images for told in content["annotations"])
        poses = _table(people, frame_of, path, heads=True)
        regions = {frame_of[number]: _polygons(images[number]) for number in labelled}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{path} is no PoseTrack21 annotation: {error!r}") from None
    if lost:
        raise UserError(f"{path}: {lost} annotations belong to none of its images")
    others = [number for number in images if number not in frame_of]
    return VideoTruth(np.array(labelled, np.int64), np.array(others, np.int64), poses, regions)


def read_found(path: Path, truth: VideoTruth) -> tuple[PoseTable, int]:
    """Read predicted skeletons of the labelled frames, and count those of frames the truth does not have.

    Raises:
        UserError: it is no such file, or a person is twice in a frame.
    """
    content = read_json(path)
    frame_of = {int(number): frame for frame, number in enumerate(truth.images)}
    known = {*frame_of, *truth.unlabelled.tolist()}
    try:
        people = [told for told in content["annotations"] if int(told["image_id"]) in frame_of]
        strange = sum(int(told["image_id"]) not in known for told in content["annotations"])
        return _table(people, frame_of, path, heads=False), strange
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} is no PoseTrack21 result: {error!r}") from None


def compare(truth: VideoTruth, found: PoseTable) -> PoseComparison:
    """Truth and predictions without the joints in ignore regions."""
    sides = [side.without(ignored(side, truth.regions)) for side in (truth.poses, found)]
    return PoseComparison.of(sides[0], sides[1], len(truth.images))


def ignored(poses: PoseTable, regions: Regions) -> np.ndarray:
    """(N, 15) which joints lie in a region to ignore of their frame."""
    mask = np.zeros(poses.there.shape, bool)
    for frame, polygons in regions.items():
        rows = np.flatnonzero(poses.frames == frame) if polygons else np.zeros(0, np.int64)
        points = poses.joints[rows].reshape(-1, 2)
        for polygon in polygons if len(rows) else []:
            mask[rows] |= inside(points, polygon).reshape(len(rows), -1)
    return mask & poses.there


def score(request: BenchmarkRequest) -> BenchmarkResult:
    """Score both protocols, MOTA and average precision."""
    split = request.split or "val"
    folder = request.root / ANNOTATIONS / split
    files = by_stem(listed(folder, "*.json"))
    if not files:
        raise UserError(f"{folder}: expected one JSON file per video of PoseTrack21, found none")
    if not request.pred.is_dir():
        raise UserError(f"{request.pred} is not a folder; give the folder of <video>.json")
    names = request.choose(list(files))
    given = by_stem(listed(request.pred, "*.json"))
    warnings = []
    for name in sorted(set(given) - set(files)):
        people = read_json(given[name])
        count = len(people.get("annotations", ())) if isinstance(people, dict) else 0
        warnings.append(f"{name}: predictions without a truth ({count} skeletons), not scored")
    missing = [name for name in names if name not in given]
    if missing and not request.allow_missing:
        raise UserError(
            f"{request.pred} has no {missing[0]}.json ({len(missing)} of {len(names)} videos are missing); "
            "--allow-missing scores them as empty, --sequences leaves them out"
        )
    videos = {}
    for name in names:
        truth = read_video(files[name])
        found = _table([], {}, files[name], heads=False)
        if name in given:
            found, strange = read_found(given[name], truth)
            if strange:
                warnings.append(f"{name}: {strange} predicted skeletons of images it does not have, not scored")
        else:
            warnings.append(f"{name}: no file of predictions, scored as empty ({len(truth.poses)} true people)")
        if len(truth.unlabelled):
            total = len(truth.images) + len(truth.unlabelled)
            warnings.append(f"{name}: {len(truth.images)} of {total} frames are labelled: only these are scored")
        videos[name] = compare(truth, found)
    return _score(videos, split, warnings, request)


def _score(
    videos: Mapping[str, PoseComparison], split: str, warnings: list[str], request: BenchmarkRequest
) -> BenchmarkResult:
    whole = list(videos.values())
    tallies = video_tallies(whole)
    first, second = protocol_1(tallies), protocol_2(whole)
    if not first.total()["DetA"]:
        truth, found = (sum(len(getattr(one, side)) for one in whole) for side in ("truth", "predictions"))
        raise UserError(
            f"{request.pred}: no joint of {found} predicted skeletons lies on one of {truth} true ones; are image ids, "
            "the order of joints and the picture size PoseTrack21's?"
        )
    events = video_events(whole)
    mota, ap = mota_per_joint(events), average_precision(whole)
    rows: list[tuple[Cell, ...]] = []
    for (name, video), of_video, seen in zip(videos.items(), tallies, events, strict=True):
        shares = protocol_1([of_video]).total()
        extra = mota_per_joint([seen]).total()["MOTA"], average_precision([video]).total()["AP"]
        rows.append((name, *(shares[key] for key in _SHARES), *extra, video.length, len(video.truth)))
    total = (first.total(), mota.total()["MOTA"], ap.total()["AP"])
    people = sum(len(video.truth) for video in whole), sum(video.length for video in whole)
    rows.append(("COMBINED", *(total[0][key] for key in _SHARES), total[1], total[2], people[1], people[0]))
    protocols: tuple[tuple[Cell, ...], ...] = tuple(
        (name, *(scores.total()[key] for key in _SHARES))
        for name, scores in (("1: ids within a video", first), ("2: ids over all videos", second))
    )
    figures = {
        "protocol 1 HOTA": first.total()["HOTA"],
        "protocol 2 HOTA": second.total()["HOTA"],
        "MOTA": total[1],
        "AP": total[2],
    }
    return BenchmarkResult(
        "posetrack21",
        f"{split}; 15 joints, found within half a head; labelled frames; joints in ignore regions left out",
        (
            Table(
                "pose tracking, protocol 1",
                ("name", *_SHARES, "MOTA", "AP", "frames", "people"),
                tuple(rows),
                ("HOTA", "MOTA", "AP"),
            ),
            Table("keypoint HOTA, both protocols", ("protocol", *_SHARES), protocols),
            _joints(first, second, mota, ap),
        ),
        figures,
        _intervals(tallies, request.seed),
        "videos",
        tuple(warnings),
    )


_SHARES = ("HOTA", "DetA", "AssA", "DetRe", "DetPr", "AssRe", "AssPr", "LocA")


def _joints(first: PoseScores, second: PoseScores, mota: PoseScores, ap: PoseScores) -> Table:
    columns = (first.measures["HOTA"], second.measures["HOTA"], mota.measures["MOTA"], ap.measures["AP"])
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (name, *(float(column[row]) for column in columns)) for row, name in enumerate(first.names)
    )
    return Table("joints", ("joint", "protocol 1 HOTA", "protocol 2 HOTA", "MOTA", "AP"), rows)


def _intervals(tallies: Sequence[Sequence[HotaTally]], seed: int) -> dict[str, tuple[float, float]]:
    """Of protocol 1 over videos; protocol 2 has no units, because a person may be in several videos."""
    if len(tallies) < 2:
        return {}
    sums = VideoSums.of(tallies)
    return bootstrap(len(tallies), lambda weights: {"protocol 1 HOTA": sums.totals(weights)["HOTA"]}, seed)


def _table(people: Sequence[Mapping[str, Any]], frame_of: Mapping[int, int], path: Path, heads: bool) -> PoseTable:
    frames = np.array([frame_of[int(told["image_id"])] for told in people], np.int64)
    ids = np.array([int(told["person_id"] if "person_id" in told else told["track_id"]) for told in people], np.int64)
    points = np.array([told["keypoints"] for told in people], np.float64).reshape(-1, _KEYPOINTS, 3)
    if not np.isfinite(points).all():
        raise UserError(f"{path}: a joint is not finite; mend or remove it")
    scores = [told["scores"] if "scores" in told else told["keypoints"][2::3] for told in people]
    values = np.array(scores, np.float64).reshape(-1, _KEYPOINTS)
    boxes = np.array([told["bbox_head"] for told in people] if heads else np.zeros((len(people), 4)), np.float64)
    table = PoseTable.make(frames, ids, points, values, boxes.reshape(-1, 4))
    again = (np.diff(table.frames) == 0) & (np.diff(table.ids) == 0)
    if again.any():
        row = int(np.argmax(again))
        raise UserError(f"{path}: person {table.ids[row]} is {int(again.sum())} times twice in a frame; mend the ids")
    return table.select(np.asarray(table.there.any(axis=1)))


def _polygons(image: Mapping[str, Any]) -> list[np.ndarray]:
    """Regions to ignore; one polygon may be given flat or in a list."""
    across, down = image.get("ignore_regions_x") or [], image.get("ignore_regions_y") or []
    if across and not isinstance(across[0], list):
        across, down = [across], [down]
    return [np.array([x, y], np.float64).T for x, y in zip(across, down, strict=True) if len(x) > 2]
