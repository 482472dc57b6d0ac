"""A calibrated group and a camera by itself, from boxes alone: places in metres, one id per person, resume."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.errors import UserError
from data.formats.mot import MotTable, read_mot, write_mot
from data.formats.world import read_world_paths
from data.records import Tracks
from data.site import Site
from pipeline.config import Config, load_config
from pipeline.folder.run_folder import RunFolder
from pipeline.folder.stages import Status
from pipeline.input.batching import Batching
from pipeline.input.detections import DetectionInput
from pipeline.input.perception import Perceived
from pipeline.job.completion import complete
from pipeline.job.job import Job
from pipeline.job.preparation import prepare_folder
from pipeline.job.request import DetectionFiles, EarlierRun, RunRequest, TrackFiles
from pipeline.job.runner import run
from pipeline.job.tracking import track
from tests.trackers.ground_world import CORNERS, EXACT, SIZE, walk
from trackers.group.bodies import project

FPS, FRAMES, COME = 5.0, 60, 75
GROUP = ("east", "north", "west")
WAYS = [
    walk((1, 2), (7, 6), steps=FRAMES),
    walk((7, 2.2), (1, 6.3), steps=FRAMES),
    walk((4, 7), (4.2, 1), steps=FRAMES),
]
LOOKS = np.random.default_rng(5).normal(size=(len(WAYS), 16))


class Killed(Exception):
    """Stands for a kill -9: nothing is cleaned up."""


def make_site(**changes: Any) -> Site:
    common = {"fps": FPS, "size": list(SIZE), "clock": {"status": "common"}}
    cameras: dict[str, Any] = {
        name: {**common, "calibration": {"projection": CORNERS[name].projection.tolist()}} for name in GROUP
    }
    cameras["gate"] = common
    tree = {"cameras": cameras, "default_overlap": "none", "groups": [{"name": "hall", "cameras": list(GROUP)}]}
    return Site.model_validate({**tree, **changes})


def detections(camera: str, rng: np.random.Generator) -> tuple[MotTable, np.ndarray]:
    """Boxes of a camera with the looks of each; the first person walks past the gate after leaving the hall."""
    frames, boxes, looks = [], [], []
    for frame in range(FRAMES if camera in GROUP else COME + 30):
        for person, way in enumerate(WAYS):
            if camera in GROUP:
                place = np.array([[*way[frame], np.log(1.7)]])
                shapes = project(CORNERS[camera], SIZE, place, EXACT)
                if shapes.inside[0] < 0.5:
                    continue
                box = shapes.seen[0] + rng.normal(0, 0.01, 4) * shapes.height[0]
            elif person == 0 and frame >= COME:
                box = np.array([200.0, 150, 280, 400]) + 8 * (frame - COME) * np.array([1, 0, 1, 0])
            else:
                continue
            frames.append(frame)
            boxes.append(np.clip(box, 0, [*SIZE, *SIZE]))
            looks.append(LOOKS[person] + rng.normal(0, 0.2, 16))
    count = len(frames)
    return MotTable.make(np.array(frames), np.full(count, -1), np.array(boxes), np.full(count, 0.9)), np.array(looks)


@pytest.fixture(scope="module")
def boxes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "det"
    folder.mkdir()
    for number, camera in enumerate((*GROUP, "gate")):
        table, looks = detections(camera, np.random.default_rng(number))
        write_mot(folder / f"{camera}.txt", table, "det")
        np.save(folder / f"{camera}.npy", looks.astype(np.float32))
    return folder


@pytest.fixture(scope="module")
def config() -> Config:
    return load_config([], ["run.part_s=2", "run.device=cpu"])


def track_all(
    boxes: Path, root: Path, config: Config, *, site: Site | None = None, resume: bool = False, listener: Any = None
) -> RunFolder:
    site = site or make_site()
    source = DetectionInput(boxes, None, site, Batching(6), None)
    folder = prepare_folder(root, config, site, overwrite=False, resume=resume)
    job = Job(folder, config, site, source.describe())
    job.write_manifest(Status.RUNNING)
    track(job, source, None, resume=resume, listener=listener)
    job.write_manifest(Status.TRACKED)
    complete(job)
    return folder


@pytest.fixture(scope="module")
def whole(boxes: Path, tmp_path_factory: pytest.TempPathFactory, config: Config) -> RunFolder:
    return track_all(boxes, tmp_path_factory.mktemp("whole") / "run", config)


def results(folder: RunFolder) -> Mapping[str, bytes]:
    names = ("global_tracks.json", "links.jsonl")
    paths = [folder.root / name for name in names]
    for part in ("tracklets", "tracks", "local_tracks", "world"):
        paths += sorted((folder.root / part).iterdir())
    return {str(path.relative_to(folder.root)): path.read_bytes() for path in paths}


def test_everybody_has_one_id_in_all_cameras(whole: RunFolder) -> None:
    people = whole.read_global_tracks()
    assert len(people) == len(WAYS)
    cameras = sorted(tuple(sorted({visit.camera for visit in person.visits})) for person in people)
    assert cameras == [("east", "gate", "north", "west"), GROUP, GROUP], "the group and the camera by itself are joined"
    for camera in GROUP:
        assert set(read_mot(whole.tracks(camera), "tracks").ids) == {person.global_id for person in people}


def test_places_are_written_in_metres_under_global_ids(whole: RunFolder) -> None:
    paths = read_world_paths(whole.world("hall"))
    assert set(paths.ids) == {person.global_id for person in whole.read_global_tracks()}
    frames = np.round(paths.times_s * FPS).astype(int)
    away = np.array([np.linalg.norm(way[frames] - paths.xy, axis=1) for way in WAYS])
    assert np.median(away.min(axis=0)) < 0.1
    for person in set(paths.ids):
        whose = np.bincount(away[:, paths.ids == person].argmin(axis=0), minlength=len(WAYS))
        assert whose.max() > 0.9 * whose.sum() > 40
    assert abs(paths.heights.mean() - 1.7) < 0.08


@pytest.mark.parametrize("kill_at", [5, 90, 170])
def test_a_killed_run_resumes_to_the_same_bytes(
    boxes: Path, whole: RunFolder, tmp_path: Path, config: Config, kill_at: int
) -> None:
    seen: list[int] = []

    def kill(item: Perceived, tracks: Tracks) -> None:
        seen.append(item.view.frame_index)
        if len(seen) == kill_at:
            raise Killed

    with pytest.raises(Killed):
        track_all(boxes, tmp_path / "run", config, listener=kill)
    resumed: list[int] = []
    again = track_all(
        boxes, tmp_path / "run", config, resume=True, listener=lambda item, _: resumed.append(item.view.frame_index)
    )
    assert results(again) == results(whole)
    if kill_at > 100:
        assert min(resumed) > 5, "a late kill must not start from the first frame"


def test_cameras_of_other_rates_offsets_and_length(boxes: Path, tmp_path: Path, config: Config) -> None:
    """North has every second frame and another clock, west dies in the middle."""
    folder = tmp_path / "det"
    folder.mkdir()
    for camera in GROUP:
        table = read_mot(boxes / f"{camera}.txt", "det")
        if camera == "north":
            table = table.select(table.frames % 2 == 0)
            table = replace(table, frames=table.frames // 2)
        if camera == "west":
            table = table.select(table.frames < FRAMES // 2)
        write_mot(folder / f"{camera}.txt", table, "det")
    tree = make_site().model_dump(mode="json", by_alias=True, exclude_none=True)
    tree["cameras"]["north"] |= {"fps": FPS / 2, "clock": {"status": "common", "offset_s": 0.0, "drift_ppm": 0.0}}
    found = track_all(folder, tmp_path / "run", config, site=Site.model_validate(tree))
    assert len(found.read_global_tracks()) == len(WAYS)
    paths = read_world_paths(found.world("hall"))
    frames = np.round(paths.times_s * FPS).astype(int)
    away = np.array([np.linalg.norm(way[np.minimum(frames, FRAMES - 1)] - paths.xy, axis=1) for way in WAYS])
    assert np.median(away.min(axis=0)) < 0.15
    assert len(paths) > 0.9 * len(WAYS) * FRAMES


def test_a_group_may_be_taken_back_without_tracking_again(whole: RunFolder, tmp_path: Path, config: Config) -> None:
    import shutil

    shutil.copytree(whole.root, tmp_path / "run")
    site = make_site(groups=[], default_overlap="unknown")
    run(RunRequest(start=EarlierRun(), output=tmp_path / "run", site=site), config)
    assert not RunFolder(tmp_path / "run").world("hall").exists(), "places belong to the group"


def test_tracks_that_were_given_are_not_tracked_again(whole: RunFolder, tmp_path: Path, config: Config) -> None:
    result = run(RunRequest(start=TrackFiles(whole.root / "tracks"), output=tmp_path / "run", site=make_site()), config)
    assert any("group 'hall' is not tracked on the ground" in str(line) for line in result.warnings)
    assert not result.folder.world("hall").exists()


def test_a_camera_of_a_group_that_is_not_there_is_told(boxes: Path, tmp_path: Path, config: Config) -> None:
    folder = tmp_path / "det"
    folder.mkdir()
    for camera in GROUP[:2]:
        (folder / f"{camera}.txt").write_bytes((boxes / f"{camera}.txt").read_bytes())
    result = run(RunRequest(start=DetectionFiles(folder), output=tmp_path / "run", site=make_site()), config)
    assert any("camera 'west' is not in this run" in str(line) for line in result.warnings)
    assert len(result.global_tracks) == len(WAYS)


def test_a_group_needs_the_size_of_its_frames(boxes: Path, tmp_path: Path, config: Config) -> None:
    tree = make_site().model_dump(mode="json", by_alias=True, exclude_none=True)
    del tree["cameras"]["north"]["size"]
    request = RunRequest(start=DetectionFiles(boxes), output=tmp_path / "run", site=Site.model_validate(tree))
    with pytest.raises(UserError, match=r"size of camera 'north' of group 'hall' is unknown.*cameras\.north\.size"):
        run(request, config)
