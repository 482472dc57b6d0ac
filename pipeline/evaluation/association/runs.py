"""Whose the tracklets of a run are, by the boxes they share with ground truth."""

from collections.abc import Sequence

import numpy as np

from data.datasets.tracking import TrackingDataset
from data.errors import UserError
from data.formats.mot import MotTable
from data.records import Tracklet
from pipeline.evaluation.association.truth import TrackletTruth
from pipeline.evaluation.pairs import Comparison, assign

MIN_IOU = 0.5


def truth_of_run(
    tracklets: Sequence[Tracklet], truth: TrackingDataset, min_iou: float = MIN_IOU, limit: int | None = None
) -> TrackletTruth:
    """Give each row of a run's tracklets to a person: one to one in every frame, largest sum of IoU.

    Args:
        tracklets: of the run; cameras without truth are left out.
        truth: of cameras, with ids shared over them.
        min_iou: boxes that overlap less are not one person.
        limit: the run saw only the first so many frames of every camera; None: all.

    Raises:
        UserError: it is about none of the run's cameras.
    """
    if limit is not None:
        truth = truth.first(limit)
    cameras = sorted({tracklet.camera for tracklet in tracklets} & set(truth.names))
    if not cameras:
        raise UserError(f"{truth.root} has the cameras {', '.join(truth.names)}, none of which the run has")
    kept = sorted((item for item in tracklets if item.camera in cameras), key=lambda item: item.key)
    place = {tracklet.key: row for row, tracklet in enumerate(kept)}
    owners, people, truth_rows = [], [], 0
    for camera in cameras:
        table = truth.sequence(camera).truth
        table = table.select(table.flags & truth.are_people(table))
        truth_rows += len(table)
        own = [tracklet for tracklet in kept if tracklet.camera == camera]
        boxes = MotTable.make(
            np.concatenate([item.frames for item in own]),
            np.concatenate([np.full(len(item), place[item.key]) for item in own]),
            np.concatenate([item.boxes for item in own]),
        )
        last = max(int(side.frames.max(initial=-1)) for side in (table, boxes))
        comparison = Comparison.of(table, boxes, last + 1)
        pairs = comparison.pairs.select(comparison.pairs.similarity >= min_iou)
        pairs = pairs.select(assign(comparison, pairs, pairs.similarity))
        owners.append(comparison.predictions.ids[pairs.prediction])
        people.append(comparison.truth.ids[pairs.truth])
    both, rows = np.unique(np.stack([np.concatenate(owners), np.concatenate(people)]), axis=1, return_counts=True)
    return TrackletTruth(
        keys=tuple(tracklet.key for tracklet in kept),
        length=np.array([len(tracklet) for tracklet in kept], np.int64),
        tracklet=both[0],
        person=both[1],
        rows=rows.astype(np.int64),
        truth_rows=truth_rows,
    )
