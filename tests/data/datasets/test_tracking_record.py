"""The record that every tracking data set comes down to."""

from pathlib import Path

import numpy as np

from data.datasets.tracking import TrackingDataset, TruthSequence
from data.formats.mot import MotTable


def test_the_first_frames_have_the_columns_that_go_row_for_row_cut_alike() -> None:
    frames = np.array([0, 1, 2, 5], np.int64)
    table = MotTable.make(frames, frames, np.tile([0.0, 0, 5, 9], (4, 1)))
    places, points = np.arange(8.0).reshape(4, 2), np.zeros((4, 17, 3), np.float32)
    one = TruthSequence("c", 9, table, keypoints=points, places=places, annotated=frames)
    (cut,) = TrackingDataset("any", Path(), "", (one,), one_site=True, shared_ids=True, frame_base=1).first(2).sequences
    assert (cut.length, cut.truth.frames.tolist(), cut.annotated.tolist()) == (2, [0, 1], [0, 1])
    assert cut.places.tolist() == [[0, 1], [2, 3]]
    assert len(cut.keypoints) == 2
