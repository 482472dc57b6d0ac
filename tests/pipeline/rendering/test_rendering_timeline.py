"""Rows of a camera, frame by frame."""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from data.geometry import CameraModel
from data.records import Tracklet
from pipeline.rendering.timeline import Timeline

_FPS = 10.0


def _tracklet(local_id: int, frames: list[int], **changes: Any) -> Tracklet:
    rows = np.array(frames, np.int64)
    boxes = np.stack([10.0 * rows, 0 * rows, 10.0 * rows + 20, 0 * rows + 50], axis=1).astype(np.float32)
    given: dict[str, Any] = {
        "camera": "hall",
        "local_id": local_id,
        "times_s": rows / _FPS,
        "frames": rows,
        "boxes": boxes,
        "scores": np.full(len(rows), 0.9, np.float32),
    }
    return Tracklet(**(given | changes))


def _timeline(tracklets: list[Tracklet], ids: dict[int, int] | None = None, **changes: Any) -> Timeline:
    options: dict[str, Any] = {"fill_gap_s": 1.0, "trail_s": 0.5, "keypoints": True} | changes
    return Timeline(tracklets, {("hall", local): identity for local, identity in (ids or {}).items()}, **options)


def test_rows_of_a_frame_with_global_and_local_ids() -> None:
    timeline = _timeline([_tracklet(3, [0, 1, 2]), _tracklet(4, [2, 3])], {3: 9})
    scene = timeline.scene(2)
    assert [(scene.label(row), bool(scene.local[row])) for row in range(len(scene))] == [("~4", True), ("9", False)]
    assert len(timeline.scene(7)) == 0
    assert len(timeline.scene(-1)) == 0


def test_a_short_gap_is_bridged_by_dashed_boxes_and_a_long_one_is_not() -> None:
    timeline = _timeline([_tracklet(0, [0, 1, 2, 6, 7, 40])], {0: 1})
    scene = timeline.scene(4)
    assert scene.dashed.tolist() == [True]
    np.testing.assert_allclose(scene.boxes[0], [40, 0, 60, 50], atol=1e-3)
    assert timeline.scene(2).dashed.tolist() == [False]
    assert len(timeline.scene(20)) == 0
    assert len(_timeline([_tracklet(0, [0, 6])], fill_gap_s=0.0).scene(3)) == 0


def test_predicted_rows_are_dashed() -> None:
    scores = np.array([0.9, 0.0, 0.9], np.float32)
    assert _timeline([_tracklet(0, [0, 1, 2], scores=scores)]).scene(1).dashed.tolist() == [True]


def test_between_two_skeletons_a_detected_row_shows_one_that_blurs_nothing() -> None:
    frames = [0, 1, 2, 3, 4, 5, 40, 60]
    keypoints = np.zeros((len(frames), 17, 3), np.float32)
    keypoints[[0, 4, 7], :2] = [[[5, 10, 0.9], [9, 10, 0.0]], [[49, 10, 0.5], [49, 10, 0.9]], [[605, 10, 0.9]] * 2]
    scores = np.array([0.9, 0.9, 0.0, 0.9, 0.9, 0.9, 0.9, 0.9], np.float32)
    timeline = _timeline([_tracklet(0, frames, keypoints=keypoints, scores=scores)], {0: 1})
    shown = {frame: timeline.scene(frame).keypoints for frame in (0, 1, 2, 3, 4, 5, 40)}
    assert all(found is not None for found in shown.values())
    # A quarter of the way: 5 px and 9 px from the box's left edge give 6, in a box that has moved to 10.
    np.testing.assert_allclose(shown[1][0, 0], [16, 10, 0.5], atol=1e-4)  # type: ignore[index]
    np.testing.assert_allclose(shown[3][0, 0], [38, 10, 0.5], atol=1e-4)  # type: ignore[index]
    assert shown[1][0, 1, 2] == 0, "one of the two did not show it"  # type: ignore[index]
    for frame, why in ((2, "nobody was detected"), (5, "the next one is too late"), (40, "likewise")):
        assert not shown[frame].any(), why  # type: ignore[union-attr]
    for frame, seen in ((0, True), (1, False), (4, True)):
        heads = timeline.heads_nearby(frame, frame / _FPS, 0.05)[1]
        assert heads is not None
        assert heads.any() == seen


def test_of_duplicate_boxes_the_better_stays() -> None:
    low = _tracklet(1, [5, 6, 7], scores=np.full(3, 0.2, np.float32), boxes=np.ones((3, 4), np.float32))
    timeline = _timeline([low, _tracklet(0, [5, 6, 7])], {0: 2, 1: 2})
    scene = timeline.scene(6)
    assert scene.ids.tolist() == [2]
    np.testing.assert_allclose(scene.boxes[0], [60, 0, 80, 50])


def test_pieces_of_a_cut_tracklet_are_one_path() -> None:
    pieces = [_tracklet(0, [0, 1, 2, 3]), _tracklet(5, [4, 5, 6], continues=0)]
    timeline = _timeline(pieces)
    scene = timeline.scene(5)
    assert scene.label(0) == "~0"
    np.testing.assert_allclose(scene.trails[0][:, 0], [10, 20, 30, 40, 50, 60])


def test_trails_are_short_and_do_not_jump_over_a_pause() -> None:
    timeline = _timeline([_tracklet(0, [*range(20), *range(60, 70)])], {0: 1}, trail_s=0.5)
    np.testing.assert_allclose(timeline.scene(15).trails[0][:, 0], [110, 120, 130, 140, 150, 160])
    np.testing.assert_allclose(timeline.scene(61).trails[0][:, 0], [610, 620])
    assert _timeline([_tracklet(0, [0, 1])], trail_s=0.0).scene(1).trails == []


def test_keypoints_are_kept_only_where_wanted() -> None:
    points = np.random.default_rng(0).random((3, 17, 3)).astype(np.float32)
    tracklets = [_tracklet(0, [0, 1, 2], keypoints=points), _tracklet(1, [0, 1])]
    scene = _timeline(tracklets).scene(1)
    assert scene.keypoints is not None
    np.testing.assert_allclose(scene.keypoints[0], points[1])
    assert not scene.keypoints[1].any()
    assert _timeline(tracklets, keypoints=False).scene(1).keypoints is None
    assert _timeline([_tracklet(0, [0, 1])]).scene(1).keypoints is None


def test_heads_of_people_about_to_come_or_just_gone_count() -> None:
    timeline = _timeline([_tracklet(0, [0, 1, 2]), _tracklet(1, [8, 9])])
    hold = {"hold_s": 0.35}
    for frame, expected in ((1, [10]), (3, [20]), (5, [20, 80]), (8, [80]), (12, [90]), (14, [])):
        boxes, _ = timeline.heads_nearby(frame, frame / _FPS, **hold)
        assert sorted(boxes[:, 0].tolist()) == expected, frame


@settings(max_examples=40)
@given(
    st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=12, unique=True), max_size=6),
    st.lists(st.integers(0, 3), min_size=6, max_size=6),
)
def test_every_row_is_found_once_per_identity_and_frame(tracks: list[list[int]], ids: list[int]) -> None:
    tracklets = [_tracklet(number, sorted(frames)) for number, frames in enumerate(tracks)]
    timeline = _timeline(tracklets, dict(enumerate(ids)), fill_gap_s=0.0)
    for frame in range(31):
        expected = {ids[number] for number, frames in enumerate(tracks) if frame in frames}
        assert sorted(timeline.scene(frame).ids.tolist()) == sorted(expected)


def test_no_tracklets() -> None:
    timeline = _timeline([])
    assert len(timeline.scene(0)) == 0
    assert len(timeline.heads_nearby(0, 0.0, 1.0)[0]) == 0


def test_people_of_a_group_stand_where_their_places_say() -> None:
    # From 3 m above the ground and 8 m south of its origin, level: feet at y = 0 lie below the middle of the picture.
    whole = np.array([[500.0, 320, 0, 320 * 8], [0, 240, -500, 240 * 8 + 1500], [0, 1, 0, 8]])
    model = CameraModel.from_projection(whole, (640, 480))
    placed = {"world_xy": np.array([[0, 0], [1, 0]], np.float32), "world_height": np.array([1.75, np.nan], np.float32)}
    timeline = _timeline([_tracklet(0, [0, 1], **placed), _tracklet(1, [0])], {0: 1, 1: 2}, model=model)
    scene = timeline.scene(0)
    assert scene.stands is not None
    np.testing.assert_allclose(scene.stands[0], [[320, 240 + 1500 / 8], [320, 240 + 625 / 8]], atol=1e-2)
    assert np.isnan(scene.stands[1]).all(), "a tracklet without places"
    assert [scene.label(row) for row in range(2)] == ["1  1.75 m", "2"]
    later = timeline.scene(1)
    assert later.stands is not None
    assert np.isfinite(later.stands[0, 0]).all()
    assert np.isnan(later.stands[0, 1]).all()
    assert _timeline([_tracklet(0, [0], world_xy=placed["world_xy"][:1])], {0: 1}).scene(0).stands is None
