"""Trackers are chosen by what they follow."""

import pytest

from data.errors import UserError
from data.site import Scope, Site
from trackers.camera import CameraTracker
from trackers.config import TrackerConfig
from trackers.group.tracker import GroupTracker
from trackers.registry import CAMERA_TRACKERS, build_tracker

# Three metres above the ground, six metres south of its origin, looking north and half a radian down.
VIEW = {
    "K": [[500.0, 0, 320], [0, 500, 240], [0, 0, 1]],
    "R": [[1.0, 0, 0], [0, -0.4794255, -0.8775826], [0, 0.8775826, -0.4794255]],
    "t": [0.0, -0.2438052, 6.7037721],
}
KNOWN = {"size": [640, 480], "calibration": VIEW, "clock": {"status": "common"}}
SITE = Site.model_validate(
    {
        "cameras": {"a": KNOWN, "b": KNOWN, "c": {}, "d": KNOWN},
        "groups": [{"name": "hall", "cameras": ["a", "b", "d"]}],
    }
)


def test_a_camera_by_itself() -> None:
    tracker = build_tracker(Scope("c", ("c",)), SITE, TrackerConfig())
    assert isinstance(tracker, CameraTracker)
    assert tracker.cameras == ("c",)


def test_a_group() -> None:
    alone, group = SITE.scopes(("c", "d", "a"))
    assert (alone.name, alone.cameras) == ("c", ("c",))
    assert (group.name, group.cameras) == ("hall", ("d", "a")), "cameras that are not in the run are left out"
    tracker = build_tracker(group, SITE, TrackerConfig())
    assert isinstance(tracker, GroupTracker)
    assert (tracker.name, tracker.cameras) == ("hall", ("d", "a"))


def test_unknown_name_gives_the_nearest() -> None:
    with pytest.raises(UserError, match=r"unknown tracker 'hungarain'.*did you mean 'hungarian'"):
        build_tracker(Scope("c", ("c",)), SITE, TrackerConfig(name="hungarain"))


class Still(CameraTracker):
    """A tracker of one's own."""


def test_a_tracker_is_one_module_and_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CAMERA_TRACKERS, "still", f"{__name__}:Still")
    assert isinstance(build_tracker(Scope("c", ("c",)), SITE, TrackerConfig(name="still")), Still)
    with pytest.raises(UserError, match="there are: hungarian, still"):
        build_tracker(Scope("c", ("c",)), SITE, TrackerConfig(name="x"))
