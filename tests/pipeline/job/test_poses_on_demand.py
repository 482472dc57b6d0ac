"""Skeletons on demand: who gets one, that appearance is the same as with all of them, and when they are for all."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from data.records import Detections, EmbedRequest, Image, PartEmbeddings, Poses, Tracks, View
from data.runtime.stage_clock import StageClock
from pipeline.config import load_config
from pipeline.input.perception import Perceived
from pipeline.job.opening import poses_on_demand
from pipeline.job.poses_on_demand import PosesOnDemand, around
from pipeline.job.tracking_stage import TrackingStage
from tests.pipeline.blocks import ColourEmbedder
from trackers.camera import CameraTracker

_IMAGE = np.random.default_rng(0).integers(0, 256, (120, 400, 3), dtype=np.uint8)


class _Standing:
    """A top-down estimator: every keypoint in the middle of its box. Counts the boxes it was given."""

    def __init__(self) -> None:
        self.boxes = 0

    def estimate(self, images: Sequence[Image], detections: Sequence[Detections]) -> list[Poses]:
        self.boxes += sum(len(found) for found in detections)
        return [_middles(found.boxes) for found in detections]


def _middles(boxes: np.ndarray) -> Poses:
    points = np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2, np.full((len(boxes), 1), 0.9)], axis=1)
    return Poses(np.repeat(points[:, None], 17, axis=1).astype(np.float32), np.zeros((0, 17, 3), np.float32))


class _Watching(ColourEmbedder):
    """Keeps what it was asked."""

    def __init__(self) -> None:
        self.requests: list[EmbedRequest] = []

    def __call__(self, requests: Sequence[EmbedRequest]) -> list[PartEmbeddings]:
        self.requests += requests
        return super().__call__(requests)


def _film(frames: int) -> list[View]:
    """Two people side by side who touch, and one far off; all walk."""
    views = []
    for index in range(frames):
        lefts = np.array([10, 28, 300]) + 2 * index
        boxes = np.stack([lefts, np.full(3, 20), lefts + 24, np.full(3, 90)], axis=1).astype(np.float32)
        found = Detections(boxes, np.full(3, 0.9, np.float32), np.zeros(3, np.int64))
        views.append(View("c", index, index / 10, (400, 120), found, None, index / 10))
    return views


def _track(views: Sequence[View], poses: PosesOnDemand | None) -> tuple[list[EmbedRequest], list[tuple[View, Tracks]]]:
    embedder, seen = _Watching(), list[tuple[View, Tracks]]()
    stage = TrackingStage(
        [CameraTracker("c")], embedder, None, lambda _: None, StageClock(),
        lambda item, tracks: seen.append((item.view, tracks)), poses,
    )  # fmt: skip
    for view in views:
        stage.process([[Perceived(view, _IMAGE)]])
    return embedder.requests, seen


def test_appearance_is_asked_for_alike_and_fewer_skeletons_are_made() -> None:
    film, estimator = _film(20), _Standing()
    asked, seen = _track(film, PosesOnDemand(estimator, StageClock()))
    all_asked, all_seen = _track([replace(view, poses=_middles(view.detections.boxes)) for view in film], None)
    assert 0 < estimator.boxes < 60
    for one, other in zip(asked, all_asked, strict=True):
        np.testing.assert_array_equal(one.boxes, other.boxes)
        assert one.keypoints is not None
        np.testing.assert_array_equal(one.keypoints, other.keypoints)
    for (_, tracks), (_, all_tracks) in zip(seen, all_seen, strict=True):
        np.testing.assert_array_equal(tracks.track_ids, all_tracks.track_ids)
    # In the first frame everybody is new; later rows that were not asked for have a zero skeleton.
    assert all(view.poses is not None and len(view.poses) == 3 for view, _ in seen)
    assert seen[0][0].poses is not None
    assert seen[0][0].poses.keypoints.any(axis=(1, 2)).all()
    assert any(view.poses is not None and not view.poses.keypoints[2].any() for view, _ in seen)


def test_tracklets_keep_the_skeletons_that_were_made() -> None:
    tracker = CameraTracker("c")
    (view,) = _film(1)
    proposal = tracker.propose([view])
    posed = replace(view, poses=_middles(view.detections.boxes))
    tracker.commit(replace(proposal, views=(posed,)), [None])
    assert tracker.state()["table"]["keypoints"].any(axis=(1, 2)).all()


def test_neighbours_come_along_and_strangers_do_not() -> None:
    boxes = _film(1)[0].detections.boxes
    np.testing.assert_array_equal(around(boxes, np.array([0])), [0, 1])
    np.testing.assert_array_equal(around(boxes, np.array([2])), [2])
    assert not len(around(boxes, np.zeros(0, np.int64)))


def test_a_view_without_a_picture_or_a_wish_costs_nothing() -> None:
    estimator = _Standing()
    (view,) = _film(1)
    proposal = CameraTracker("c").propose([view])
    filled, _ = PosesOnDemand(estimator, StageClock())([[Perceived(view, None)]], [proposal])
    assert estimator.boxes == 0
    assert filled[0][0].view.poses is not None
    assert not filled[0][0].view.poses.keypoints.any()


@pytest.mark.parametrize(
    ("overrides", "on_demand"),
    [
        (["pose.name=movenet"], True),
        (["pose.name=movenet", "pose.when=always"], False),
        (["pose.name=detector"], False),
        (["pose.name=none"], False),
        (["pose.name=openpifpaf"], False),
        (["pose.name=movenet", "reid.name=none"], False),
        (["pose.name=movenet", "render.anonymize=true"], False),
        (["pose.name=movenet", "report.anonymize=true"], False),
        (["pose.name=movenet", "tracker.association.pose_weight=0.3"], False),
        (["pose.name=movenet", "associate.gait.model=walks.safetensors"], False),
    ],
)
def test_skeletons_are_for_all_where_something_else_uses_them(overrides: list[str], on_demand: bool) -> None:
    assert poses_on_demand(load_config([], overrides)) == on_demand
