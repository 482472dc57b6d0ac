"""One call per frame: what ``propose`` and ``commit`` would have said, and every tracklet at the end."""

from collections.abc import Sequence

import numpy as np
import pytest

from data.records import Detections, EmbedRequest, PartEmbeddings, Poses, View
from tests.trackers.conftest import SIZE, person_box, person_looks
from trackers import CameraTracker, TrackerConfig

IMAGE = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)


def _crossing(frame: int) -> Detections:
    """Two people who walk towards one another."""
    return Detections.of_people([person_box(200 + 8 * frame), person_box(800 - 8 * frame)])


class _Embedder:
    """Knows the two by the order of their boxes; notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[EmbedRequest] = []

    def __call__(self, requests: Sequence[EmbedRequest]) -> list[PartEmbeddings]:
        self.asked += requests
        return [person_looks([0] * len(request.boxes)) for request in requests]


def test_update_says_what_propose_and_commit_say() -> None:
    short, long = CameraTracker("hall"), CameraTracker("hall", TrackerConfig())
    for frame in range(40):
        tracks = short.update(_crossing(frame), frame / 10, IMAGE)
        (expected,), _ = long.commit(long.propose([View("hall", frame, frame / 10, SIZE, _crossing(frame))]), [None])
        np.testing.assert_array_equal(tracks.track_ids, expected.track_ids)
        np.testing.assert_array_equal(tracks.det_index, expected.det_index)
    assert [tracklet.local_id for tracklet in short.finish()] == [0, 1]


def test_finish_gives_tracklets_closed_on_the_way_too_and_only_once() -> None:
    tracker = CameraTracker("hall", TrackerConfig(lost_s=1.0))
    for frame in range(60):
        people = _crossing(frame) if not 20 <= frame < 40 else Detections.empty()
        tracker.update(people, frame / 10, IMAGE)
    closed = tracker.finish()
    assert len(closed) == 4
    assert [tracklet.local_id for tracklet in closed] == [0, 1, 2, 3]
    assert tracker.finish() == []


def test_the_embedder_is_asked_about_wanted_rows_with_the_others_as_negatives() -> None:
    tracker, embedder = CameraTracker("hall"), _Embedder()
    skeletons = np.full((2, 17, 3), 0.5, np.float32)
    poses = Poses(skeletons, np.zeros((1, 17, 3), np.float32))
    people = Detections.of_people([person_box(200), person_box(800)], [0.9, 0.2])
    tracker.update(people, 0.0, IMAGE, embedder, poses)
    (request,) = embedder.asked
    np.testing.assert_array_equal(request.boxes, people.boxes[:1])
    assert request.keypoints is not None
    assert len(request.keypoints) == 1
    assert len(request.negatives) == 2, "the weak box's skeleton and the one without a box"
    assert request.camera == "hall"


def test_looks_reach_the_tracklets() -> None:
    tracker, embedder = CameraTracker("hall"), _Embedder()
    for frame in range(20):
        tracker.update(_crossing(frame), frame / 10, IMAGE, embedder)
    assert all(tracklet.prototypes is not None for tracklet in tracker.finish())


def test_an_embedder_needs_the_image() -> None:
    with pytest.raises(ValueError, match="an embedder needs the image"):
        CameraTracker("hall").update(_crossing(0), 0.0, embedder=_Embedder())


@pytest.mark.parametrize(("image", "people"), [(None, 1), (IMAGE, 1), (IMAGE[:, :210], 2)])
def test_a_frame_of_unknown_size_lets_nobody_leave(image: np.ndarray | None, people: int) -> None:
    """Somebody is hidden for a second: one person again, unless he was at the border of the frame."""
    tracker = CameraTracker("hall")
    for frame in range(40):
        there = Detections.of_people([person_box(100 + 6 * frame)])
        tracker.update(Detections.empty() if 15 <= frame < 25 else there, frame / 10, image)
    assert len(tracker.finish()) == people


def test_people_come_from_lists_and_must_fit_their_scores() -> None:
    people = Detections.of_people([[0, 0, 10, 20]])
    assert (people.boxes.dtype, people.scores.tolist(), people.class_ids.tolist()) == (np.float32, [1.0], [0])
    assert len(Detections.of_people([])) == 0
    with pytest.raises(ValueError, match="1 boxes with scores of shape"):
        Detections.of_people([[0, 0, 10, 20]], [0.5, 0.5])
