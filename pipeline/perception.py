"""From decoded frames, or from detection files, to the views the trackers work on."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from data.records import Detections, Image, PartEmbeddings, Poses, View
from pipeline.backends.base import Perceiver
from pipeline.batching import TimedFrame
from pipeline.stage_clock import StageClock


@dataclass(frozen=True, slots=True)
class Perceived:
    """One camera at one instant, ready for its tracker.

    Attributes:
        common_s: seconds on the common clock.
        view: what was found in the frame.
        image: (H, W, 3) uint8 RGB, or None when the run starts from detection files.
        embeddings: appearance of every row where a file gave it, else None: the embedder is asked on demand.
    """

    common_s: float
    view: View
    image: Image | None = None
    embeddings: PartEmbeddings | None = None


def perceive(
    batches: Iterable[Sequence[TimedFrame]], perceiver: Perceiver, clock: StageClock
) -> Iterator[list[Perceived]]:
    """Detect people, and estimate poses where configured, batch by batch."""
    for batch in batches:
        with clock.measure("perceive", len(batch)):
            found = perceiver([timed.frame.image for timed in batch])
        yield [
            Perceived(timed.common_s, _view(timed, detections, poses), timed.frame.image)
            for timed, (detections, poses) in zip(batch, found, strict=True)
        ]


def _view(timed: TimedFrame, detections: Detections, poses: Poses | None) -> View:
    frame = timed.frame
    height, width = frame.image.shape[:2]
    return View(frame.camera, frame.index, frame.time_s, (width, height), detections, poses)
