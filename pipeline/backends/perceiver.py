"""Detection and pose estimation composed into the one call the runner makes."""

from collections.abc import Sequence

import numpy as np

from data.records import Detections, FloatArray, Image, Poses
from pipeline.backends.base import Detector, OnePassPerceiver, PoseEstimator
from pipeline.backends.selection import clean
from reid.prompts.assignment import match_skeletons, person_boxes

_NOTHING: FloatArray = np.zeros((0, 17, 3), np.float32)


class BoxPerceiver:
    """Boxes only."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector

    def __call__(self, images: Sequence[Image]) -> list[tuple[Detections, Poses | None]]:
        """See ``Perceiver``."""
        return [(found, None) for found in self._detector(images)]


class OnePass:
    """Boxes and skeletons from one network."""

    def __init__(self, network: OnePassPerceiver) -> None:
        self._network = network

    def __call__(self, images: Sequence[Image]) -> list[tuple[Detections, Poses | None]]:
        """See ``Perceiver``."""
        return list(self._network.perceive(images))


class TwoPass:
    """Boxes from a detector, then skeletons from a pose estimator."""

    def __init__(self, detector: Detector, estimator: PoseEstimator) -> None:
        self._detector, self._estimator = detector, estimator

    def __call__(self, images: Sequence[Image]) -> list[tuple[Detections, Poses | None]]:
        """See ``Perceiver``."""
        detections = self._detector(images)
        return list(zip(detections, self._estimator.estimate(images, detections), strict=True))


class MatchedPose:
    """A network that finds people and skeletons in the whole picture, used for its skeletons only."""

    def __init__(self, network: OnePassPerceiver, keypoint_min: float) -> None:
        """Wrap a network.

        Args:
            network: its boxes are ignored.
            keypoint_min: see ``reid.prompts.assignment.match_skeletons``.
        """
        self._network, self._keypoint_min = network, keypoint_min

    def estimate(self, images: Sequence[Image], detections: Sequence[Detections]) -> list[Poses]:
        """Match the skeletons of each picture to its boxes; the rest are spare, see ``PoseEstimator``."""
        return [
            match_skeletons(found.boxes, np.concatenate([poses.keypoints, poses.spare_keypoints]), self._keypoint_min)
            for found, (_, poses) in zip(detections, self._network.perceive(images), strict=True)
        ]


def boxes_from_skeletons(
    skeletons: FloatArray, scores: FloatArray, width: int, height: int, keypoint_min: float, max_detections: int
) -> tuple[Detections, Poses]:
    """People whose boxes are told from their skeletons; those too small for a box stay as spare skeletons.

    Args:
        skeletons: (M, 17, 3) px.
        scores: (M,) 0-1.
        width: of the frame, px.
        height: of the frame, px.
        keypoint_min: keypoints at or below it do not shape the box.
        max_detections: best boxes kept.
    """
    detections, kept = clean(person_boxes(skeletons, keypoint_min), scores, width, height, 1.0, max_detections)
    spare = np.ones(len(skeletons), bool)
    spare[kept] = False
    return detections, Poses(skeletons[kept], skeletons[spare] if spare.any() else _NOTHING)
