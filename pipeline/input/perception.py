"""From decoded frames, or from detection files, to the views the trackers work on."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from data.formats.detections_in import CameraDetections
from data.records import Detections, Image, PartEmbeddings, Poses, View
from data.runtime.stage_clock import StageClock
from pipeline.backends.base import Perceiver
from pipeline.folder.stages import Stage
from pipeline.input.batching import Instant, TimedFrame


@dataclass(frozen=True, slots=True)
class Perceived:
    """One camera at one instant, ready for its tracker.

    Attributes:
        view: what was found in the frame, and when on the common clock.
        image: (H, W, 3) uint8 RGB, or None when the run starts from detection files.
        embeddings: appearance of every row where a file gave it, else None: the embedder is asked on demand.
    """

    view: View
    image: Image | None = None
    embeddings: PartEmbeddings | None = None

    @property
    def common_s(self) -> float:
        """Seconds on the common clock."""
        return self.view.common_s


Look = Callable[[Sequence[TimedFrame]], list[tuple[Detections, Poses | None]]]
"""Finds the people, and where configured their skeletons, of some frames."""


def look_at(perceiver: Perceiver) -> Look:
    """People are found by networks."""
    return lambda batch: perceiver([timed.frame.image for timed in batch])


def look_up(found: Mapping[str, CameraDetections]) -> Look:
    """People are those of detection files; only their appearance is taken from the pictures."""

    def people(timed: TimedFrame) -> tuple[Detections, Poses | None]:
        given = found[timed.frame.camera]
        rows = given.rows(timed.frame.index)
        detections = Detections(given.boxes[rows], given.scores[rows], given.class_ids[rows])
        poses = None if given.keypoints is None else Poses(given.keypoints[rows], np.zeros((0, 17, 3), np.float32))
        return detections, poses

    return lambda batch: [people(timed) for timed in batch]


def perceive(batches: Iterable[Sequence[Instant]], look: Look, clock: StageClock) -> Iterator[list[list[Perceived]]]:
    """Find people, and skeletons where configured, batch by batch; instants stay together."""
    for batch in batches:
        frames = [timed for instant in batch for timed in instant]
        with clock.measure(Stage.PERCEIVE, len(frames)):
            found = iter(look(frames))
        yield [
            [Perceived(_view(timed, *people), timed.frame.image) for timed, people in zip(instant, found)]
            for instant in batch
        ]


def _view(timed: TimedFrame, detections: Detections, poses: Poses | None) -> View:
    frame = timed.frame
    height, width = frame.image.shape[:2]
    return View(frame.camera, frame.index, frame.time_s, (width, height), detections, poses, timed.common_s)
