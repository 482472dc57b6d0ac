"""The protocols every perception back-end follows."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from data.records import Detections, Image, Poses


@runtime_checkable
class Detector(Protocol):
    """Finds people: one ``Detections`` per image, boxes in the pixels of that image."""

    def __call__(self, images: Sequence[Image]) -> list[Detections]:
        """Detect people in (H, W, 3) uint8 RGB images of any, also differing, sizes."""
        ...


@runtime_checkable
class OnePassPerceiver(Protocol):
    """A network that gives boxes and their skeletons together; usable as a detector and a pose estimator in one."""

    def perceive(self, images: Sequence[Image]) -> list[tuple[Detections, Poses]]:
        """Detect people and their keypoints in (H, W, 3) uint8 RGB images."""
        ...


@runtime_checkable
class PoseEstimator(Protocol):
    """Gives keypoints for boxes that are already there.

    A top-down estimator looks into each box; a bottom-up one finds the skeletons of the whole image and matches them to
    the boxes (``reid.prompts.assignment.match_skeletons``), leaving the rest as ``spare_keypoints``.
    """

    def estimate(self, images: Sequence[Image], detections: Sequence[Detections]) -> list[Poses]:
        """One ``Poses`` per image, row-aligned with its detections."""
        ...


class Perceiver(Protocol):
    """What the runner calls: boxes, and skeletons where a pose estimator is configured."""

    def __call__(self, images: Sequence[Image]) -> list[tuple[Detections, Poses | None]]:
        """Look at (H, W, 3) uint8 RGB images of any, also differing, sizes."""
        ...
