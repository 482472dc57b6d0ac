"""Building trackers by name."""

import pytest

from data.errors import UserError
from trackers.camera import CameraTracker
from trackers.config import TrackerConfig
from trackers.registry import build_tracker


def test_one_camera() -> None:
    tracker = build_tracker(["hall"], TrackerConfig())
    assert isinstance(tracker, CameraTracker)
    assert tracker.cameras == ("hall",)


@pytest.mark.parametrize("cameras", [[], ["hall", "door"]])
def test_groups_are_refused_with_a_way_out(cameras: list[str]) -> None:
    with pytest.raises(UserError, match="groups"):
        build_tracker(cameras, TrackerConfig())


def test_an_unknown_name_lists_what_there_is() -> None:
    with pytest.raises(UserError, match="hungarian"):
        build_tracker(["hall"], TrackerConfig(name="hungarain"))
