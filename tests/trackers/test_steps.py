"""How an instant follows the one before, and which detections can be used."""

import logging

import numpy as np
import pytest

from data.records import Detections
from trackers.steps import step_after, tell_skipped, usable_rows


@pytest.mark.parametrize(
    ("last_s", "time_s", "step"),
    [
        (None, 100.0, "track"),
        (None, -100.0, "track"),
        (5.0, 5.1, "track"),
        (5.0, 7.0, "track"),
        (5.0, 7.1, "cut"),
        (5.0, 5.0, "skip"),
        (5.0, 4.0, "skip"),
        (5.0, 2.9, "cut"),
    ],
)
def test_a_gap_either_way_is_a_cut_and_time_that_does_not_rise_is_skipped(
    last_s: float | None, time_s: float, step: str
) -> None:
    assert step_after(last_s, time_s, 2.0) == step


def test_only_the_first_that_is_left_out_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        for count in (1, 2):
            tell_skipped("camera 'hall': frame 7", 4.0, 5.0, count)
    told = "camera 'hall': frame 7 at 4.000 s is not later than the one before (5.000 s); left out"
    assert [(line.levelname, line.getMessage()) for line in caplog.records] == [("WARNING", told), ("DEBUG", told)]


def test_usable_rows_come_best_first_in_any_order_of_the_input() -> None:
    boxes = np.array(
        [[0, 0, 9, 9], [5, 0, 9, 9], [1, 0, 9, 9], [3, 0, 3, 9], [0, np.nan, 9, 9], [2, 0, 9, 9]], np.float32
    )
    scores = np.array([0.5, 0.9, 0.5, 0.9, 0.9, 0.1], np.float32)
    found = Detections(boxes, scores, np.zeros(6, np.int64))
    rows = usable_rows(found, 0.2)
    assert rows.tolist() == [1, 0, 2]
    turned = usable_rows(Detections(boxes[::-1].copy(), scores[::-1].copy(), np.zeros(6, np.int64)), 0.2)
    assert np.array_equal(boxes[::-1][turned], boxes[rows])
