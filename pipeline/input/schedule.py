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
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from data.errors import UserError
from data.formats.detections_in import CameraDetections
from data.kernels.boxes import iou_matrix
from data.records import Detections, FloatArray, Frame
from pipeline.backends.config import PaceConfig
from pipeline.input.change import Background, blocks_of, covered

_TICK_S = 1e-6
_NOBODY: tuple[FloatArray, FloatArray] = np.zeros((0, 4), np.float32), np.zeros(0, np.float32)


@dataclass(frozen=True, slots=True)
class Watch:
    """What is remembered of one camera.

    Attributes:
        background: at the last look.
        looked_s: source time of the last look, seconds.
        alert_s: every frame is looked at up to this source time.
        stirred_s: source time of the last look at which something had changed where people are, or others were found.
        boxes: (N, 4) float32 everybody found at the last look, xyxy px.
        scores: (N,) float32 of the boxes.
    """

    background: Background
    looked_s: float
    alert_s: float
    stirred_s: float
    boxes: FloatArray
    scores: FloatArray

    def tree(self) -> dict[str, Any]:
        """Plain values and arrays, for a checkpoint."""
        return {
            "blocks": self.background.blocks,
            "noise": self.background.noise,
            "looked_s": self.looked_s,
            "alert_s": self.alert_s,
            "stirred_s": self.stirred_s,
            "boxes": self.boxes,
            "scores": self.scores,
        }

    @staticmethod
    def from_tree(tree: Mapping[str, Any]) -> "Watch":
        """Read back what ``tree`` gave."""
        background = Background(np.asarray(tree["blocks"], np.uint8), np.asarray(tree["noise"], np.float32))
        boxes, scores = np.asarray(tree["boxes"], np.float32), np.asarray(tree["scores"], np.float32)
        # Runs that began before pictures could rest tell no such time.
        stirred_s = tree.get("stirred_s", tree["looked_s"])
        return Watch(background, tree["looked_s"], tree["alert_s"], stirred_s, boxes, scores)


class LookSchedule(Protocol):
    """Says which frames are looked at; frames of a camera come in their order."""

    def due(self, frame: Frame) -> bool:
        """Whether a frame is to be looked at. Changes nothing."""
        ...

    def looked(self, frame: Frame, found: Detections) -> None:
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

    def looked(self, frame: Frame, found: Detections) -> None:
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
        people = watch.boxes[watch.scores >= config.score]
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

    def looked(self, frame: Frame, found: Detections) -> None:
        """Remember a look."""
        config = self._config
        blocks = blocks_of(frame)
        watch = self._watches.get(frame.camera)
        if watch is None or watch.background.blocks.shape != blocks.shape:
            watch = Watch(Background.of(blocks), frame.time_s, frame.time_s, frame.time_s, *_NOBODY)
        people = covered(np.concatenate([found.boxes, watch.boxes]), frame.size, blocks.shape[:2], config.reach)
        moved = _differ(watch.boxes, watch.scores, found.boxes, found.scores, config.sure)
        stirred = bool((watch.background.changed(watch.background.differences(blocks)) & people).any())
        stirred = stirred or _differ(watch.boxes, watch.scores, found.boxes, found.scores, config.score)
        elapsed_s, until_s = max(frame.time_s - watch.looked_s, 0.0), frame.time_s + config.alert_s
        self._watches[frame.camera] = replace(
            watch,
            background=watch.background.after_look(blocks, elapsed_s, people),
            looked_s=frame.time_s,
            alert_s=until_s if moved else min(watch.alert_s, until_s),
            stirred_s=frame.time_s if stirred else min(watch.stirred_s, frame.time_s),
            boxes=found.boxes,
            scores=found.scores,
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


def _differ(boxes: FloatArray, scores: FloatArray, later: FloatArray, later_scores: FloatArray, least: float) -> bool:
    """Somebody of at least this score has come or gone between two looks."""
    return _unmatched(boxes, scores, later, least) or _unmatched(later, later_scores, boxes, least)


def _unmatched(boxes: FloatArray, scores: FloatArray, others: FloatArray, least: float) -> bool:
    """Somebody of at least this score overlaps none of the others, weak ones included."""
    return bool((~(iou_matrix(boxes[scores >= least], others) > 0).any(axis=1)).any())


def _close(boxes: FloatArray, least_iou: float) -> bool:
    overlap = iou_matrix(boxes, boxes)
    np.fill_diagonal(overlap, 0.0)
    return bool((overlap > least_iou).any())
