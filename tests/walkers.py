"""Synthetic people walk past calibrated cameras: exact keypoints, as tracklets."""

from collections.abc import Sequence

import numpy as np

from data.geometry import CameraModel
from data.records import Tracklet
from data.site import Site
from data.synthetic.gait import COCO_JOINTS, pose, stride_m
from data.synthetic.identities import Identity, make_identities

INTRINSICS = np.array([[900.0, 0, 640], [0, 900, 360], [0, 0, 1]])
FPS = 12.5


def people(count: int, seed: int = 5) -> list[Identity]:
    return make_identities(np.random.default_rng(seed), count, 0, False)


def camera_at(place: Sequence[float], target: Sequence[float]) -> dict[str, object]:
    """Calibration of a camera that looks from one place at another, metres."""
    ahead = np.subtract(target, place)
    ahead = ahead / np.linalg.norm(ahead)
    right = np.cross(ahead, (0, 0, 1.0))
    right /= np.linalg.norm(right)
    turn = np.stack([right, np.cross(ahead, right), ahead])
    shift = -turn @ np.asarray(place, np.float64)
    return {"K": INTRINSICS.tolist(), "R": turn.tolist(), "t": shift.tolist()}


def site_of(cameras: dict[str, dict[str, object]], group: bool = False) -> Site:
    """Cameras of one clock; as a group where wanted."""
    tree: dict[str, object] = {
        "cameras": {
            name: {"size": [1280, 720], "clock": {"status": "common"}, "calibration": told}
            for name, told in cameras.items()
        }
    }
    if group:
        tree["groups"] = [{"name": "hall", "cameras": list(cameras)}]
    return Site.model_validate(tree)


def walk(
    person: Identity, seconds: float, start: Sequence[float] = (-2.0, 0.0), yaw: float = 0.0, fps: float = FPS
) -> tuple[np.ndarray, np.ndarray]:
    """(T,) seconds and (T, 17, 3) metres of a straight walk."""
    times = np.arange(round(seconds * fps) + 1) / fps
    speed = np.full(len(times), person.gait.speed)
    way = speed * times
    places = np.asarray(start) + way[:, None] * [np.cos(yaw), np.sin(yaw)]
    phase = person.gait.phase + way / stride_m(person, speed)
    return times, pose(person, places, np.full(len(times), yaw), phase, speed)[:, list(COCO_JOINTS)]


def seen(
    camera: str,
    local_id: int,
    model: CameraModel,
    times: np.ndarray,
    joints: np.ndarray,
    noise_px: float = 0.0,
    group_id: int = -1,
    start_s: float = 0.0,
) -> Tracklet:
    """What a camera keeps of somebody."""
    pixels = model.to_image(joints.reshape(-1, 3)).reshape(*joints.shape[:2], 2)
    pixels = pixels + noise_px * np.random.default_rng([local_id, len(camera)]).normal(size=pixels.shape)
    low, high = pixels.min(axis=1) - 5, pixels.max(axis=1) + 5
    count = len(times)
    return Tracklet(
        camera=camera,
        local_id=local_id,
        times_s=times + start_s,
        frames=np.arange(count) + round(start_s * FPS),
        boxes=np.column_stack([low, high]).astype(np.float32),
        scores=np.ones(count, np.float32),
        keypoints=np.concatenate([pixels, np.ones((count, 17, 1))], axis=2).astype(np.float32),
        group_id=group_id,
        frame_size=(1280, 720),
    )
