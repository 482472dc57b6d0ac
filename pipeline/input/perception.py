"""From decoded frames, or from detection files, to the views the trackers work on."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from data.formats.detections_in import CameraDetections
from data.records import Detections, Image, PartEmbeddings, Poses, View
from data.runtime.cores import computed_ahead
from data.runtime.stage_clock import StageClock
from data.runtime.uploads import share
from pipeline.backends.base import Perceiver
from pipeline.folder.stages import Stage
from pipeline.input.batching import Instant, TimedFrame
from pipeline.input.schedule import LookSchedule


@dataclass(frozen=True, slots=True)
class Perceived:
    """One camera at one instant, ready for its tracker.

    Attributes:
        view: what was found in the frame, and when on the common clock.
        image: (H, W, 3) uint8 RGB, or None where nobody looked, or the run starts from detection files.
        embeddings: appearance of every row where a file gave it, else None: the embedder is asked on demand.
        looked: False where nobody looked for people: that the view shows none says nothing.
    """

    view: View
    image: Image | None = None
    embeddings: PartEmbeddings | None = None
    looked: bool = True

    @property
    def common_s(self) -> float:
        """Seconds on the common clock."""
        return self.view.common_s


@dataclass(frozen=True, slots=True)
class PerceivedBatch:
    """What perception hands to tracking at once.

    Attributes:
        instants: in the global order; the frames of one are looked at together by the tracker of their scope.
        memory: what perception must be told to go on after this batch, as a tree for ``data.formats.state``.
    """

    instants: list[list[Perceived]]
    memory: Mapping[str, Any] = field(default_factory=dict)


Look = Callable[[Sequence[TimedFrame]], list[tuple[Detections, Poses | None]]]
"""Finds the people, and where configured their skeletons, of some frames."""


def look_at(perceiver: Perceiver) -> Look:
    """People are found by networks, ahead of the tracker: what it asks for meanwhile goes first."""

    def people(batch: Sequence[TimedFrame]) -> list[tuple[Detections, Poses | None]]:
        images = [timed.frame.image for timed in batch]
        share(images)
        with computed_ahead():
            return perceiver(images)

    return people


def look_up(found: Mapping[str, CameraDetections]) -> Look:
    """People are those of detection files; only their appearance is taken from the pictures."""

    def people(timed: TimedFrame) -> tuple[Detections, Poses | None]:
        given = found[timed.frame.camera]
        rows = given.rows(timed.frame.index)
        detections = Detections(given.boxes[rows], given.scores[rows], given.class_ids[rows])
        poses = None if given.keypoints is None else Poses(given.keypoints[rows], np.zeros((0, 17, 3), np.float32))
        return detections, poses

    return lambda batch: [people(timed) for timed in batch]


def perceive(
    batches: Iterable[Sequence[Instant]], look: Look, clock: StageClock, schedule: LookSchedule | None = None
) -> Iterator[PerceivedBatch]:
    """Find people, and skeletons where configured, batch by batch; instants stay together.

    Args:
        batches: in the global order.
        look: finds people.
        clock: takes the timings.
        schedule: says which instants are worth a look; None: all are.
    """
    for batch in batches:
        found: dict[int, list[tuple[Detections, Poses | None]]] = {}
        with clock.measure(Stage.PERCEIVE, sum(len(instant) for instant in batch)):
            for rows in [list(range(len(batch)))] if schedule is None else _turns(batch):
                due = [row for row in rows if schedule is None or any(schedule.due(one.frame) for one in batch[row])]
                frames = [timed for row in due for timed in batch[row]]
                people: list[tuple[Detections, Poses | None]] = []
                if frames:
                    with clock.measure(Stage.LOOK, len(frames)):
                        people = look(frames)
                if schedule is not None:
                    for timed, (detections, _) in zip(frames, people, strict=True):
                        schedule.looked(timed.frame, detections)
                rest = iter(people)
                found |= {row: [next(rest) for _ in batch[row]] for row in due}
        instants = [
            [
                Perceived(_view(timed, *people), timed.frame.image if row in found else None, looked=row in found)
                for timed, people in zip(
                    instant, found.get(row, [(Detections.empty(), None)] * len(instant)), strict=True
                )
            ]
            for row, instant in enumerate(batch)
        ]
        yield PerceivedBatch(instants, {} if schedule is None else schedule.memory())


def _turns(batch: Sequence[Instant]) -> list[list[int]]:
    """Split a batch into turns in which no camera appears twice: a schedule decides by what was found just before."""
    next_turn: dict[str, int] = {}
    turns: list[list[int]] = []
    for row, instant in enumerate(batch):
        turn = max(next_turn.get(timed.frame.camera, 0) for timed in instant)
        next_turn |= {timed.frame.camera: turn + 1 for timed in instant}
        if turn == len(turns):
            turns.append([])
        turns[turn].append(row)
    return turns


def _view(timed: TimedFrame, detections: Detections, poses: Poses | None) -> View:
    frame = timed.frame
    return View(frame.camera, frame.index, frame.time_s, frame.size, detections, poses, timed.common_s)
