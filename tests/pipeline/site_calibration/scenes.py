"""Simulated cameras over a floor, and people who walk there."""

import numpy as np

from pipeline.site_calibration.pinhole import Pinhole

SIZE = (1920, 1080)
CORNERS = {
    "south": Pinhole(SIZE, 0.8, np.radians(25), 0.0, 3.5, 0.0, -8.0, np.radians(90)),
    "east": Pinhole(SIZE, 0.8, np.radians(22), np.radians(1), 3.0, 8.5, 1.0, np.radians(185)),
    "north": Pinhole(SIZE, 0.9, np.radians(28), 0.0, 4.0, -2.0, 9.0, np.radians(-80)),
}


def walks(people: int, frames: int, fps: float, seed: int, half_m: float = 6.0, line: bool = False) -> np.ndarray:
    """(frames, people, 2) metres: everybody walks from one random place to the next."""
    rng = np.random.default_rng(seed)
    place = rng.uniform(-half_m, half_m, (people, 2))
    goal = rng.uniform(-half_m, half_m, (people, 2))
    path = np.empty((frames, people, 2))
    for frame in range(frames):
        apart = goal - place
        far = np.linalg.norm(apart, axis=1)
        goal[far < 0.5] = rng.uniform(-half_m, half_m, (int((far < 0.5).sum()), 2))
        place = place + apart / np.maximum(far, 1e-9)[:, None] * (1.2 / fps)
        path[frame] = place
    if line:
        path[..., 1] = 0.3 * path[..., 0]
    return path


def seen_by(camera: Pinhole, path: np.ndarray, heights: np.ndarray, fps: float, seed: int, noise: float) -> tuple:
    """Times and boxes of one camera, rows in the order of time."""
    rng = np.random.default_rng(seed)
    frames, people = path.shape[:2]
    # Arms and legs make a box wide; what ends it above and below is near the axis of the body.
    boxes = camera.model.person_boxes(path.reshape(-1, 2), np.tile(heights, frames), 0.25)
    boxes[:, 1::2] = camera.model.person_boxes(path.reshape(-1, 2), np.tile(heights, frames), 0.08)[:, 1::2]
    times = np.repeat(np.arange(frames) / fps, people)
    tall = boxes[:, 3] - boxes[:, 1]
    boxes = boxes + rng.normal(0, noise, boxes.shape) * tall[:, None]
    inside = (boxes[:, 2] > 0) & (boxes[:, 0] < SIZE[0]) & (boxes[:, 3] > 0) & (boxes[:, 1] < SIZE[1])
    found = inside & np.isfinite(boxes).all(axis=1) & (rng.uniform(size=len(boxes)) < 0.9)
    clipped = np.clip(boxes, 0, [*SIZE, *SIZE])
    return times[found], clipped[found]


def scene(
    cameras: dict[str, Pinhole],
    people: int = 8,
    seconds: float = 90.0,
    fps: float = 2.0,
    line: bool = False,
    together: bool = True,
    noise: float = 0.01,
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Times and boxes per camera of simulated people; not ``together``: every camera sees people of its own."""
    frames = int(seconds * fps)
    heights = np.random.default_rng(5).normal(1.7, 0.07, people)
    common = walks(people, frames, fps, seed=1, line=line)
    return {
        name: seen_by(
            camera,
            common if together else walks(people, frames, fps, seed=10 + number, line=line),
            heights,
            fps,
            20 + number,
            noise,
        )
        for number, (name, camera) in enumerate(cameras.items())
    }
