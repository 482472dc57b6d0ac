"""The tracking unit: one camera, or one calibrated group of overlapping cameras."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from data.records import EmbedRequest, Image, PartEmbeddings, Poses, TrackletEvent, Tracks, View

Embed = Callable[[Sequence[EmbedRequest]], list[PartEmbeddings]]
"""An appearance model: one ``PartEmbeddings`` per request, row-aligned with its boxes."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a tracker needs to know before it can decide about one instant.

    Attributes:
        views: the views it was given, in the same order; they may get skeletons before ``commit``.
        wanted: per view, the rows of its detections (int64, rising) that need an appearance.
        state: the tracker's own; passed back to ``commit`` unread.
    """

    views: tuple[View, ...]
    wanted: tuple[NDArray[np.int64], ...]
    state: Any = None


def embed_request(view: View, image: Image, rows: NDArray[np.int64]) -> EmbedRequest:
    """What to ask an appearance model about some rows of a view; skeletons of the other rows are negatives."""
    poses = Poses.empty() if view.poses is None else view.poses.select(rows)
    return EmbedRequest(
        image=image,
        boxes=view.detections.boxes[rows],
        keypoints=None if view.poses is None else poses.keypoints,
        negatives=poses.spare_keypoints,
        camera=view.camera,
    )


class ScopeTracker(Protocol):
    """Tracks one scope. Instants arrive in rising time; a dropped frame is just a longer step."""

    cameras: tuple[str, ...]

    def propose(self, views: Sequence[View]) -> Proposal:
        """Predict to the instant of the views, gate, and say which rows need appearance.

        A camera scope gets exactly one view. A group scope gets the views of its cameras that fall within the sync
        tolerance of one instant.
        """
        ...

    def commit(
        self, proposal: Proposal, embeddings: Sequence[PartEmbeddings | None]
    ) -> tuple[list[Tracks], list[TrackletEvent]]:
        """Decide, given the appearance of the wanted rows.

        Args:
            proposal: what ``propose`` returned for this instant.
            embeddings: per view, all N rows of its detections ("no evidence" where none was asked for), or None when
                no appearance model runs.

        Returns:
            Tracks per view, and what happened to tracklets.
        """
        ...

    def flush(self) -> list[TrackletEvent]:
        """Close every live tracklet: the input has ended."""
        ...

    def reset(self) -> None:
        """Forget everything, ids included, so that the object can track another video."""
        ...

    def state(self) -> dict[str, Any]:
        """Everything a resumed run needs, as a tree for ``data.formats.state``."""
        ...

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from ``state``; what follows is what would have followed."""
        ...
