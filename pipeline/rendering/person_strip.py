"""One person in every camera that saw them, side by side: a picture of what an identity over cameras is."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace

import numpy as np

from data.errors import UserError
from data.records import FloatArray, Frame, GlobalTrack, Image, Tracklet
from pipeline.folder.run_folder import RunFolder
from pipeline.rendering.config import RenderConfig
from pipeline.rendering.draw import Painter
from pipeline.rendering.recording import Playback, Recording
from pipeline.rendering.scene import Scene
from pipeline.rendering.text import clock_text

_BODY_SHARE = 0.6
_WIDTH_PER_HEIGHT = 0.8
_GAP_PX = 6


def draw_person(folder: RunFolder, config: RenderConfig, person: int | None = None, height_px: int = 360) -> Image:
    """A strip with one cut-out per camera, each at the instant when the person is largest and whole.

    Args:
        folder: a complete run whose videos are still where they were.
        config: what is drawn.
        person: global id; None takes the person of the most cameras, the surest among those.
        height_px: of the strip.

    Returns:
        (height_px, W, 3) uint8 RGB; cameras in the order in which the person came to them.

    Raises:
        UserError: where the run has no such person, or a video cannot be read.
    """
    playback = Playback.of(folder, config)
    found = _find(folder.read_global_tracks() if folder.global_tracks.exists() else [], person)
    ids = {(visit.camera, visit.local_id) for visit in found.visits}
    tracklets = [tracklet for tracklet in folder.read_tracklets() if (tracklet.camera, tracklet.local_id) in ids]
    tiles = []
    for camera in dict.fromkeys(visit.camera for visit in found.visits):
        recording = playback.record(camera)
        size = (recording.info.width, recording.info.height)
        index, box = _best_moment([one for one in tracklets if one.camera == camera], size)
        tiles.append(_tile(recording, _frame(recording, index), box, config, height_px))
    gap = np.full((height_px, _GAP_PX, 3), 255, np.uint8)
    return np.concatenate([part for tile in tiles for part in (tile, gap)][:-1], axis=1)


def _find(people: Sequence[GlobalTrack], person: int | None) -> GlobalTrack:
    if not people:
        raise UserError("the run found nobody: there is no person to draw")
    if person is None:
        return min(people, key=lambda one: (-len({v.camera for v in one.visits}), -one.confidence, one.global_id))
    known = {one.global_id: one for one in people}
    if person not in known:
        raise UserError(f"the run has no person {person}; there are {min(known)} to {max(known)}")
    return known[person]


def _best_moment(tracklets: Sequence[Tracklet], size: tuple[int, int]) -> tuple[int, FloatArray]:
    """Frame and box (4,) px of the tallest box that does not touch the border; of the tallest where all do."""
    frames = np.concatenate([tracklet.frames for tracklet in tracklets])
    boxes = np.concatenate([tracklet.boxes for tracklet in tracklets])
    whole = (boxes[:, :2] > 1).all(axis=1) & (boxes[:, 2:] < np.array(size) - 1).all(axis=1)
    heights = boxes[:, 3] - boxes[:, 1]
    row = int(np.argmax(np.where(whole, heights, heights - size[1])))
    return int(frames[row]), boxes[row]


def _frame(recording: Recording, index: int) -> Frame:
    with closing(recording.frames()) as frames:
        for frame in frames:
            if frame.index == index:
                return frame
    raise UserError(f"camera '{recording.camera}': {recording.info.uri} has no frame {index} any more")


def _tile(recording: Recording, frame: Frame, box: FloatArray, config: RenderConfig, height_px: int) -> Image:
    """The surroundings of a box, scaled to a height, with everybody in them drawn."""
    import cv2

    image = recording.shown(frame)
    height = min(image.shape[0], round(float(box[3] - box[1]) / _BODY_SHARE))
    width = min(image.shape[1], round(height * _WIDTH_PER_HEIGHT))
    left = round(float(np.clip((box[0] + box[2] - width) / 2, 0, image.shape[1] - width)))
    top = round(float(np.clip((box[1] + box[3] - height) / 2, 0, image.shape[0] - height)))
    scale = height_px / height
    size = (round(width * scale), height_px)
    part = image[top : top + height, left : left + width]
    tile = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_CUBIC), np.uint8)
    painter = Painter(size, config.min_confidence, skeletons=config.skeletons)
    scene = _cut(recording.scene(frame), left, top, width, height).scaled(scale)
    painter.paint(tile, scene, f"{recording.camera}  {clock_text(frame.time_s)}")
    return tile


def _cut(scene: Scene, left: int, top: int, width: int, height: int) -> Scene:
    """The people of a scene who are mostly inside a cut-out, in its pixels."""
    corner = np.array([left, top], np.float32)
    boxes = scene.boxes - np.tile(corner, 2)
    inside = np.minimum(boxes[:, 2:], (width, height)) - np.maximum(boxes[:, :2], 0)
    kept = inside.clip(0).prod(axis=1) > 0.5 * (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    keypoints = None if scene.keypoints is None else scene.keypoints[kept] - np.array([left, top, 0], np.float32)
    return replace(
        scene,
        ids=scene.ids[kept],
        local=scene.local[kept],
        boxes=boxes[kept],
        dashed=scene.dashed[kept],
        keypoints=keypoints,
        trails=[trail - corner for trail, keep in zip(scene.trails, kept, strict=False) if keep],
    )
