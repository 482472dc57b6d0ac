"""Pictures to train on: single frames and ReID crops of many random sites, none of which is a frozen one."""

import logging
import os
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import yaml
from pydantic import ValidationError

from data.atomic import replacing_folder
from data.config import explain
from data.errors import UserError
from data.formats.coco import CocoImage, write_coco
from data.records import Detections, Poses
from data.runtime.threads import single_threads
from data.synthetic.crops import FOLDERS, CropJob, make_crops
from data.synthetic.layouts import random_preset
from data.synthetic.render import Truth
from data.synthetic.scenario import Preset, ReidSpec, frozen_hashes
from data.synthetic.world import World

logger = logging.getLogger(__name__)

TRUTH_FILE = "frames.json"
FRAMES, REID, RECIPE = "frames", "reid", "recipe.yaml"
# Rooms and cameras per room of the sites, in turn.
_LAYOUTS = ((2,), (2, 1), (2, 2), (2, 0, 1), (3,), (1, 1, 2))
_CROWDS = (10, 15, 20, 26)


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """What to make.

    Attributes:
        sites: number of random sites.
        seed: of the first site; the others follow.
        frames: pictures per camera, spread over the time of the site.
        duration_s: of every site.
        people: identities of each site's ReID crops, all in ``bounding_box_train``; 0 makes no crops.
        test_people: identities of each site's ReID crops in ``query`` and ``bounding_box_test``.
        crops: of each person in each camera.
        textures: also write the texture of each person of the crops (``reid/textures/<identity>.png`` of each site).
        occluded_share: share of the crops with one or two other people.
        size: width, height of the pictures.
    """

    sites: int = 24
    seed: int = 1000
    frames: int = 30
    duration_s: float = 60.0
    people: int = 0
    test_people: int = 0
    crops: int = 4
    textures: bool = False
    occluded_share: float = 0.65
    size: tuple[int, int] = (960, 540)

    def preset(self, number: int) -> Preset:
        """The site of a number from 0 on; layouts, crowds and wardrobes take turns."""
        watched = _LAYOUTS[number % len(_LAYOUTS)]
        reid = ReidSpec(
            train_people=self.people,
            test_people=self.test_people,
            crops=self.crops,
            textures=self.textures,
            occluded_share=self.occluded_share,
        )
        preset = random_preset(
            f"training{self.seed + number}",
            self.seed + number,
            len(watched),
            watched,
            _CROWDS[number % len(_CROWDS)],
            self.duration_s,
            self.size,
            reid,
        )
        return preset.model_copy(update={"confusable": bool(number % 2)})


@dataclass(frozen=True, slots=True)
class _Job:
    preset: Preset
    seed: int
    index: int
    frames: int
    folder: Path
    device: str


def make_training_set(recipe: TrainingSet, out: Path, workers: int | None = None, device: str = "cpu") -> int:
    """Write ``frames/*.jpg`` with ``frames.json`` (COCO keypoints), and ``reid/<site>`` in Market-1501's layout.

    A person's ``score`` in the COCO file is the share of the person that is seen.

    Args:
        recipe: what to make; the same one gives the same truth.
        out: folder to make.
        workers: processes; None takes one per core.
        device: where people are drawn, "cpu" or "cuda:<index>"; the truth is the same.

    Returns:
        Number of people in all frames.

    Raises:
        UserError: when a seed is that of a frozen site, a number makes no site, or the folder exists or cannot be
            written.
    """
    seeds = range(recipe.seed, recipe.seed + recipe.sites)
    taken = sorted({seed for seed, _ in frozen_hashes().values() if seed in seeds})
    if taken:
        raise UserError(f"the seeds {taken} belong to frozen sites (configs/synthetic/frozen.yaml); choose others")
    if out.exists():
        raise UserError(f"{out} exists; choose another --out")
    try:
        with replacing_folder(out) as draft:
            (draft / FRAMES).mkdir()
            images = _render(recipe, draft, workers or os.cpu_count() or 1, device)
            write_coco(draft / TRUTH_FILE, images)
            told = {name: getattr(recipe, name) for name in TrainingSet.__slots__}
            (draft / RECIPE).write_text(yaml.safe_dump(told | {"size": list(recipe.size)}), encoding="utf-8")
    except ValidationError as error:
        raise UserError(explain(error, Preset, "the training set")) from None
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror or error}") from None
    except BrokenProcessPool:
        raise UserError("a worker process was killed, most likely for want of memory; give --workers 1") from None
    return sum(len(image.detections) for image in images)


def _render(recipe: TrainingSet, draft: Path, workers: int, device: str) -> list[CocoImage]:
    numbers = range(recipe.sites)
    with single_threads(), ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        presets = list(pool.map(recipe.preset, numbers))
        jobs = []
        for number, preset in enumerate(presets):
            if recipe.people + recipe.test_people:
                for name in FOLDERS:
                    (draft / REID / preset.name / REID / name).mkdir(parents=True)
            jobs += [
                _Job(preset, recipe.seed + number, index, recipe.frames, draft, device)
                for index in range(len(preset.cameras))
            ]
        found = list(pool.map(_record, jobs))
    flat = [image for images in found for image in images]
    return [
        CocoImage(number, image.file_name, image.size, image.detections, image.poses, image.track_ids)
        for number, image in enumerate(flat)
    ]


def _record(job: _Job) -> list[CocoImage]:
    """One camera: its frames and its crops."""
    import cv2

    cv2.setNumThreads(1)
    world = World(job.preset, job.seed)
    spec = job.preset.cameras[job.index]
    times = world.frame_times(job.index)
    chosen = np.unique(np.linspace(0, len(times) - 1, job.frames).astype(np.int64)) if job.frames else np.zeros(0, int)
    images = []
    if len(chosen):
        renderer = world.renderer(job.index, job.device)
        joints, present = world.joints(times[chosen])
        for row, frame in enumerate(chosen.tolist()):
            there = np.flatnonzero(present[row])
            people = [world.people[person] for person in there]
            made = renderer.render(people, joints[row][there].astype(np.float32), frame)
            name = f"{job.preset.name}_{spec.name}_{frame:06d}.jpg"
            quality = int(np.random.default_rng([job.seed, job.index, frame]).integers(60, 96))
            path = job.folder / FRAMES / name
            if not cv2.imwrite(str(path), made.image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality]):
                raise OSError(28, "cannot be written", str(path))
            images.append(_image(f"{FRAMES}/{name}", job.preset.size, made.truth))
    if job.preset.reid.train_people + job.preset.reid.test_people:
        make_crops(CropJob(job.preset, job.seed, job.index, job.folder / REID / job.preset.name, job.device))
    return images


def _image(name: str, size: tuple[int, int], truth: Truth) -> CocoImage:
    seen = Detections(truth.boxes, truth.visibility, np.zeros(len(truth.ids), np.int64))
    poses = Poses(truth.keypoints, Poses.empty().spare_keypoints, "coco17")
    return CocoImage(0, name, size, seen, poses, truth.ids)
