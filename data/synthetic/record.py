"""Everything of one camera: its video, its ground truth, its keypoints and its masks."""

import logging
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.formats.coco import CocoImage, write_coco
from data.formats.mot import MotTable, write_mot
from data.records import Detections, Poses
from data.synthetic.render import Rendered, Truth
from data.synthetic.scenario import Preset
from data.synthetic.video import VideoWriter
from data.synthetic.world import World

logger = logging.getLogger(__name__)

LEAST_VISIBLE = 0.1
LEAST_INSIDE = 0.3
_CHUNK_FRAMES = 100


@dataclass(frozen=True, slots=True)
class CameraJob:
    """What a worker process needs to record one camera.

    Attributes:
        preset, seed: the world.
        index: of the camera.
        folder: of the site; its sub-folders exist.
        video: write the video (without it, masks and truth still need the pixels).
        masks: write part and instance masks, two PNG files per frame.
        device: where people are drawn, "cpu" or "cuda:<index>".
    """

    preset: Preset
    seed: int
    index: int
    folder: Path
    video: bool
    masks: bool
    device: str = "cpu"


def record_camera(job: CameraJob) -> dict[str, int]:
    """Render one camera.

    Returns:
        Counts: frames, annotated boxes, people seen.

    Raises:
        OSError: when a file cannot be written.
    """
    import cv2

    cv2.setNumThreads(1)
    world = World(job.preset, job.seed)
    spec = job.preset.cameras[job.index]
    renderer = world.renderer(job.index, job.device)
    times = world.frame_times(job.index)
    truths: list[Truth] = []
    with ExitStack() as stack:
        video = None
        if job.video:
            path = job.folder / "video" / f"{spec.name}.mp4"
            video = stack.enter_context(VideoWriter(path, spec.fps, job.preset.size, spec.crf))
        for start in range(0, len(times), _CHUNK_FRAMES):
            joints, present = world.joints(times[start : start + _CHUNK_FRAMES])
            for row in range(len(joints)):
                frame = start + row
                there = np.flatnonzero(present[row])
                people = [world.people[person] for person in there]
                made = renderer.render(people, joints[row][there].astype(np.float32), frame)
                truths.append(made.truth)
                if video is not None:
                    video.write(made.image)
                if job.masks:
                    _write_masks(job.folder / "masks" / spec.name, frame, made)
    table = _table(truths)
    write_mot(job.folder / "gt" / f"{spec.name}.txt", table, kind="gt")
    write_coco(job.folder / "keypoints" / f"{spec.name}.json", _images(truths, spec.name, job.preset.size))
    logger.info("camera %s: %d frames, %d boxes", spec.name, len(times), len(table))
    return {"frames": len(times), "boxes": len(table), "people": len(np.unique(table.ids))}


def _table(truths: list[Truth]) -> MotTable:
    if not truths:
        return MotTable.empty()
    counts = [len(truth.ids) for truth in truths]
    visibility = np.concatenate([truth.visibility for truth in truths])
    inside = np.concatenate([truth.in_frame for truth in truths])
    return MotTable.make(
        frames=np.repeat(np.arange(len(truths)), counts),
        ids=np.concatenate([truth.ids for truth in truths]),
        boxes=np.concatenate([truth.boxes for truth in truths]),
        flags=(visibility >= LEAST_VISIBLE) & (inside >= LEAST_INSIDE),
        visibility=visibility,
    )


def _images(truths: list[Truth], camera: str, size: tuple[int, int]) -> list[CocoImage]:
    return [
        CocoImage(
            image_id=frame,
            file_name=f"{camera}/{frame:06d}.jpg",
            size=size,
            detections=Detections(truth.boxes, np.ones(len(truth.ids), np.float32), np.zeros(len(truth.ids), np.int64)),
            poses=Poses(truth.keypoints, Poses.empty().spare_keypoints, "coco17"),
            track_ids=truth.ids,
        )
        for frame, truth in enumerate(truths)
    ]


def _write_masks(folder: Path, frame: int, made: Rendered) -> None:
    import cv2

    for name, picture in (("part", made.parts), ("id", made.owners.astype(np.uint8))):
        path = folder / f"{frame:06d}_{name}.png"
        if not cv2.imwrite(str(path), picture):
            raise OSError(28, "cannot be written", str(path))
