"""Makes a whole site folder: cameras and crops in worker processes, and everything that needs no pixels here."""

import json
import logging
import os
import shutil
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import yaml

from data.atomic import replacing_folder
from data.calibration import Calibration
from data.clock import Clock
from data.errors import UserError
from data.ledger import Ledger
from data.listing import is_empty
from data.runtime.threads import single_threads
from data.site import CameraSite, Group, OverlapPair, Site, save_site
from data.synthetic.crops import FOLDERS, CropJob, make_crops
from data.synthetic.gait import JOINTS
from data.synthetic.record import CameraJob, record_camera
from data.synthetic.scenario import Preset
from data.synthetic.texture import paint
from data.synthetic.world import World

logger = logging.getLogger(__name__)

VERSION = 1
TRUTH_FILE = "truth.yaml"
_KIND = "site"
_SKELETON_FPS = 20.0
_VIDEO_BYTES_PER_PIXEL, _MASK_BYTES_PER_PIXEL, _CROP_BYTES, _FIXED_BYTES = 0.03, 0.06, 16_000, 4_000_000

Job = TypeVar("Job")
Made = TypeVar("Made")


def make_site(
    preset: Preset,
    seed: int,
    out: Path,
    *,
    video: bool = True,
    masks: bool = False,
    reid: bool = True,
    overwrite: bool = False,
    workers: int | None = None,
    device: str = "cpu",
) -> dict[str, Any]:
    """Write a site folder; it appears under its name only when it is complete.

    Args:
        preset: what to make.
        seed: of people, walks, colours and cameras; the same seed gives the same ground truth bytes.
        out: the folder.
        video: write the videos.
        masks: write part and instance masks, two PNG files per frame.
        reid: write the ReID crops.
        overwrite: replace a site that was made before.
        workers: processes; None takes one per core, at most one per camera.
        device: where people are drawn, "cpu" or "cuda:<index>"; the ground truth is the same.

    Returns:
        What ``truth.yaml`` says.

    Raises:
        UserError: for an impossible site, and for a folder that exists, cannot be written, or has no room.
    """
    world = World(preset, seed)
    world.check()
    _check_place(out, overwrite)
    try:
        with replacing_folder(out) as draft:
            _check_room(out, draft, _bytes_needed(preset, video, masks, reid))
            told = _fill(world, draft, video, masks, reid, workers, device)
            _list_files(draft)
            return told
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror or error}; choose another --out") from None
    except BrokenProcessPool:
        raise UserError("a worker process was killed, most likely for want of memory; give --workers 1") from None


def _fill(
    world: World, folder: Path, video: bool, masks: bool, reid: bool, workers: int | None, device: str
) -> dict[str, Any]:
    preset, seed = world.preset, world.seed
    indices = range(len(preset.cameras))
    for name in ("gt", "keypoints", "textures", *(("video",) if video else ())):
        (folder / name).mkdir()
    if masks:
        for camera in preset.cameras:
            (folder / "masks" / camera.name).mkdir(parents=True)
    with single_threads():
        context = get_context("spawn")
        count = min(workers or os.cpu_count() or 1, len(preset.cameras))
        with ProcessPoolExecutor(max_workers=max(1, count), mp_context=context) as pool:
            jobs = (CameraJob(preset, seed, i, folder, video, masks, device) for i in indices)
            counts = _map(pool, record_camera, jobs)
            if reid and world.crop_people:
                for name in FOLDERS:
                    (folder / "reid" / name).mkdir(parents=True)
                crops = _map(pool, make_crops, (CropJob(preset, seed, i, folder, device) for i in indices))
            else:
                crops = [0] * len(preset.cameras)
            pairs = world.overlapping()
            save_site(site_of(world, pairs, video), folder / "site.yaml")
            _write_plain(world, folder)
    truth = {
        "generator": VERSION,
        "preset": preset.name,
        "seed": seed,
        "truth": world.truth_hash(),
        "people": preset.people,
        "cameras": {
            camera.name: {
                "clock_offset_s": camera.offset_s,
                "stated_offset_s": camera.offset_s if camera.stated_offset_s is None else camera.stated_offset_s,
                "stated_status": camera.stated_status,
                **counts[i],
                "crops": crops[i],
            }
            for i, camera in enumerate(preset.cameras)
        },
        "overlap": [{"cameras": [a, b], "value": "partial" if shared else "none"} for a, b, shared in pairs],
    }
    (folder / TRUTH_FILE).write_text(yaml.safe_dump(truth, sort_keys=False, default_flow_style=None), encoding="utf-8")
    return truth


def site_of(world: World, pairs: Iterable[tuple[str, str, bool]], video: bool) -> Site:
    """The site file of the pipeline: it states what an operator would know, wrong clocks included."""
    cameras = {}
    for index, spec in enumerate(world.preset.cameras):
        camera = world.camera(index)
        stated = spec.offset_s if spec.stated_offset_s is None else spec.stated_offset_s
        cameras[spec.name] = CameraSite(
            source=f"video/{spec.name}.mp4" if video else None,
            fps=spec.fps,
            size=world.preset.size,
            clock=Clock(status=spec.stated_status, offset_s=stated),
            calibration=Calibration(K=camera.intrinsics.tolist(), R=camera.rotation.tolist(), t=camera.shift.tolist()),
        )
    return Site(
        cameras=cameras,
        overlap=[OverlapPair(cameras=(a, b), value="partial" if shared else "none") for a, b, shared in pairs],
        groups=[Group(name=f"group{number + 1}", cameras=names) for number, names in enumerate(world.preset.groups)],
    )


def _write_plain(world: World, folder: Path) -> None:
    """Calibration, identities, textures and 3-D skeletons."""
    import cv2

    calibration = {}
    for index, spec in enumerate(world.preset.cameras):
        camera = world.camera(index)
        calibration[spec.name] = {
            "size": list(camera.size),
            "fps": spec.fps,
            "K": camera.intrinsics.tolist(),
            "R": camera.rotation.tolist(),
            "t": camera.shift.tolist(),
            "ground_homography": camera.homography().tolist(),
        }
    _write_json(folder / "calib.json", calibration)
    people = {"people": [one.as_dict() for one in world.people], "crops": [one.as_dict() for one in world.crop_people]}
    _write_json(folder / "identities.json", people)
    for person in world.people:
        path = folder / "textures" / f"{person.person_id:04d}.png"
        if not cv2.imwrite(str(path), paint(person)[0][..., ::-1]):
            raise OSError(28, "cannot be written", str(path))
    last = max(camera.offset_s for camera in world.preset.cameras) + world.preset.duration_s
    times = np.arange(int(last * _SKELETON_FPS)) / _SKELETON_FPS
    joints, present = world.joints(times)
    np.savez_compressed(
        folder / "skeletons.npz",
        times_s=times,
        ids=np.array([person.person_id for person in world.people]),
        joints=joints.astype(np.float32),
        present=present,
        phase=world.motion.at(times).phase.astype(np.float32),
        names=np.array(JOINTS),
    )


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _map(pool: ProcessPoolExecutor, work: Callable[[Job], Made], jobs: Iterable[Job]) -> list[Made]:
    return list(pool.map(work, jobs))


def _bytes_needed(preset: Preset, video: bool, masks: bool, reid: bool) -> int:
    """A generous guess."""
    pixels = preset.size[0] * preset.size[1] * preset.duration_s * sum(camera.fps for camera in preset.cameras)
    needed = pixels * (_VIDEO_BYTES_PER_PIXEL * video + _MASK_BYTES_PER_PIXEL * masks) + _FIXED_BYTES
    people = preset.reid.train_people + preset.reid.test_people
    return int(needed + _CROP_BYTES * people * preset.reid.crops * len(preset.cameras) * reid)


def _check_place(out: Path, overwrite: bool) -> None:
    if out.exists():
        if not out.is_dir():
            raise UserError(f"{out} is a file; choose another --out")
        if not is_empty(out):
            if not overwrite:
                raise UserError(f"{out} exists; choose another --out or give --overwrite")
            ledger = Ledger(out, _KIND)
            if not ledger.exists():
                raise UserError(
                    f"{out} bears no mark of a generated site ({ledger.path.name}) and stays as it is; choose another "
                    "--out"
                )
            others = [path for path in ledger.strangers(["."]) if path != ledger.path]
            if others:
                raise UserError(f"{others[0]} does not belong to the generated site; move it, or choose another --out")


def _list_files(folder: Path) -> None:
    """Name every file of a site in its list, so that the site can be replaced and nothing else."""
    ledger = Ledger(folder, _KIND)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    ledger.start()
    for path in files:
        ledger.claim(path)


def _check_room(out: Path, draft: Path, needed: int) -> None:
    room = shutil.disk_usage(draft).free
    if room < needed:
        raise UserError(
            f"{out}: no room: the site needs about {needed / 1e6:.0f} MB and {room / 1e6:.0f} MB are free; choose "
            "another --out, a shorter preset, or --no-video"
        )
