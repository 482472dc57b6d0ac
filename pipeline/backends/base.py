"""The protocols every perception back-end follows."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from data.records import Detections, Image, Poses
from data.weight_records import ResolvedWeights
from pipeline.backends.config import DetectorConfig, PoseConfig
from reid.config import ReidConfig
from reid.embedders.base import Embedder


@runtime_checkable
class Detector(Protocol):
    """Finds people: one ``Detections`` per image, boxes in the pixels of that image."""

    def __call__(self, images: Sequence[Image]) -> list[Detections]:
        """Detect people in (H, W, 3) uint8 RGB images of any, also differing, sizes."""
        ...


@runtime_checkable
class OnePassPerceiver(Protocol):
    """A network that gives boxes and their skeletons together; usable as a detector and a pose estimator in one.

    Attributes:
        gives_poses: False where its weights find boxes only; then the skeletons are empty.
    """

    gives_poses: bool

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


class BuildDetector(Protocol):
    """Opens a detector.

    All back-ends are opened alike: with their section of the configuration, their weights (resolved, or a file), the
    device ("auto", "cpu", "cuda" or "cuda:<index>") and the CPU cores all networks together may use (0: all).
    """

    def __call__(
        self, config: DetectorConfig, weights: ResolvedWeights | str | Path, device: str = "auto", threads: int = 0, /
    ) -> Detector:
        """Open it; a ``UserError`` says what is wrong with the weights."""
        ...


class BuildNetwork(Protocol):
    """Opens a network of full pictures for its skeletons; see ``BuildDetector``."""

    def __call__(
        self, config: PoseConfig, weights: ResolvedWeights | str | Path, device: str = "auto", threads: int = 0, /
    ) -> OnePassPerceiver:
        """Open it."""
        ...


class BuildPoseEstimator(Protocol):
    """Opens an estimator that looks into each box; see ``BuildDetector``."""

    def __call__(
        self, config: PoseConfig, weights: ResolvedWeights | str | Path, device: str = "auto", threads: int = 0, /
    ) -> PoseEstimator:
        """Open it."""
        ...


class BuildEmbedder(Protocol):
    """Opens an appearance model; see ``BuildDetector``."""

    def __call__(
        self, config: ReidConfig, weights: ResolvedWeights | str | Path, device: str = "auto", threads: int = 0, /
    ) -> Embedder:
        """Open it."""
        ...
