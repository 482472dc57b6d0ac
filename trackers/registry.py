"""Trackers by name."""

from collections.abc import Mapping, Sequence

from data.errors import UserError
from data.registry import resolve
from trackers.config import TrackerConfig
from trackers.scope import ScopeTracker

CAMERA_TRACKERS: Mapping[str, str] = {"hungarian": "trackers.camera:CameraTracker"}


def build_tracker(scope_cameras: Sequence[str], config: TrackerConfig) -> ScopeTracker:
    """Make the tracker of one scope.

    Args:
        scope_cameras: names of the scope's cameras.
        config: the tracker's settings; ``name`` chooses the tracker.

    Raises:
        UserError: for an unknown name, no camera, or several: a group of overlapping cameras is tracked on the ground
            plane, for which this version has no tracker.
    """
    if len(scope_cameras) != 1:
        names = ", ".join(scope_cameras) or "none"
        raise UserError(
            f"a tracker follows one camera, not a group ({names}): this version cannot track overlapping cameras "
            "together on the ground plane; leave 'groups' out of the site file to track each camera by itself"
        )
    tracker: ScopeTracker = resolve("tracker", config.name, CAMERA_TRACKERS)(scope_cameras[0], config)
    return tracker
