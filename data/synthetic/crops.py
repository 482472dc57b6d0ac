"""ReID crops in Market-1501's layout, with other people in front and behind, and the skeletons of all of them.

The frames in their names tell when each person came into each camera on a walk through the site, so that transit times
can be learnt from them.
"""

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data.formats.reid_keypoints import TEXTURES
from data.synthetic.cameras import Camera
from data.synthetic.gait import pose
from data.synthetic.identities import Identity
from data.synthetic.render import Rendered, Renderer
from data.synthetic.scenario import Preset
from data.synthetic.texture import paint
from data.synthetic.world import DoubleArray, World

logger = logging.getLogger(__name__)

FOLDERS = ("bounding_box_train", "query", "bounding_box_test")
_TRIES = 12
_LEAST_VISIBLE = 0.3
_LEAST_INSIDE = 0.85
_LEAST_HEIGHT = 0.12
_JITTER = 0.07
_FRAMES_APART = 25


@dataclass(frozen=True, slots=True)
class CropJob:
    """What a worker process needs to make all crops of one camera."""

    preset: Preset
    seed: int
    index: int
    folder: Path
    device: str = "cpu"


def make_crops(job: CropJob) -> int:
    """Write the crops of one camera and ``reid/crops_<camera>.json`` about them; with the first camera's, the textures.

    Returns:
        How many crops there are; spots where too little of the person would show are drawn anew and, after some tries,
        left out.

    Raises:
        OSError: when a file cannot be written.
    """
    import cv2

    cv2.setNumThreads(1)
    world = World(job.preset, job.seed)
    reid = job.preset.reid
    renderer, camera = world.renderer(job.index, job.device), world.camera(job.index)
    spots = _spots(world, job.index, camera)
    told: dict[str, Any] = {}
    if reid.textures and job.index == 0:
        write_textures(world, job.folder / "reid" / TEXTURES)
    for row, person in enumerate(world.crop_people):
        train = row < reid.train_people
        pool = world.crop_people[: reid.train_people] if train else world.crop_people[reid.train_people :]
        for number in range(reid.crops):
            rng = world.crop_rng(job.index, row, number)
            made = _compose(rng, renderer, person, pool, spots, reid.occluded_share, number)
            if made is None:
                continue
            folder = FOLDERS[0] if train else FOLDERS[1] if number == 0 else FOLDERS[2]
            frame = world.crop_frames[row, job.index] + number * _FRAMES_APART
            name = f"{person.person_id:04d}_c{job.index + 1}s1_{frame:06d}_00.jpg"
            told[f"{folder}/{name}"] = _write(rng, made, person, job.folder / "reid" / folder / name)
    path = job.folder / "reid" / f"crops_{job.preset.cameras[job.index].name}.json"
    path.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    logger.info("camera %s: %d crops", job.preset.cameras[job.index].name, len(told))
    return len(told)


def write_textures(world: World, folder: Path) -> int:
    """Write the texture of everybody of a site's crops, ``<identity>.png``: what their pictures' names begin with.

    Args:
        world: the site.
        folder: of the textures; it is made where it is missing.

    Returns:
        How many there are.

    Raises:
        OSError: when a file cannot be written.
    """
    import cv2

    folder.mkdir(parents=True, exist_ok=True)
    for person in world.crop_people:
        path = folder / f"{person.person_id:04d}.png"
        if not cv2.imwrite(str(path), paint(person)[0][..., ::-1]):
            raise OSError(28, "cannot be written", str(path))
    return len(world.crop_people)


def _spots(world: World, index: int, camera: Camera) -> DoubleArray:
    """(N, 2) places where a whole person is in the picture and not tiny; the best there are."""
    free = np.flatnonzero(world.seen_ground[index].ravel())
    places = world.geometry.centres(free)
    feet, depth = camera.project(np.column_stack([places, np.zeros(len(places))]))
    heads, _ = camera.project(np.column_stack([places, np.full(len(places), 1.75)]))
    width, height = camera.size
    both = np.stack([feet, heads])
    inside = ((both > [0.02 * width, 0.0]) & (both < [0.98 * width, 0.99 * height])).all(axis=(0, 2)) & (depth > 0.5)
    tall = feet[:, 1] - heads[:, 1]
    large = tall > _LEAST_HEIGHT * height
    chosen = inside & large
    if not chosen.any():
        chosen = np.arange(len(places)) == np.argmax(np.where(inside, tall, tall - 1e6))
    result: DoubleArray = places[chosen]
    return result


def _compose(
    rng: np.random.Generator,
    renderer: Renderer,
    person: Identity,
    pool: list[Identity],
    spots: DoubleArray,
    occluded_share: float,
    number: int,
) -> Rendered | None:
    """Place the person and perhaps others, until enough of the person shows."""
    others = [one for one in pool if one.person_id != person.person_id]
    for _ in range(_TRIES):
        people, places = [person], [spots[rng.integers(len(spots))] + rng.uniform(-0.1, 0.1, 2)]
        if others and rng.uniform() < occluded_share:
            for _ in range(int(rng.integers(1, 3))):
                angle, far = rng.uniform(0, 2 * np.pi), rng.uniform(0.45, 1.2)
                people.append(others[rng.integers(len(others))])
                places.append(places[0] + far * np.array([np.cos(angle), np.sin(angle)]))
        joints = []
        for one, place in zip(people, places):
            yaw, phase = rng.uniform(-np.pi, np.pi, 1), rng.uniform(0, 1, 1)
            pace = np.array([one.gait.speed * rng.uniform(0.8, 1.1) if rng.uniform() < 0.8 else 0.0])
            joints.append(pose(one, place[None], yaw, phase, pace)[0])
        made = renderer.render(people, np.array(joints, np.float32), number)
        row = np.flatnonzero(made.truth.ids == person.person_id)
        if (
            len(row)
            and made.truth.visibility[row[0]] >= _LEAST_VISIBLE
            and made.truth.in_frame[row[0]] >= _LEAST_INSIDE
        ):
            return made
    return None


def _write(rng: np.random.Generator, made: Rendered, person: Identity, path: Path) -> dict[str, Any]:
    """Cut out, compress, and tell what is in the crop: keypoints are [x, y, v] in its pixels, v as in COCO."""
    import cv2

    truth = made.truth
    row = int(np.flatnonzero(truth.ids == person.person_id)[0])
    box = truth.boxes[row]
    size = np.tile(box[2:] - box[:2], 2)
    height, width = made.image.shape[:2]
    box = np.clip(box + size * rng.uniform(-_JITTER, _JITTER, 4), 0, [width, height, width, height])
    left, top, right, bottom = (int(v) for v in np.round(box))
    right, bottom = max(right, left + 8), max(bottom, top + 16)
    crop = made.image[top:bottom, left:right]
    quality = int(rng.integers(50, 93))
    if not cv2.imwrite(str(path), crop[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality]):
        raise OSError(28, "cannot be written", str(path))
    points = truth.keypoints.copy()
    points[..., :2] -= (left, top)
    inside = (points[..., :2] >= 0).all(axis=-1) & (points[..., 0] < right - left) & (points[..., 1] < bottom - top)
    points[~inside | (truth.keypoints[..., 2] == 0)] = 0
    points[..., 2] *= 2
    negatives = [one for one in range(len(truth.ids)) if one != row and (points[one, :, 2] > 0).any()]
    return {
        "size": [right - left, bottom - top],
        "positive": _plain(points[row]),
        "negatives": [_plain(points[one]) for one in negatives],
        "negative_ids": [int(truth.ids[one]) for one in negatives],
        "visibility": round(float(truth.visibility[row]), 4),
    }


def _plain(points: np.ndarray) -> list[list[float]]:
    return [[round(float(x), 1), round(float(y), 1), int(v)] for x, y, v in points]
