"""A stage on which drawn people walk past a tracker."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from data.records import Detections, FloatArray, PartEmbeddings, Poses, Tracklet, TrackletEvent, Tracks, View
from trackers.camera import CameraTracker
from trackers.config import TrackerConfig

SIZE = (1000, 600)
DIM = 8


def person_box(x: float, y: float = 400.0, height: float = 120.0) -> list[float]:
    """Box of somebody whose feet stand at (x, y)."""
    return [x - height / 5, y - height, x + height / 5, y]


def person_looks(people: Sequence[int], noise: float = 0.0, seed: int = 0) -> PartEmbeddings:
    """One clear direction per person in two parts; person -1 gives "no evidence"."""
    rng = np.random.default_rng(seed)
    vectors = np.zeros((len(people), 2, DIM), np.float32)
    for row, person in enumerate(people):
        if person >= 0:
            vectors[row, :, person % DIM] = 1
            vectors[row] += rng.normal(0, noise, (2, DIM)).astype(np.float32)
            vectors[row] /= np.linalg.norm(vectors[row], axis=1, keepdims=True)
    visibility = np.repeat(np.asarray([person >= 0 for person in people], np.float32)[:, None], 2, axis=1)
    return PartEmbeddings(vectors, visibility.reshape(len(people), 2), ("upper", "lower"), ("part", "part"), "drawn")


@dataclass
class Film:
    """Feeds one camera's tracker and keeps all it says."""

    tracker: CameraTracker
    frame: int = 0
    tracks: list[Tracks] = field(default_factory=list)
    wanted: list[list[int]] = field(default_factory=list)
    events: list[TrackletEvent] = field(default_factory=list)

    def show(
        self,
        time_s: float,
        boxes: Sequence[Sequence[float]] | FloatArray,
        scores: Sequence[float] | FloatArray | None = None,
        looks: PartEmbeddings | None = None,
        poses: Poses | None = None,
    ) -> Tracks:
        """One frame; scores are 0.9 where not given. Of the looks, the tracker gets those it asks for."""
        array = np.asarray(boxes, np.float32).reshape(-1, 4)
        marks = np.full(len(array), 0.9, np.float32) if scores is None else np.asarray(scores, np.float32)
        detections = Detections(array, marks, np.zeros(len(array), np.int64))
        view = View(self.tracker.cameras[0], self.frame, time_s, SIZE, detections, poses)
        proposal = self.tracker.propose([view])
        rows = proposal.wanted[0]
        self.wanted.append(rows.tolist())
        if looks is not None:
            looks = looks.select(rows).scatter(rows, len(array))
        (tracks,), events = self.tracker.commit(proposal, [looks])
        self.tracks.append(tracks)
        self.events += events
        self.frame += 1
        return tracks

    def end(self) -> list[Tracklet]:
        """The closed tracklets, by local id."""
        self.events += self.tracker.flush()
        closed = [event.tracklet for event in self.events if event.kind == "closed"]
        return sorted(closed, key=lambda tracklet: tracklet.local_id)


@pytest.fixture
def film() -> Callable[..., Film]:
    """``film()`` or ``film(config)``: a new camera "hall" with a new tracker."""

    def make(config: TrackerConfig | None = None, camera: str = "hall") -> Film:
        return Film(CameraTracker(camera, config or TrackerConfig()))

    return make


@pytest.fixture
def person() -> Callable[..., list[float]]:
    """``person(x, y, height)``: the box of somebody standing there."""
    return person_box


@pytest.fixture
def looks() -> Callable[..., PartEmbeddings]:
    """``looks(people, noise, seed)``: their embeddings."""
    return person_looks
