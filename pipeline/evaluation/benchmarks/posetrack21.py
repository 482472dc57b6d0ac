"""PoseTrack21: skeletons over videos.

The truth is read by the data set's adapter. Predictions are ``<video>.json`` in the format of submissions
(``data.formats.posetrack``), or a run, whose skeletons are taken. Only frames whose keypoints were annotated are
scored; joints in ignore regions are taken away on both sides.

Source: Döring et al., "PoseTrack21", CVPR 2022, and its evaluation kit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.datasets.posetrack21 import Polygon
from data.datasets.posetrack21_tracking import PoseVideo, read_pose_videos
from data.errors import UserError
from data.formats.posetrack import in_posetrack_order, read_pose_result
from data.formats.track_sets import CameraTracks
from data.listing import by_stem, listed
from data.records import FloatArray, IntArray
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
from pipeline.folder.run_folder import RunFolder
from pipeline.folder.run_tracks import read_run_tracks

Regions = dict[int, tuple[Polygon, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Predictions of one video.

    Attributes:
        poses: frames from 0 over the annotated ones.
        strange: skeletons of pictures that the video does not have.
    """

    poses: PoseTable
    strange: int


@dataclass(frozen=True, slots=True, eq=False)
class VideoTruth:
    """What one video is scored against: its L frames whose keypoints were annotated.

    Attributes:
        frame_of: of each of its pictures: number among the L, or -1.
        numbers: ids of its pictures in the data set, row for row with ``frame_of``.
        poses: frames from 0 over the L.
        regions: polygons to ignore by frame.
        length: L.
    """

    frame_of: IntArray
    numbers: IntArray
    poses: PoseTable
    regions: Regions
    length: int

    @staticmethod
    def of(video: PoseVideo) -> "VideoTruth":
        """Take the annotated frames, and the people in them who have a joint."""
        frame_of = np.where(video.posed, np.cumsum(video.posed) - 1, -1).astype(np.int64)
        truth, points = video.sequence.truth, video.sequence.keypoints
        rows = np.flatnonzero(video.posed[truth.frames])
        assert points is not None
        poses = PoseTable.make(
            frame_of[truth.frames[rows]], video.tracks[rows], points[rows], None, video.heads[rows], truth.ids[rows]
        )
        return VideoTruth(
            frame_of,
            np.array([image.image_id for image in video.images], np.int64),
            poses.select(np.asarray(poses.there.any(axis=1))),
            {int(frame_of[row]): image.regions for row, image in enumerate(video.images) if video.posed[row]},
            int(video.posed.sum()),
        )

    def pictures_of(self, numbers: IntArray) -> IntArray:
        """Which of its pictures have these ids in the data set, (N,); -1 for those of other videos."""
        order = np.argsort(self.numbers, kind="stable")
        place = order[np.searchsorted(self.numbers, numbers, sorter=order).clip(0, len(order) - 1)]
        return np.where(self.numbers[place] == numbers, place, -1)

    def found(self, pictures: IntArray, tracks: IntArray, people: IntArray, keypoints: FloatArray) -> Found:
        """Predictions in the annotated frames.

        Args:
            pictures: (N,) in which of its pictures each skeleton is; what it does not have is counted.
            tracks: (N,) ids within the video.
            people: (N,) ids over all videos.
            keypoints: (N, 17, 3) x px, y px, confidence, in the order of PoseTrack21.
        """
        known = (pictures >= 0) & (pictures < len(self.frame_of))
        frames = np.full(len(pictures), -1, np.int64)
        frames[known] = self.frame_of[pictures[known]]
        rows = np.flatnonzero(frames >= 0)
        poses = PoseTable.make(frames[rows], tracks[rows], keypoints[rows], people=people[rows])
        return Found(poses.select(np.asarray(poses.there.any(axis=1))), int((~known).sum()))

    def found_nothing(self) -> Found:
        """No predictions."""
        none = np.zeros(0, np.int64)
        return self.found(none, none, none, np.zeros((0, 17, 3), np.float32))


def compare(truth: VideoTruth, found: PoseTable) -> PoseComparison:
    """Truth and predictions without the joints in ignore regions."""
    sides = [side.without(ignored(side, truth.regions)) for side in (truth.poses, found)]
    return PoseComparison.of(sides[0], sides[1], truth.length)


def ignored(poses: PoseTable, regions: Regions) -> np.ndarray:
    """(N, 15) which joints lie in a region to ignore of their frame."""
    mask = np.zeros(poses.there.shape, bool)
    for frame, polygons in regions.items():
        rows = np.flatnonzero(poses.frames == frame) if polygons else np.zeros(0, np.int64)
        points = poses.joints[rows].reshape(-1, 2)
        for polygon in polygons if len(rows) else []:
            mask[rows] |= inside(points, np.array(polygon)).reshape(len(rows), -1)
    return mask & poses.there


def score(request: BenchmarkRequest) -> BenchmarkResult:
    """Score both protocols, MOTA and average precision."""
    dataset = read_pose_videos(request.root, request.split)
    known = [video.sequence.name for video in dataset.videos]
    names = request.choose(known)
    given = _given(request.pred, request.keypoint_min)
    warnings = [str(problem) for problem in dataset.problems]
    for name in sorted(set(given) - set(known)):
        warnings.append(f"{name}: predictions without a truth ({_count(given[name])} skeletons), not scored")
    missing = [name for name in names if name not in given]
    if missing and not request.allow_missing:
        raise UserError(
            f"{request.pred} has nothing of {missing[0]} ({len(missing)} of {len(names)} videos are missing); "
            "--allow-missing scores them as empty, --sequences leaves them out"
        )
    videos = {}
    for video in dataset.videos:
        name = video.sequence.name
        if name not in names:
            continue
        truth = VideoTruth.of(video)
        found = _found(truth, given[name]) if name in given else truth.found_nothing()
        if name not in given:
            warnings.append(f"{name}: no predictions, scored as empty ({len(truth.poses)} true people)")
        if found.strange:
            warnings.append(f"{name}: {found.strange} predicted skeletons of images it does not have, not scored")
        if name in given and isinstance(seen := given[name], CameraTracks) and seen.length != len(video.images):
            warnings.append(f"{name}: the run has {seen.length} frames, the data set {len(video.images)} pictures")
        if truth.length < len(video.images):
            frames = f"{truth.length} of {len(video.images)} frames"
            warnings.append(f"{name}: keypoints of {frames} are annotated: only these are scored")
        videos[name] = compare(truth, found.poses)
    return _score(videos, dataset.split, warnings, request)


def _given(pred: Path, keypoint_min: float) -> dict[str, Path | CameraTracks]:
    """Predictions by video: files of a submission, or the tracks of a run."""
    if not pred.is_dir():
        raise UserError(f"{pred} is not a folder; give a run, or the folder of <video>.json")
    folder = RunFolder(pred)
    if not folder.tracklets.is_dir():
        return dict(by_stem(listed(pred, "*.json")))
    return {tracks.name: tracks for tracks in read_run_tracks(folder, keypoint_min)}


def _count(found: Path | CameraTracks) -> int:
    return len(read_pose_result(found)) if isinstance(found, Path) else len(found.table)


def _found(truth: VideoTruth, given: Path | CameraTracks) -> Found:
    if isinstance(given, Path):
        result = read_pose_result(given)
        return truth.found(truth.pictures_of(result.image_ids), result.tracks, result.people, result.keypoints)
    table = given.table
    if len(table) and (given.keypoints is None or not given.keypoints[..., 2].any()):
        raise UserError(f"the run has no skeletons of {given.name}; run it with a pose network and pose.when=always")
    points = np.zeros((0, 17, 3), np.float32) if given.keypoints is None else given.keypoints
    return truth.found(table.frames, table.ids, table.ids, in_posetrack_order(points, given.skeleton))


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
        f"{split}; 15 joints, found within half a head; frames with keypoints; joints in ignore regions left out",
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
