"""Tracking inside one scope: motion, costs, gated assignment, track life cycle, tracklets.

    from data.records import Detections
    from trackers import CameraTracker

    tracker = CameraTracker("hall")
    for time_s, image, boxes, scores in your_detector():
        tracks = tracker.update(Detections.of_people(boxes, scores), time_s, image)
    tracklets = tracker.finish()

What is exported is imported when it is first used.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trackers.camera import CameraTracker
    from trackers.config import TrackerConfig
    from trackers.group.tracker import GroupTracker
    from trackers.registry import build_tracker
    from trackers.scope import Proposal, ScopeTracker
else:
    from data.exports import lazily

    __getattr__, __dir__ = lazily(
        __name__,
        {
            "CameraTracker": "trackers.camera",
            "GroupTracker": "trackers.group.tracker",
            "Proposal": "trackers.scope",
            "ScopeTracker": "trackers.scope",
            "TrackerConfig": "trackers.config",
            "build_tracker": "trackers.registry",
        },
    )

__all__ = [
    "CameraTracker",
    "GroupTracker",
    "Proposal",
    "ScopeTracker",
    "TrackerConfig",
    "build_tracker",
]
