"""The tracker of a scope: of a camera by name, of a group on the ground."""

from typing import Protocol

from data.errors import UserError
from data.registry import Registry
from data.site import Scope, Site
from trackers.config import TrackerConfig
from trackers.scope import ScopeTracker


class BuildTracker(Protocol):
    """Makes the tracker of one camera."""

    def __call__(self, camera: str, config: TrackerConfig, /) -> ScopeTracker:
        """Make it; nothing is seen yet."""
        ...


CAMERA_TRACKERS: Registry[BuildTracker] = Registry("tracker", {"hungarian": "trackers.camera:CameraTracker"})


def build_tracker(scope: Scope, site: Site, config: TrackerConfig) -> ScopeTracker:
    """Make the tracker of one scope.

    Args:
        scope: a camera by itself, or a group.
        site: calibration and clocks of a group's cameras.
        config: the tracker's settings; ``name`` chooses the tracker of a camera.

    Raises:
        UserError: for an unknown name, or a camera of a group without calibration.
    """
    if scope.group is None:
        return CAMERA_TRACKERS.load(config.name)(scope.cameras[0], config)
    # Imports much of SciPy, for which a run without groups need not wait.
    from trackers.group.tracker import GroupTracker

    models = {}
    for camera in scope.cameras:
        model = site.model(camera)
        if model is None:
            raise UserError(
                f"camera '{camera}' of group '{scope.name}' has no calibration; give cameras.{camera}.calibration"
            )
        models[camera] = model
    clocks = {camera: site.clock(camera) for camera in scope.cameras}
    return GroupTracker(scope.name, models, config, clocks, scope.group.area)
