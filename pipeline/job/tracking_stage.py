"""The tracking stage: propose, ask for appearance, commit; batch by batch over all scopes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from data.records import PartEmbeddings, Tracklet, Tracks
from data.runtime.stage_clock import StageClock
from pipeline.folder.stages import Stage
from pipeline.input.batching import rounds
from pipeline.input.perception import Perceived
from pipeline.job.poses_on_demand import PosesOnDemand
from pipeline.job.tracklet_crops import CropCollector
from reid.embedders.base import Embedder
from trackers.scope import Proposal, ScopeTracker, embed_request

TrackListener = Callable[[Perceived, Tracks], None]


def round_to_half(embeddings: PartEmbeddings) -> PartEmbeddings:
    """Round to float16 values, so that what is decided now and what is decided from stored tracklets agree."""
    return replace(
        embeddings,
        vectors=embeddings.vectors.astype(np.float16).astype(np.float32),
        visibility=embeddings.visibility.astype(np.float16).astype(np.float32),
    )


class TrackingStage:
    """Feeds perceived frames to the trackers of all scopes and hands on the tracklets they close."""

    def __init__(
        self,
        scopes: Sequence[ScopeTracker],
        embedder: Embedder | None,
        crops: CropCollector | None,
        closed: Callable[[Tracklet], None],
        clock: StageClock,
        listener: TrackListener | None = None,
        poses: PosesOnDemand | None = None,
    ) -> None:
        """Set the stage up.

        Args:
            scopes: one tracker per scope.
            embedder: appearance model; None where embeddings come with the input, or none are used.
            crops: collects pictures of tracklets, or None.
            closed: called with every tracklet that is complete, in a reproducible order.
            clock: takes the timings.
            listener: sees the tracks of every frame (live overlays).
            poses: skeletons of those whose appearance is asked for; None where views have theirs, or need none.
        """
        self._scopes = list(scopes)
        self._scope_of = {camera: number for number, scope in enumerate(scopes) for camera in scope.cameras}
        self._embedder = embedder
        self._crops = crops
        self._closed = closed
        self._clock = clock
        self._listener = listener
        self._poses = poses
        self.counts: dict[str, dict[str, int]] = {
            camera: {"frames": 0, "looks": 0, "detections": 0, "embeddings": 0, "tracklets": 0}
            for camera in self._scope_of
        }
        self.last_frame: dict[str, int] = dict.fromkeys(self._scope_of, -1)

    def process(self, batch: Sequence[Sequence[Perceived]]) -> None:
        """Track one batch of instants, which are in the global order.

        Trackers are not told of frames in which nobody looked: to them a dropped frame is just a longer step.
        """
        for item in (item for instant in batch for item in instant):
            self.counts[item.view.camera]["frames"] += 1
            self.last_frame[item.view.camera] = item.view.frame_index
        self._track([instant for instant in batch if instant[0].looked])

    def finish(self) -> None:
        """The input has ended: close every live tracklet."""
        for scope in self._scopes:
            self._close([event.tracklet for event in scope.flush() if event.kind == "closed"])

    def state(self) -> dict[str, Any]:
        """Everything a resumed run needs, as a tree for ``data.formats.state``."""
        return {
            "scopes": [scope.state() for scope in self._scopes],
            "crops": None if self._crops is None else self._crops.state(),
            "counts": self.counts,
            "last_frame": self.last_frame,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from ``state``."""
        for scope, inner in zip(self._scopes, state["scopes"], strict=True):
            scope.restore(inner)
        if self._crops is not None and state["crops"] is not None:
            self._crops.restore(state["crops"])
        self.counts = state["counts"]
        self.last_frame = state["last_frame"]

    def _track(self, batch: Sequence[Sequence[Perceived]]) -> None:
        numbers = [self._scope_of[instant[0].view.camera] for instant in batch]
        for rows in rounds(numbers):
            instants, scopes = [list(batch[row]) for row in rows], [self._scopes[numbers[row]] for row in rows]
            with self._clock.measure(Stage.TRACK, sum(len(instant) for instant in instants)):
                proposals = [
                    scope.propose([item.view for item in instant])
                    for scope, instant in zip(scopes, instants, strict=True)
                ]
            if self._poses is not None:
                instants, proposals = self._poses(instants, proposals)
            embeddings = iter(self._embed(instants, proposals))
            for scope, instant, proposal in zip(scopes, instants, proposals, strict=True):
                appearance = [next(embeddings) for _ in instant]
                with self._clock.measure(Stage.TRACK, 0):
                    tracks, events = scope.commit(proposal, appearance)
                for item, rows_of_view in zip(instant, tracks, strict=True):
                    self._after_commit(item, rows_of_view)
                self._close([event.tracklet for event in events if event.kind == "closed"])

    def _embed(
        self, instants: Sequence[Sequence[Perceived]], proposals: Sequence[Proposal]
    ) -> list[PartEmbeddings | None]:
        """Appearance of every row, view by view over all instants; rows nobody asked for are "no evidence"."""
        items = [item for instant in instants for item in instant]
        wanted_rows = [wanted for proposal in proposals for wanted in proposal.wanted]
        found: list[PartEmbeddings | None] = [
            None if item.embeddings is None else round_to_half(item.embeddings) for item in items
        ]
        if self._embedder is None:
            return found
        asked = [
            (number, wanted, embed_request(item.view, item.image, wanted))
            for number, (item, wanted) in enumerate(zip(items, wanted_rows, strict=True))
            if item.embeddings is None and item.image is not None and len(wanted)
        ]
        if not asked:
            return found
        with self._clock.measure(Stage.REID, sum(len(wanted) for _, wanted, _ in asked)):
            described = self._embedder([request for _, _, request in asked])
        for (number, wanted, _), embeddings in zip(asked, described, strict=True):
            view = items[number].view
            found[number] = round_to_half(embeddings).scatter(wanted, len(view.detections))
            self.counts[view.camera]["embeddings"] += len(wanted)
        return found

    def _after_commit(self, item: Perceived, tracks: Tracks) -> None:
        view = item.view
        counts = self.counts[view.camera]
        if not item.repeated:
            counts["looks"] += 1
            counts["detections"] += len(view.detections)
        if self._crops is not None and item.image is not None:
            with self._clock.measure(Stage.CROPS):
                self._crops.offer(view, item.image, tracks)
        if self._listener is not None:
            self._listener(item, tracks)

    def _close(self, tracklets: Sequence[Tracklet]) -> None:
        for tracklet in tracklets:
            self.counts[tracklet.camera]["tracklets"] += 1
            self._closed(tracklet)
