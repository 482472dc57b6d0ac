"""Which of the frames that were detected ``detector.schedule: auto`` would have looked at."""

from collections.abc import Mapping

import numpy as np

from data.config import SourcesConfig
from data.errors import UserError
from data.formats.coco import CocoImage
from data.formats.detections_in import CameraDetections
from data.records import Detections, IntArray
from data.runtime.stage_clock import StageClock
from data.site import Site
from data.sources.base import FrameSource
from pipeline.backends.config import PaceConfig
from pipeline.input.batching import Batching
from pipeline.input.perception import look_up
from pipeline.input.schedule import Schedule
from pipeline.input.videos import VideoInput


def scheduled_looks(
    sources: Mapping[str, FrameSource], found: Mapping[str, CameraDetections], site: Site, pace: PaceConfig
) -> dict[str, IntArray]:
    """Rising numbers of the frames that are looked at, by camera.

    Pictures and detections decide as in a run: a camera for itself, the cameras of a group together.

    Args:
        sources: opened, by camera; closed afterwards.
        found: what a look would find, of every frame of the same cameras.
        site: clocks and groups.
        pace: the schedule's settings.

    Raises:
        UserError: when the detections are of some frames only.
    """
    for camera, given in found.items():
        if given.looked is not None:
            raise UserError(f"{given.path} has people of some frames of '{camera}' alone; give detections of all")
    looked: dict[str, list[int]] = {camera: [] for camera in sources}
    opened = VideoInput(sources, SourcesConfig(), Batching(), look_up(found), site, None, found, Schedule(pace))
    try:
        for batch in opened.batches(dict.fromkeys(sources, -1), StageClock()):
            for seen in (seen for instant in batch.instants for seen in instant if seen.looked):
                looked[seen.view.camera].append(seen.view.frame_index)
    finally:
        opened.close()
    return {camera: np.array(frames, np.int64) for camera, frames in looked.items()}


def thinned(found: CameraDetections, looks: IntArray, size: tuple[int, int]) -> list[CocoImage]:
    """The detections of some frames, an image for each, so that a run knows the others as not looked at.

    Args:
        found: of every frame; features and skeletons are not kept.
        looks: rising frame numbers.
        size: (width, height) px.
    """
    images = []
    for frame in looks.tolist():
        rows = found.rows(frame)
        people = Detections(found.boxes[rows], found.scores[rows], found.class_ids[rows])
        nobody = np.full(len(people), -1, np.int64)
        # From 1, so that a file whose first frame is missing is not read as one that counts from 0.
        images.append(CocoImage(frame + 1, f"{frame + 1:06d}.png", size, people, None, nobody, frame=frame + 1))
    return images
