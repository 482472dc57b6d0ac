"""Cameras learn where they see nobody; nothing of it is in a calibration."""

from pathlib import Path

import numpy as np

from data.formats.state import load_state, save_state
from data.records import View
from tests.trackers.ground_world import Hall, walk, watch
from trackers.config import GroupConfig, TrackerConfig
from trackers.group.reach import Reach

PLACES = np.array([[0.5, 0.5], [9.5, -0.5]])


def test_a_place_is_trusted_until_detections_fail_to_come() -> None:
    reach = Reach()
    assert reach.share(0, PLACES).tolist() == [1, 1]
    for _ in range(20):
        reach.learn(0, PLACES, np.array([0.9, 0.9]), np.array([True, False]), 1.0)
    here, wall = reach.share(0, PLACES)
    assert wall < 0.15 < 0.9 < here
    assert reach.share(1, PLACES).tolist() == [1, 1], "of another camera nothing is known"
    assert reach.share(0, PLACES + 4).tolist() == [1, 1], "nor of another place"
    assert reach.share(0, np.zeros((0, 2))).tolist() == []


def test_what_was_learnt_outlives_a_kill(tmp_path: Path) -> None:
    reach, again = Reach(), Reach()
    reach.learn(3, PLACES, np.array([0.9, 0.4]), np.array([True, False]), 0.3)
    save_state(tmp_path / "state.npz", reach.state())
    again.restore(load_state(tmp_path / "state.npz"))
    assert again.share(3, PLACES).tolist() == reach.share(3, PLACES).tolist()
    assert again.state() == reach.state()


def test_nobody_is_drawn_through_a_wall() -> None:
    """South looks at a wall in the middle of the hall: whom it never detects behind it has no row there."""
    paths = [walk((1, 6.5), (7, 6.5), (1, 6.5), (7, 6.5), (1, 6.5), steps=160)]

    class Walled(Hall):
        def views(self, frame: int) -> list[View]:
            return [view for view in super().views(frame) if view.camera != "south"] + [
                View("south", frame, frame / self.fps, (1280, 720), super().views(frame)[0].detections.empty())
            ]

    def rows(least_share: float) -> int:
        config = TrackerConfig(group=GroupConfig(shown_found=least_share))
        closed = watch(Walled(paths), config).closed
        return sum(len(item) for item in closed if item.camera == "south")

    assert rows(0.0) > 100
    assert rows(0.5) < 0.4 * rows(0.0)
