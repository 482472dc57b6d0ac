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
from pipeline.input.schedule import Found, LookSchedule


@dataclass(frozen=True, slots=True)
class Perceived:
    """One camera at one instant, ready for its tracker.

    Attributes:
        view: what was found in the frame, and when on the common clock.
        image: (H, W, 3) uint8 RGB; None where no network looked, or the run starts from detection files.
        embeddings: appearance of every row where a file gave it, else None: the embedder is asked on demand.
        looked: False where nobody looked for people: that the view shows none says nothing.
        repeated: the picture is that of the last look, and so are the people; no network was asked.
    """

    view: View
    image: Image | None = None
    embeddings: PartEmbeddings | None = None
    looked: bool = True
    repeated: bool = False

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


Look = Callable[[Sequence[TimedFrame]], list[Found]]
"""Finds the people, and where configured their skeletons, of some frames."""


def look_at(perceiver: Perceiver) -> Look:
    """People are found by networks, ahead of the tracker: what it asks for meanwhile goes first."""

    def people(batch: Sequence[TimedFrame]) -> list[Found]:
        images = [timed.frame.image for timed in batch]
        share(images)
        with computed_ahead():
            return perceiver(images)

    return people


def look_up(found: Mapping[str, CameraDetections]) -> Look:
    """People are those of detection files; only their appearance is taken from the pictures."""

    def people(timed: TimedFrame) -> Found:
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
        repeated: dict[int, list[Found]] = {}
        with clock.measure(Stage.PERCEIVE, sum(len(instant) for instant in batch)):
            if schedule is None:
                seen = _look_at_rows(batch, range(len(batch)), look, clock)
            else:
                seen, repeated = _look_where_due(batch, look, clock, schedule)
        found = seen | repeated
        instants = [
            [
                Perceived(
                    _view(timed, *people),
                    timed.frame.image if row in seen else None,
                    looked=row in found,
                    repeated=row in repeated,
                )
                for timed, people in zip(
                    instant, found.get(row, [(Detections.empty(), None)] * len(instant)), strict=True
                )
            ]
            for row, instant in enumerate(batch)
        ]
        yield PerceivedBatch(instants, {} if schedule is None else schedule.memory())


def _look_where_due(
    batch: Sequence[Instant], look: Look, clock: StageClock, schedule: LookSchedule
) -> tuple[dict[int, list[Found]], dict[int, list[Found]]]:
    """People of the instants that are due, by their rows: of those that were looked at, and of those repeated."""
    seen: dict[int, list[Found]] = {}
    repeated: dict[int, list[Found]] = {}
    for rows in _turns(batch):
        due = [row for row in rows if any(schedule.due(timed.frame) for timed in batch[row])]
        for row in due:
            again = schedule.repeat([timed.frame for timed in batch[row]])
            if again is not None:
                repeated[row] = again
        now = _look_at_rows(batch, [row for row in due if row not in repeated], look, clock)
        for row, found in now.items():
            for timed, people in zip(batch[row], found, strict=True):
                schedule.looked(timed.frame, people)
        seen |= now
    return seen, repeated


def _look_at_rows(
    batch: Sequence[Instant], rows: Sequence[int], look: Look, clock: StageClock
) -> dict[int, list[Found]]:
    """People of some instants, looked at together."""
    frames = [timed for row in rows for timed in batch[row]]
    if not frames:
        return {}
    with clock.measure(Stage.LOOK, len(frames)):
        people = iter(look(frames))
    return {row: [next(people) for _ in batch[row]] for row in rows}


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
