"""When a camera is worth a look: detection at full rate where something happens, seldom where nothing does.

A frame is decided upon by its picture and by what was found in the frames looked at before, in the order of the frames.
So the decision is the same however fast the threads are and however frames are batched, and a resumed run, which gets
the memory back, decides as an unbroken one.

* every frame: when a block changed where nobody is known; for a while after somebody appeared or was missed; while
  people are so near one another that they could be taken for one another;
* every ``carry_s``: people who are known walk, each by himself; between two looks their motion carries them;
* every ``floor_s``: nothing changes; who stands still stays known;
* every ``rest_s``: nothing changes, nor has for ``rest_after_s`` where people are, and who was found was found again
  each time: somebody who stands or sits, or a thing taken for a person;
* every ``empty_s``: nothing changes, and there is nobody.

A network that gets the same picture finds the same people. So a resting picture, empty or not, that is the same as the
one looked at last, by a stricter test than the one for changes, is not given to the networks again but every
``same_s``: whom they found counts as found again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

import numpy as np

from data.errors import UserError
from data.formats.detections_in import CameraDetections
from data.kernels.boxes import iou_matrix
from data.records import Detections, FloatArray, Frame, Poses
from pipeline.backends.config import PaceConfig
from pipeline.input.change import Background, blocks_of, covered

_TICK_S = 1e-6

Found = tuple[Detections, Poses | None]
"""Who is in a frame, with skeletons where the detector's pass gives them."""


@dataclass(frozen=True, slots=True)
class Watch:
    """What is remembered of one camera.

    Attributes:
        background: at the last look.
        looked_s: source time of the last look, or of the last time that its find was repeated, seconds.
        seen_s: source time of the last look.
        alert_s: every frame is looked at up to this source time.
        stirred_s: source time of the last look at which something had changed where people are, or others were found.
        found: everybody found at the last look.
        poses: their skeletons, where the look gave them.
    """

    background: Background
    looked_s: float
    seen_s: float
    alert_s: float
    stirred_s: float
    found: Detections
    poses: Poses | None = None

    def tree(self) -> dict[str, Any]:
        """Plain values and arrays, for a checkpoint."""
        return {
            "blocks": self.background.blocks,
            "noise": self.background.noise,
            "looked_s": self.looked_s,
            "seen_s": self.seen_s,
            "alert_s": self.alert_s,
            "stirred_s": self.stirred_s,
            "boxes": self.found.boxes,
            "scores": self.found.scores,
            "class_ids": self.found.class_ids,
            "poses": None if self.poses is None else asdict(self.poses),
        }

    @staticmethod
    def from_tree(tree: Mapping[str, Any]) -> "Watch":
        """Read back what ``tree`` gave."""
        background = Background(np.asarray(tree["blocks"], np.uint8), np.asarray(tree["noise"], np.float32))
        boxes, scores = np.asarray(tree["boxes"], np.float32), np.asarray(tree["scores"], np.float32)
        # Runs that began before pictures could rest, or finds be repeated, tell neither time, nor classes: all people.
        stirred_s, seen_s = tree.get("stirred_s", tree["looked_s"]), tree.get("seen_s", tree["looked_s"])
        classes = np.asarray(tree.get("class_ids", np.zeros(len(boxes))), np.int64)
        poses = None if tree.get("poses") is None else Poses(**tree["poses"])
        found = Detections(boxes, scores, classes)
        return Watch(background, tree["looked_s"], seen_s, tree["alert_s"], stirred_s, found, poses)


class LookSchedule(Protocol):
    """Says which frames are looked at; frames of a camera come in their order."""

    def due(self, frame: Frame) -> bool:
        """Whether a frame is to be looked at. Changes nothing."""
        ...

    def repeat(self, frames: Sequence[Frame]) -> list[Found] | None:
        """Of frames that are due together: whom looks would find again; remembered like looks. None: look."""
        ...

    def looked(self, frame: Frame, found: Found) -> None:
        """Remember a look."""
        ...

    def memory(self) -> dict[str, Any]:
        """Everything a resumed run needs, as a tree for ``data.formats.state``."""
        ...

    def restore(self, memory: Mapping[str, Any]) -> None:
        """Go on from ``memory``."""
        ...


class GivenLooks:
    """Looks were made elsewhere: due are the frames that detection files tell of."""

    def __init__(self, found: Mapping[str, CameraDetections]) -> None:
        self._found = found

    def due(self, frame: Frame) -> bool:
        """Whether the file of the frame's camera tells who is in it."""
        return self._found[frame.camera].looks_at(frame.index)

    def repeat(self, frames: Sequence[Frame]) -> None:
        """A file is looked up."""

    def looked(self, frame: Frame, found: Found) -> None:
        """Files need no memory."""

    def memory(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def restore(self, memory: Mapping[str, Any]) -> None:
        """Nothing was remembered."""


class Schedule:
    """Decides which frames are looked at (``detector.schedule: auto``)."""

    def __init__(self, config: PaceConfig) -> None:
        self._config = config
        self._watches: dict[str, Watch] = {}

    def due(self, frame: Frame) -> bool:
        """Whether a frame is to be looked at; frames of a camera come in their order. Changes nothing."""
        watch = self._watches.get(frame.camera)
        if watch is None:
            return True
        config = self._config
        people = watch.found.boxes[watch.found.scores >= config.score]
        since_s = frame.time_s - watch.looked_s
        resting, close = frame.time_s - watch.stirred_s >= config.rest_after_s, _close(people, config.close_iou)
        if since_s <= 0 or frame.time_s <= watch.alert_s + _TICK_S or (close and not resting):
            return True
        floor_s = config.rest_s if resting else config.floor_s
        if since_s >= (floor_s if len(people) else config.empty_s) - _TICK_S:
            return True
        blocks = blocks_of(frame)
        if blocks.shape != watch.background.blocks.shape:
            return True
        changed = watch.background.changed(watch.background.differences(blocks))
        known = covered(people, frame.size, changed.shape, config.reach)
        if (changed & ~known).any():
            return True
        return bool(changed.any()) and (close or since_s >= config.carry_s - _TICK_S)

    def repeat(self, frames: Sequence[Frame]) -> list[Found] | None:
        """Whom the last looks found, where all pictures rest and are the same as then; see the module's beginning."""
        watches = [self._watches[frame.camera] for frame in frames if self._repeats(frame)]
        if len(watches) < len(frames):
            return None
        for frame, watch in zip(frames, watches, strict=True):
            self._watches[frame.camera] = replace(watch, looked_s=frame.time_s)
        return [(watch.found, watch.poses) for watch in watches]

    def looked(self, frame: Frame, found: Found) -> None:
        """Remember a look."""
        config = self._config
        detections, poses = found
        blocks = blocks_of(frame)
        watch = self._watches.get(frame.camera)
        if watch is None or watch.background.blocks.shape != blocks.shape:
            times_s = (frame.time_s,) * 4
            watch = Watch(Background.of(blocks), *times_s, Detections.empty())
        boxes = np.concatenate([detections.boxes, watch.found.boxes])
        people = covered(boxes, frame.size, blocks.shape[:2], config.reach)
        moved = _differ(watch.found, detections, config.sure)
        stirred = bool((watch.background.changed(watch.background.differences(blocks)) & people).any())
        stirred = stirred or _differ(watch.found, detections, config.score)
        elapsed_s, until_s = max(frame.time_s - watch.looked_s, 0.0), frame.time_s + config.alert_s
        self._watches[frame.camera] = Watch(
            background=watch.background.after_look(blocks, elapsed_s, people),
            looked_s=frame.time_s,
            seen_s=frame.time_s,
            alert_s=until_s if moved else min(watch.alert_s, until_s),
            stirred_s=frame.time_s if stirred else min(watch.stirred_s, frame.time_s),
            found=detections,
            poses=poses,
        )

    def memory(self) -> dict[str, Any]:
        """Everything a resumed run needs, as a tree for ``data.formats.state``."""
        return {camera: watch.tree() for camera, watch in self._watches.items()}

    def restore(self, memory: Mapping[str, Any]) -> None:
        """Go on from ``memory``.

        Raises:
            UserError: when another version of this program remembered other things.
        """
        try:
            self._watches = {camera: Watch.from_tree(tree) for camera, tree in memory.items()}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UserError(
                f"the checkpoint of this run does not hold what detector.schedule auto remembers ({error!r}): another "
                "version of this program wrote it; resume with that version, or start again with --overwrite"
            ) from None

    def _repeats(self, frame: Frame) -> bool:
        watch, config = self._watches.get(frame.camera), self._config
        if watch is None or frame.time_s <= max(watch.alert_s, watch.looked_s) + _TICK_S:
            return False
        resting = frame.time_s - watch.stirred_s >= config.rest_after_s
        if not resting or frame.time_s - watch.seen_s >= config.same_s - _TICK_S:
            return False
        blocks = blocks_of(frame)
        return blocks.shape == watch.background.blocks.shape and watch.background.same(
            watch.background.differences(blocks)
        )


def _differ(found: Detections, later: Detections, least: float) -> bool:
    """Somebody of at least this score has come or gone between two looks."""
    return _unmatched(found, later, least) or _unmatched(later, found, least)


def _unmatched(found: Detections, others: Detections, least: float) -> bool:
    """Somebody of at least this score overlaps none of the others, weak ones included."""
    return bool((~(iou_matrix(found.boxes[found.scores >= least], others.boxes) > 0).any(axis=1)).any())


def _close(boxes: FloatArray, least_iou: float) -> bool:
    overlap = iou_matrix(boxes, boxes)
    np.fill_diagonal(overlap, 0.0)
    return bool((overlap > least_iou).any())
